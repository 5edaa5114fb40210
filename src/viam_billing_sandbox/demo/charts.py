"""Charts of a fleet: cost by payer, use of the budget, the course of the month, what changed; credits are below 0."""

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
    largest = max((row.get("month_to_date", 0.0) for row in rows), default=0.0)
    for row in rows:
        count = len(row["location_ids"])
        places = Text(bar * bar_length(row.get("month_to_date", 0.0), largest), style=_SEEN)
        places.append(f" {count} location{'' if count == 1 else 's'}", style="default")
        projection = row.get("projection")
        table.add_row(
            named(row["org_id"]).partition(" (")[2].rstrip(")") or row["org_id"],
            dollars(row["month_to_date"]) if "month_to_date" in row else row["error"]["code"],
            dollars(projection["total"]) if projection else "",
            places,
        )
    return table


def budget(answer: Mapping[str, Any], full: str, empty: str) -> Text:
    """Returns a bar of the used budget, with its status."""
    filled = max(0, min(_BUDGET_WIDTH, round(_BUDGET_WIDTH * answer["used_fraction"])))
    line = Text(full * filled, style=_COLORS[answer["status"]])
    line.append(empty * (_BUDGET_WIDTH - filled), style=_PROJECTED)
    line.append(f" {answer['used_fraction']:.1%} of {dollars(answer['monthly_budget'])}: {answer['status']}", "default")
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

    lows, highs = (
        {day: _between(seen, day) if day <= today else ahead(end, day) for day in range(days)} for end in (low, high)
    )
    lowest, highest = min(*lows.values(), 0.0), max(*highs.values(), 0.01)
    band = "▒" if full == "█" else "+"
    lines = []
    for row in range(_CHART_HEIGHT, 0, -1):
        top, middle = (lowest + (highest - lowest) * (row - part) / _CHART_HEIGHT for part in (0.0, 0.5))
        label = dollars(top) if row in (_CHART_HEIGHT, 1 + _CHART_HEIGHT // 2) else ""
        line = Text(f"{label:>10} ", style="default")
        for day in range(days):
            reached = [0 <= middle <= end[day] or end[day] <= middle < 0 for end in (lows, highs)]
            sure = full if day <= today else empty
            drawn = sure if all(reached) else band if any(reached) else " "
            line.append(drawn * 2, _SEEN if day <= today else _PROJECTED)
        lines.append(line)
    lines.append(Text(f"{'':>10} {'day 1':<{2 * today}}{'today' if 1 < today < days - 1 else ''}", style="dim"))
    return lines


def changes(answer: Mapping[str, Any], bar: str) -> Table:
    """Returns a row for each kind of usage of `compare_usage`, with a bar for its change: red where it rose."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for header, justify in (("kind of usage", "left"), ("now", "right"), ("before", "right"), ("change", "left")):
        table.add_column(header, justify=justify, no_wrap=True)  # type: ignore[arg-type] # one of rich's own words
    largest = max((abs(row.get("change", 0.0)) for row in answer["by_type"]), default=0.0)
    for row in answer["by_type"]:
        change = row.get("change")
        drawn = Text(bar * bar_length(abs(change or 0.0), largest), style="red" if (change or 0.0) > 0 else "green")
        drawn.append("not known" if change is None else f" {dollars(change)}", style="default")
        table.add_row(row["type"], dollars(row["now"]), dollars(row["before"]) if "before" in row else "", drawn)
    return table


def bar_length(cost: float, largest: float) -> int:
    """Returns how many characters the bar of a cost has beside that of the largest; none for a credit."""
    return max(1, round(_BAR_WIDTH * cost / largest)) if cost > 0 else 0


def _between(seen: Mapping[int, float], day: int) -> float:
    """Returns the cost up to a day; a day that was not seen has the cost of the day before."""
    return seen[max(each for each in seen if each <= day)] if min(seen, default=day + 1) <= day else 0.0


def dollars(amount: float) -> str:
    """Returns an amount as people write it, a credit with its sign first."""
    return f"{'-' if amount < 0 else ''}${abs(amount):,.2f}"
