"""Figures, their bars, and how both are shown; no I/O."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_COLUMNS = ("what", "value", "bar", "reached", "how")


@dataclass(frozen=True)
class Bar:
    """What a figure is to reach."""

    at_most: float | None = None
    at_least: float | None = None
    below: float | None = None

    def reached(self, value: float) -> bool:
        """Whether a value is on the good side of it."""
        return (
            (self.at_most is None or value <= self.at_most)
            and (self.at_least is None or value >= self.at_least)
            and (self.below is None or value < self.below)
        )

    def text(self, unit: str) -> str:
        """The bar in words."""
        if self.at_most is not None and self.at_most == self.at_least:
            return f"exactly {shown(self.at_most, unit)}"
        parts = (("at most", self.at_most), ("at least", self.at_least), ("below", self.below))
        return ", ".join(f"{word} {shown(value, unit)}" for word, value in parts if value is not None)

    def as_json(self) -> dict[str, float]:
        """The bar as the JSON file has it."""
        values = {"at_most": self.at_most, "at_least": self.at_least, "below": self.below}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Figure:
    """One row of the table. `value` is None where it could not be measured; `how` then says why.

    Units: `x` (times the other side's figure), `us`, `ms`, `MB`, `per s`, `` (a count).
    """

    name: str
    what: str
    value: float | None
    unit: str
    bar: Bar | None = None
    how: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def reached(self) -> bool | None:
        """None where there is no bar, or nothing to hold to it."""
        return None if self.bar is None or self.value is None else self.bar.reached(self.value)

    def as_json(self) -> dict[str, Any]:
        """The row as the JSON file has it."""
        return {
            "name": self.name,
            "what": self.what,
            "value": self.value,
            "unit": self.unit,
            "bar": self.bar.as_json() if self.bar else None,
            "reached": self.reached,
            "how": self.how,
            **self.details,
        }


def not_measured(name: str, error: BaseException) -> Figure:
    """The row of what went wrong."""
    return Figure(name, name, None, "", how=f"could not be measured: {type(error).__name__}: {error}")


def ratio(
    name: str, what: str, ours: Sequence[float], others: Sequence[float], unit: str, bar: Bar | None = None
) -> Figure:
    """The median of the rounds' ratios: what a round's weather does to one side it does to the other."""
    value = statistics.median(our / other for our, other in zip(ours, others, strict=True))
    how = f"{shown(statistics.median(ours), unit)} against {shown(statistics.median(others), unit)}"
    return Figure(name, what, value, "x", bar, how, {"of_unit": unit, "ours": list(ours), "others": list(others)})


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def shown(value: float, unit: str) -> str:
    """A value as a reader takes it in: three digits are enough."""
    if unit == "x":
        return f"{value:.2f} x"
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def table(figures: Sequence[Figure]) -> str:
    """All rows, for a terminal."""
    words = {None: "-", True: "yes", False: "NO"}
    rows = [_COLUMNS] + [
        (
            figure.what,
            "-" if figure.value is None else shown(figure.value, figure.unit),
            figure.bar.text(figure.unit) if figure.bar else "-",
            words[figure.reached],
            figure.how,
        )
        for figure in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
