"""Series of usage out of CSV files, cut into the months of a bill."""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import accumulate, groupby
from pathlib import Path

from viam_billing.core.money import TOO_LARGE
from viam_billing.core.times import DAY_S, HOUR_S, month_start_s, next_month_s
from viam_billing.usage.days import SEEN_DAYS, CostAt
from viam_billing.usage.forecast import HISTORY_DAYS

LONGEST_GAP_S = 7 * DAY_S
"""A shorter time without rows is one without cost; after a longer one the series begins anew."""


class SeriesError(Exception):
    """A file or folder that cannot be judged, and what is wrong with it."""


@dataclass(frozen=True)
class Month:
    """A calendar month that the rows of a series cover."""

    start_s: float
    end_s: float
    total: float


@dataclass
class Series:
    """What a module that is always on would have seen of a bill, and the months of this bill."""

    name: str
    points: list[CostAt] = field(default_factory=list)
    """Oldest first, at the end of each hour or day."""
    months: list[Month] = field(default_factory=list)
    """Those that began four weeks or more after the first row, and that come to more than nothing."""

    def cost(self, month: Month, as_of_s: float) -> float:
        """Dollars since the month's start."""
        time_s, month_s, cost = self.points[self._until(as_of_s) - 1]
        return cost if month_s == month.start_s and time_s > month.start_s else 0.0

    def seen(self, since_s: float, as_of_s: float) -> list[CostAt]:
        """The points between two times, as the history hands them to the forecast."""
        since_s = max(since_s, as_of_s - SEEN_DAYS * DAY_S)
        return self.points[self._until(since_s) : self._until(as_of_s)]

    def _until(self, time_s: float) -> int:
        return bisect_right(self.points, (time_s, math.inf, math.inf))


def read_folder(folder: Path) -> list[Series]:
    """Each CSV file of a folder, by name. Raises: SeriesError."""
    files = sorted(folder.glob("*.csv")) if folder.is_dir() else []
    if not files:
        raise SeriesError(f"{folder}: found no file that ends with .csv, expected a folder with such files")
    return [cut(file.stem, _rows(file)) for file in files]


def _rows(file: Path) -> list[tuple[float, float]]:
    """Time in Unix seconds and dollars of each row."""
    rows: list[tuple[float, float]] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            lines = csv.DictReader(text, strict=True)
            if not {"time", "cost"} <= {*(lines.fieldnames or ())}:
                raise SeriesError(f"{file.name}:1: found {lines.fieldnames}, expected the columns time and cost")
            for row in lines:
                where = f"{file.name}:{lines.line_num}"
                rows.append((_time(row["time"], where), _cost(row["cost"], where)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SeriesError(f"{file.name}: {error}") from None
    if not rows:
        raise SeriesError(f"{file.name}: found no row, expected one for each hour or day")
    return rows


def _time(text: str | None, where: str) -> float:
    """As it is written: a bill's month begins where its time zone says, and a change to summer time is no gap."""
    try:
        time = datetime.fromisoformat((text or "").strip().replace("Z", "+00:00"))
        return time.replace(tzinfo=timezone.utc).timestamp()
    except (ValueError, OverflowError):
        raise SeriesError(f"{where}: found the time {text!r}, expected one such as 2026-11-30T08:00:00Z") from None


def _cost(text: str | None, where: str) -> float:
    try:
        cost = float(text or "")
    except ValueError:
        cost = math.nan
    if not abs(cost) < TOO_LARGE:
        raise SeriesError(f"{where}: found the cost {text!r}, expected a number of dollars")
    return cost


def cut(name: str, rows: list[tuple[float, float]]) -> Series:
    """The series of rows in any order: of a day each, if no day has two; else of an hour, the sum of what is in it.

    Raises: SeriesError: for a month that comes to more than the module takes for an amount.
    """
    step_s = DAY_S if len({time_s // DAY_S for time_s, _ in rows}) == len(rows) else HOUR_S
    costs: dict[float, float] = {}
    for time_s, cost in rows:
        begin_s = time_s // step_s * step_s
        costs[begin_s] = costs.get(begin_s, 0.0) + cost
    series = Series(name)
    for run in _runs(costs, step_s):
        for start_s, group in groupby(run, lambda row: month_start_s(row[0])):
            part = list(group)
            from_first_day = part[0][0] - start_s < DAY_S
            since_s = start_s if from_first_day else part[0][0]
            totals = [*accumulate(cost for _, cost in part)]
            if max(map(abs, totals)) >= TOO_LARGE:
                raise SeriesError(f"{name}: found a month of a trillion dollars or more, expected less")
            series.points += [
                (begin_s + step_s, since_s, total) for (begin_s, _), total in zip(part, totals, strict=True)
            ]
            month = Month(start_s, next_month_s(start_s), series.points[-1][2])
            whole = from_first_day and month.end_s - part[-1][0] <= DAY_S
            if whole and month.total > 0 and min(costs) <= start_s - HISTORY_DAYS * DAY_S:
                series.months.append(month)
    return series


def _runs(costs: dict[float, float], step_s: float) -> Iterator[list[tuple[float, float]]]:
    """Rows without a long gap between them, oldest first; a short one is filled with rows that cost nothing."""
    run: list[tuple[float, float]] = []
    for begin_s, cost in sorted(costs.items()):
        end_s = run[-1][0] + step_s if run else begin_s
        if begin_s - end_s > LONGEST_GAP_S:
            yield run
            run, end_s = [], begin_s
        run += [(end_s + number * step_s, 0.0) for number in range(round((begin_s - end_s) / step_s))]
        run.append((begin_s, cost))
    yield run
