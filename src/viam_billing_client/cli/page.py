"""Figures as text for people: tables and bars that fit the terminal.

A table gives up width in the columns that may shrink, the widest first; amounts are never cut.
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
_NARROWEST: Final = 6
"""Characters that a column keeps when it shrinks."""
_UNLIMITED: Final = 10_000
_DEFAULT_BAR: Final = 40


@dataclass(frozen=True)
class Column:
    """A column: amounts stand at the right and keep their width, texts may shrink, and those to `keep` do so last."""

    title: str
    right: bool = False
    keep: bool = False


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
        self, columns: Sequence[Column], rows: Sequence[Sequence[str]], styles: Sequence[str | None] = ()
    ) -> Iterator[str]:
        """The lines of a table, its header first; `styles` has a color for each row."""
        from rich.cells import cell_len, set_cell_size  # noqa: PLC0415 - not for --help

        def fitted(text: str, width: int, *, right: bool) -> str:
            length = cell_len(text)
            if length > width:  # IDs differ at either end
                head, tail = width // 2, (width - 1) // 2
                start, end = set_cell_size(text, head), set_cell_size(text[::-1], tail)[::-1]
                return start + ("…" if self.blocks else "~") + end
            return " " * (width - length) + text if right else text + " " * (width - length)

        cells = [[plain(cell) for cell in row] for row in rows]
        widths = [
            max(cell_len(column.title), *(cell_len(row[at]) for row in cells), 0) if cells else cell_len(column.title)
            for at, column in enumerate(columns)
        ]
        self._shrink(columns, widths)
        shape = list(zip(widths, (column.right for column in columns), strict=True))
        for row, style in zip(
            [[column.title for column in columns], *cells], ["bold", *(styles or [None] * len(cells))], strict=True
        ):
            parts = (fitted(cell, width, right=right) for cell, (width, right) in zip(row, shape, strict=True))
            yield self.styled("  ".join(parts).rstrip(), style)

    def _shrink(self, columns: Sequence[Column], widths: list[int]) -> None:
        over = sum(widths) + 2 * (len(widths) - 1) - self.width
        while over > 0:
            able = [at for at, column in enumerate(columns) if not column.right and widths[at] > _NARROWEST]
            if not able:
                return
            widths[max(able, key=lambda at: (not columns[at].keep, widths[at]))] -= 1
            over -= 1

    def wrapped(self, text: str, style: str | None = None) -> Iterator[str]:
        """The lines of a sentence."""
        import textwrap  # noqa: PLC0415 - not for --help

        for line in textwrap.wrap(plain(text), self.width):
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


def day(time: datetime | None) -> str:
    """A time's day in UTC."""
    return "" if time is None else f"{time.astimezone(timezone.utc):%Y-%m-%d}"
