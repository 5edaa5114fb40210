"""How far estimates are from the totals of real months, each series by itself and in relation to the straight line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from forecast.series import Month, Series
from viam_billing.core.times import DAY_S
from viam_billing.usage.days import days_back
from viam_billing.usage.forecast import projected, straight_line

DAYS = (5, 10, 20)
AVERAGE_DAYS = 28
BARS_KNOWN, BARS_OWN = (0.85, 0.92, 0.98), (1.00, 0.99, 0.98)
"""In relation to the straight line, after 5, 10 and 20 days: months before known, and this month's days only."""
INSIDE_BAR = (0.72, 0.88)


@dataclass(frozen=True)
class Estimate:
    """Of one month at one day: errors as fractions of its total, and the interval."""

    error: float
    own: float
    """With this month's days only."""
    line: float
    average: float
    """Of the last 28 days, those of the month before included."""
    inside: bool
    width: float


@dataclass(frozen=True)
class Cell:
    """The means over the months of a series, at one day."""

    error: float
    own: float
    line: float
    average: float
    inside: float
    width: float

    def relation(self, of: str) -> float:
        """An error as a multiple of the straight line's; 1 where both are none."""
        return float(getattr(self, of)) / self.line if self.line > 0 else 1.0 + (getattr(self, of) > 0)


@dataclass(frozen=True)
class Judged:
    """A series that has months to judge."""

    name: str
    months: int
    cells: dict[int, Cell]


def judged(series: Series) -> Judged | None:
    """The errors over all months of a series; None where there is none."""
    cells = {}
    for day in DAYS:
        found = [_estimate(series, month, month.start_s + day * DAY_S) for month in series.months]
        if not found:
            return None
        names = Cell.__dataclass_fields__
        cells[day] = Cell(**{name: fmean(float(getattr(each, name)) for each in found) for name in names})
    return Judged(series.name, len(series.months), cells)


def _estimate(series: Series, month: Month, as_of_s: float) -> Estimate:
    cost = series.cost(month, as_of_s)
    asked = (cost, month.start_s, month.end_s, as_of_s)
    known = projected(*asked, series.seen(-math.inf, as_of_s))
    own = projected(*asked, series.seen(month.start_s, as_of_s))
    line = straight_line(*asked)
    assert known is not None
    assert own is not None
    assert line is not None
    low, high = (bound if isinstance(bound, float) else known.total for bound in (known.low, known.high))
    days = [day for day in days_before(series, month, as_of_s) if day is not None][-AVERAGE_DAYS:]
    average = cost + fmean(days or [0.0]) * (month.end_s - as_of_s) / DAY_S
    error = {
        name: abs(total - month.total) / month.total
        for name, total in (("error", known.total), ("own", own.total), ("line", line.total), ("average", average))
    }
    inside = low - 0.005 <= month.total <= high + 0.005  # the bounds are whole cents
    return Estimate(**error, inside=inside, width=(high - low) / month.total)


def days_before(series: Series, month: Month, as_of_s: float) -> list[float | None]:
    """What each day cost until then, oldest first, months before included."""
    return days_back(series.cost(month, as_of_s), month.start_s, as_of_s, series.seen(-math.inf, as_of_s))[0]


def table(found: Sequence[Judged]) -> str:
    """A row of each series: the errors of projection and straight line in percent, and how many months are inside."""
    width = max([len(each.name) for each in found] + [10])
    head = "".join(f"  {f'day {day}':>8} {'straight':>8} {'inside':>6}" for day in DAYS)
    lines = [f"{'':{width}}  months{head}"]
    for each in found:
        figures = "".join(
            f"  {100 * cell.error:>7.1f}% {100 * cell.line:>7.1f}% {100 * cell.inside:>5.0f}%"
            for cell in each.cells.values()
        )
        lines.append(f"{each.name:{width}}  {each.months:>6}{figures}")
    return "\n".join(lines)


def relations(found: Sequence[Judged], of: str) -> list[float]:
    """The mean over the series of an error in relation to the straight line's, at each day."""
    return [fmean(each.cells[day].relation(of) for each in found) for day in DAYS]


def inside(found: Sequence[Judged]) -> list[float]:
    """The fraction of all months together whose true total lies in the interval, at each day."""
    months = sum(each.months for each in found)
    return [sum(each.months * each.cells[day].inside for each in found) / months for day in DAYS]


def narrower(found: Sequence[Judged]) -> bool:
    """Whether the interval is narrower with each day, on the mean over the series."""
    widths = [fmean(each.cells[day].width for each in found) for day in DAYS]
    return all(later < earlier for earlier, later in pairwise(widths))


def summary(title: str, found: Sequence[Judged], bars: Callable[[str], tuple[float, ...] | None]) -> tuple[str, bool]:
    """The relations and intervals of a group of series, and whether they reach the bars there are."""
    lines, reached = [f"{title}, {len(found)} series"], True
    for of, words in (
        ("error", "projection, months before known"),
        ("own", "projection, this month's days only"),
        ("average", f"mean of the last {AVERAGE_DAYS} days"),
    ):
        values, bar = relations(found, of), bars(of)
        good = bar is None or all(value <= limit for value, limit in zip(values, bar, strict=True))
        reached &= good
        lines.append(f"  {words:36}{_row(values)}{'' if bar is None else f'   bars{_row(bar)}  {_word(good=good)}'}")
    shares = inside(found)
    lines.append(f"  {'months inside low to high':36}{_row(shares)}")
    return "\n".join(lines), reached


def intervals_reached(found: Sequence[Judged]) -> bool:
    """Whether as many months lie inside as they should, and the interval is narrower with each day."""
    return all(INSIDE_BAR[0] <= share <= INSIDE_BAR[1] for share in inside(found)) and narrower(found)


def _row(values: Sequence[float]) -> str:
    return "".join(f" {value:>6.2f}" for value in values)


def _word(*, good: bool) -> str:
    return "reached" if good else "MISSED"


def write_json(found: Sequence[Judged], file: Path) -> None:
    """`{"series": {name: {"months": n, "5": {"error", "line", "inside"}, ...}}}`: percent, and `inside` a fraction."""
    series = {
        each.name: {
            "months": each.months,
            **{
                str(day): {"error": 100 * cell.error, "line": 100 * cell.line, "inside": cell.inside}
                for day, cell in each.cells.items()
            },
        }
        for each in found
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"series": series}, indent=1) + "\n")
