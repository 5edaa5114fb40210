"""Figures as text for people: tables and bars that fit the terminal.

What a person acts on (IDs, codes, dates, amounts) is never cut: the columns of a table that do not fit follow each row
on lines of their own. Names may lose their middle.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Final

from viam_billing_client.cli.messages import plain

COLORS: Final = {"red": "31", "yellow": "33", "green": "32", "blue": "34", "bold": "1", "dim": "2"}
STATUS: Final = {"ok": "green", "warning": "yellow", "exceeded": "red", "unknown": "red", "failed": "yellow"}
_NARROWEST: Final = 12
"""Characters that a name keeps when it is cut."""
_INDENT: Final = "  "
_UNLIMITED: Final = 10_000
_DEFAULT_BAR: Final = 40


@dataclass(frozen=True)
class Column:
    """A column: amounts stand at the right; a name may be cut."""

    title: str
    right: bool = False
    name: bool = False


@dataclass(frozen=True)
class Page:
    """What is known of stdout: its width in characters, and whether it shows colors and block characters."""

    width: int
    color: bool
    blocks: bool

    @classmethod
    def of_stdout(cls) -> Page:
        """A terminal's width, or that of `COLUMNS`; what goes into a file or a pipe has no bound."""
        terminal = sys.stdout.isatty()
        try:
            width = int(os.environ.get("COLUMNS", "")) or _UNLIMITED
        except ValueError:
            width = os.get_terminal_size(sys.stdout.fileno()).columns if terminal else 0
        encoding = (sys.stdout.encoding or "").lower().replace("-", "")
        color = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return cls(width if width > 0 else _UNLIMITED, color, encoding == "utf8")

    def styled(self, text: str, style: str | None) -> str:
        """The text in a color of COLORS, on a terminal."""
        return f"\x1b[{COLORS[style]}m{text}\x1b[0m" if self.color and style else text

    def bar(self, fraction: float, width: int, style: str | None = "blue", *, filled: bool = False) -> str:
        """A bar of a part of `width` characters; `filled` shows the rest of it, too."""
        length = max(0, min(width, round(width * fraction)))
        if fraction > 0 and width > 0:
            length = max(1, length)
        full, empty = ("█", "░") if self.blocks else ("#", ".")
        return self.styled(full * length, style) + (empty * (width - length) if filled else "")

    def bar_width(self, beside: int) -> int:
        """How long a bar may be next to `beside` characters."""
        return max(0, min(_DEFAULT_BAR, self.width - beside))

    def table(
        self,
        columns: Sequence[Column],
        rows: Sequence[Sequence[str]],
        styles: Sequence[str | None] = (),
        *,
        none: str = "None.",
    ) -> Iterator[str]:
        """The lines of a table, its header first; `styles` has a color for each row, `none` stands for no rows.

        The columns that do not fit follow each row, indented, with their titles.
        """
        from rich.cells import cell_len, set_cell_size  # noqa: PLC0415 - not for --help

        def fitted(text: str, width: int, *, right: bool) -> str:
            length = cell_len(text)
            if length > width:  # names differ at either end
                head, tail = width // 2, (width - 1) // 2
                start, end = set_cell_size(text, head), set_cell_size(text[::-1], tail)[::-1]
                return start + ("…" if self.blocks else "~") + end
            return " " * (width - length) + text if right else text + " " * (width - length)

        if not rows:
            yield from self.wrapped(none)
            return
        titles = [column.title for column in columns]
        cells = [[plain(cell) for cell in row] for row in rows]
        widths = [max(map(cell_len, column)) for column in zip(titles, *cells, strict=True)]
        beside = self._side_by_side(columns, widths)
        shape = [(width, column.right) for width, column in zip(beside, columns[: len(beside)], strict=True)]

        def line(row: Sequence[str], style: str | None) -> str:
            parts = (fitted(row[at], width, right=right) for at, (width, right) in enumerate(shape))
            return self.styled("  ".join(parts).rstrip(), style)

        if shape:
            yield line(titles, "bold")
        for row, style in zip(cells, styles or [None] * len(cells), strict=True):
            if shape:
                yield line(row, style)
            others = [f"{titles[at]}: {row[at]}" for at in range(len(shape), len(row)) if row[at]]
            yield from self.wrapped(", ".join(others), style, indent=_INDENT if shape else "")

    def _side_by_side(self, columns: Sequence[Column], widths: Sequence[int]) -> list[int]:
        """The widths of the columns that fit beside each other: the first ones, names cut where that is enough."""
        for count in range(len(columns), 0, -1):
            fitting = list(widths[:count])
            over = sum(fitting) + 2 * (count - 1) - self.width
            for at in range(count):
                if columns[at].name:
                    less = max(0, min(over, fitting[at] - _NARROWEST))
                    fitting[at] -= less
                    over -= less
            if over <= 0:
                return fitting
        return []

    def wrapped(self, text: str, style: str | None = None, indent: str = "") -> Iterator[str]:
        """The lines of a sentence; IDs are not broken, unless one is wider than the terminal."""
        import textwrap  # noqa: PLC0415 - not for --help

        for line in textwrap.wrap(
            plain(text), self.width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
        ):
            yield self.styled(line, style)


def dollars(amount: Decimal | None) -> str:
    """An amount as people write it; nothing where it is not known."""
    return "" if amount is None else f"{'-' if amount < 0 else ''}${abs(amount):,.2f}"


def percent(fraction: float | None) -> str:
    """A part as people write it; nothing where it is not known."""
    return "" if fraction is None else f"{fraction:.1%}"


def moment(time: datetime | None) -> str:
    """A time in UTC, to the minute."""
    return "" if time is None else f"{time.astimezone(timezone.utc):%Y-%m-%d %H:%M}"


def count(number: int, noun: str) -> str:
    """A number of things: `1 location`, `2,000 locations`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def month(time: datetime | None) -> str:
    """A time's month in UTC."""
    return day(time)[:7]


def day(time: datetime | None) -> str:
    """A time's day in UTC."""
    return "" if time is None else f"{time.astimezone(timezone.utc):%Y-%m-%d}"
