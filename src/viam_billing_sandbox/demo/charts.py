"""Charts of a fleet: cost by payer, use of the budget, the course of the month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from viam_billing.core.times import DAY_S, from_rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_BAR_WIDTH: Final = 24
_BUDGET_WIDTH: Final = 60
_CHART_HEIGHT: Final = 9
_COLORS: Final = {"ok": "green", "warning": "yellow", "exceeded": "red"}
_SEEN: Final = "blue"
_PROJECTED: Final = "bright_black"


def fleet(answer: Mapping[str, Any], named: Callable[[str], str], bar: str) -> Table:
    """Returns a row for each paying organization: cost so far, projection, locations."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for header, justify in (("paid by", "left"), ("so far", "right"), ("whole month", "right"), ("locations", "left")):
        table.add_column(header, justify=justify, no_wrap=True)  # type: ignore[arg-type] # one of rich's own words
    rows = sorted(answer["organizations"], key=lambda row: -row.get("month_to_date", 0.0))
    largest = max((row.get("month_to_date", 0.0) for row in rows), default=0.0) or 1.0
    for row in rows:
        count = len(row["location_ids"])
        places = Text(bar * max(1, round(_BAR_WIDTH * row.get("month_to_date", 0.0) / largest)), style=_SEEN)
        places.append(f" {count} location{'' if count == 1 else 's'}", style="default")
        projection = row.get("projection")
        table.add_row(
            named(row["org_id"]).partition(" (")[2].rstrip(")") or row["org_id"],
            _dollars(row["month_to_date"]) if "month_to_date" in row else row["error"]["code"],
            _dollars(projection["total"]) if projection else "",
            places,
        )
    return table


def budget(answer: Mapping[str, Any], full: str, empty: str) -> Text:
    """Returns a bar of the used budget, with its status."""
    filled = min(_BUDGET_WIDTH, round(_BUDGET_WIDTH * answer["used_fraction"]))
    line = Text(full * filled, style=_COLORS[answer["status"]])
    line.append(empty * (_BUDGET_WIDTH - filled), style=_PROJECTED)
    line.append(
        f" {answer['used_fraction']:.1%} of {_dollars(answer['monthly_budget'])}: {answer['status']}", "default"
    )
    return line


def month(points: Sequence[Mapping[str, Any]], usage: Mapping[str, Any], full: str, empty: str) -> list[Text]:
    """Returns the lines of a chart with a column for each day of the month, seen or projected, with its band."""
    start_s, end_s = from_rfc3339(usage["start_date"]), from_rfc3339(usage["end_date"])
    days = round((end_s - start_s) / DAY_S)
    seen: dict[int, float] = {}
    for point in points:
        day = int((from_rfc3339(point["time"]) - start_s) // DAY_S)
        if 0 <= day < days:
            seen[day] = point["month_to_date"]
    today = max(seen, default=0)
    so_far = seen.get(today, 0.0)
    projection = {"total": so_far, **usage.get("projection", {})}
    low, high = (projection.get(name, projection["total"]) for name in ("low", "high"))

    def ahead(total: float, day: int) -> float:
        return so_far + (total - so_far) * (day - today) / max(1, days - 1 - today)

    values = {day: _between(seen, day) if day <= today else ahead(high, day) for day in range(days)}
    highest = max(*values.values(), 0.01)
    band = "▒" if full == "█" else "+"
    lines = []
    for row in range(_CHART_HEIGHT, 0, -1):
        label = _dollars(highest * row / _CHART_HEIGHT) if row in (_CHART_HEIGHT, 1 + _CHART_HEIGHT // 2) else ""
        line = Text(f"{label:>10} ", style="default")
        for day in range(days):
            level = highest * (row - 0.5) / _CHART_HEIGHT
            projected = empty if ahead(low, day) >= level else band
            drawn = (full if day <= today else projected) if values[day] >= level else " "
            line.append(drawn * 2, _SEEN if day <= today else _PROJECTED)
        lines.append(line)
    lines.append(Text(f"{'':>10} {'day 1':<{2 * today}}{'today' if 1 < today < days - 1 else ''}", style="dim"))
    return lines


def _between(seen: Mapping[int, float], day: int) -> float:
    """Returns the cost up to a day; a day that was not seen has the cost of the day before."""
    return max((value for each, value in seen.items() if each <= day), default=0.0)


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}"
