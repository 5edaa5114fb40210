"""What statsforecast's AutoETS and AutoTheta make of the last months of each series, where it is installed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from statistics import fmean

from forecast.judge import DAYS, days_before
from forecast.series import read_folder
from viam_billing.core.times import DAY_S
from viam_billing.usage.forecast import straight_line

PYTHON = Path(__file__).resolve().parents[2] / "build" / "forecast" / "bin" / "python"
LAST_MONTHS = 6
"""Of each series: these models take a thousand times as long."""

_FITTED = """
import json, logging, sys
import numpy
try:
    from statsforecast.models import AutoETS, AutoTheta
except ImportError:
    sys.exit(0)
found = []
for task in json.load(sys.stdin):
    days, ahead = numpy.array(task["days"]), task["ahead"]
    made = {}
    for name, model in (("AutoETS", AutoETS(season_length=7)), ("AutoTheta", AutoTheta(season_length=7))):
        made[name] = float(numpy.maximum(model.forecast(y=days, h=ahead)["mean"], 0).sum())
    found.append(made)
json.dump(found, sys.stdout)
"""


def compared(folder: Path) -> str:
    """The mean over a folder's series of their errors in relation to the straight line's, as two lines of a summary."""
    tasks, months = [], []
    for series in read_folder(folder):
        for day in DAYS:
            for month in series.months[-LAST_MONTHS:]:
                as_of_s = month.start_s + day * DAY_S
                cost = series.cost(month, as_of_s)
                line = straight_line(cost, month.start_s, month.end_s, as_of_s)
                assert line is not None
                days = [each or 0.0 for each in days_before(series, month, as_of_s)]
                tasks.append({"days": days, "ahead": round((month.end_s - as_of_s) / DAY_S)})
                months.append((series.name, day, month.total, cost, line.total))
    done = subprocess.run(  # noqa: S603 - ours
        [PYTHON, "-W", "ignore", "-c", _FITTED], input=json.dumps(tasks), stdout=subprocess.PIPE, text=True, check=True
    )
    if not done.stdout:
        return "  AutoETS and AutoTheta: statsforecast is not installed"
    errors: dict[str, dict[tuple[str, int], list[tuple[float, float]]]] = {}
    for made, (name, day, total, cost, line_total) in zip(json.loads(done.stdout), months, strict=True):
        for model, rest in made.items():
            pair = (abs(cost + rest - total) / total, abs(line_total - total) / total)
            errors.setdefault(model, {}).setdefault((name, day), []).append(pair)
    return "\n".join(
        f"  {f'{model}, last {LAST_MONTHS} months':36}{_relations(cells)}" for model, cells in errors.items()
    )


def _relations(cells: dict[tuple[str, int], list[tuple[float, float]]]) -> str:
    row = ""
    for day in DAYS:
        of_day = [pairs for (_, each), pairs in cells.items() if each == day]
        relations = [fmean(one for one, _ in pairs) / fmean(line for _, line in pairs) for pairs in of_day]
        row += f" {fmean(relations):>6.2f}"
    return row
