"""How far estimates are from what simulated months come to, the projection's beside the straight line's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from forecast.months import KINDS, START_S, Chance, Month
from viam_billing.usage.forecast import projected, straight_line

DAYS = (5, 10, 20)
TUNED_BELOW = 100_000
"""The projection's constants were chosen with months of seeds below it; evaluations use seeds from it on."""
STEADY = "steady"
ALL = "all together"
_STEADY_BAR = 1.1


@dataclass(frozen=True)
class Cell:
    """The mean absolute errors of one kind at one day, in percent of the true totals."""

    kind: str
    day: int
    projection: float
    line: float

    @property
    def reached(self) -> bool:
        """Smaller than the straight line's; on steady months, which are straight lines, at most a tenth larger."""
        if self.kind == STEADY:
            return self.projection <= _STEADY_BAR * self.line
        return self.projection < self.line


def evaluated(seeds: Iterable[int]) -> list[Cell]:
    """Every kind at every day, with one month of each seed, then all kinds together."""
    seeds = list(seeds)
    cells = []
    for kind, simulate in KINDS.items():
        months = [simulate(Chance(f"{kind} {seed}")) for seed in seeds]
        for day in DAYS:
            errors = [_errors(month, day) for month in months]
            cells.append(Cell(kind, day, *(fmean(column) for column in zip(*errors, strict=True))))
    return cells + [_together(day, cells) for day in DAYS]


def _errors(month: Month, day: int) -> tuple[float, float]:
    as_of_s, cost, points = month.at(day)
    estimates = (
        projected(cost, START_S, month.end_s, as_of_s, points),
        straight_line(cost, START_S, month.end_s, as_of_s),
    )
    projection, line = (abs(each.total - month.total) / month.total * 100 for each in estimates if each is not None)
    return projection, line


def _together(day: int, cells: list[Cell]) -> Cell:
    of_day = [cell for cell in cells if cell.day == day]
    return Cell(ALL, day, fmean(cell.projection for cell in of_day), fmean(cell.line for cell in of_day))


def table(cells: list[Cell]) -> str:
    """A row of each kind: the projection's error, the straight line's, and whether the bars are reached."""
    head = "".join(f"  {f'day {day}':>10} {'straight':>9}" for day in DAYS)
    lines = [f"{'':18}{head}  bar reached"]
    for kind in (*KINDS, ALL):
        row = [cell for cell in cells if cell.kind == kind]
        figures = "".join(f"  {cell.projection:>9.2f}% {cell.line:>8.2f}%" for cell in row)
        lines.append(f"{kind:18}{figures}  {'yes' if all(cell.reached for cell in row) else 'NO'}")
    return "\n".join(lines)
