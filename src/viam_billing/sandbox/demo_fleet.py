"""Shows a whole fleet: who pays what, whether the budget lasts, how the month goes and where it will end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from viam_billing.sandbox import demo_charts
from viam_billing.sandbox.demo_configuration import attributes
from viam_billing.sandbox.months import month_start, utc_now
from viam_billing.sandbox.scenario import DEFAULT_LOCATION_ID, DEFAULT_ORG_ID
from viam_billing.times import DAY_S
from viam_billing.usage_history import Point, UsageHistory

if TYPE_CHECKING:
    from pathlib import Path

    from viam_billing.sandbox.demo_machine import Machine
    from viam_billing.sandbox.demo_view import View

_SERVICE: Final = "billing-of-the-fleet"
_WEEKEND: Final = 0.5
"""What a day at the weekend costs of a working day, in the made-up month."""


async def show(machine: Machine, view: View, address: str) -> None:
    """The fleet, its budget, its month."""
    folder = machine.folder / "fleet"
    scope: dict[str, object] = {
        "org_id": DEFAULT_ORG_ID,
        "location_id": DEFAULT_LOCATION_ID,
        "allowed_org_ids": [DEFAULT_ORG_ID],
        "allowed_location_ids": ["*"],
        "budget": {"monthly": 2500, "warn_at": [0.5, 0.8]},
        "state_dir": str(folder),
    }
    await machine.add(_SERVICE, {**attributes(address), **scope})

    view.question("What does the whole fleet cost, and who pays?")
    view.block(f'attributes that another service, "{_SERVICE}", has for it', scope)
    view.space()
    request: dict[str, object] = {"get_fleet_usage": {}}
    view.request(request)
    answer = await machine.answer(request, _SERVICE)
    view.put(demo_charts.fleet(answer, view.named, view.full))
    view.space()
    missing = [row["location_id"] for row in answer["locations"] if "error" in row]
    view.facts(
        [
            ("altogether", f"${answer['total_month_to_date']:,.2f} in {len(answer['locations'])} locations"),
            ("not known", ", ".join(map(view.named, missing)) or "nothing"),
        ]
    )

    view.question("Does the budget last?")
    request = {"check_budget": {}}
    view.request(request)
    view.put(demo_charts.budget(await machine.answer(request, _SERVICE), view.full, view.empty))

    view.question("How does the month go, and where will it end?")
    view.text(
        "The module notes what it sees. This one has only just begun to look, so the demonstration has written down "
        "the days before, as a machine that runs since the first of the month would have seen them."
    )
    view.space()
    own = next(row for row in answer["organizations"] if row["org_id"] == DEFAULT_ORG_ID)
    await _write_days_before(folder, address, own["month_to_date"])
    request = {"get_usage_history": {"step": "day"}}
    view.request(request)
    history = await machine.answer(request, _SERVICE)
    usage = await machine.answer({"get_location_usage": {"max_age_s": 0}}, _SERVICE)
    for line in demo_charts.month(history["points"], usage, view.full, view.empty):
        view.put(line)
    projection: dict[str, Any] | None = usage.get("projection")
    estimate = f"${projection['total']:,.2f} ({projection['method']})" if projection else "not before 5 % of the month"
    view.space()
    view.facts([("so far", f"${usage['month_to_date']:,.2f}"), ("whole month", estimate)])


async def _write_days_before(folder: Path, address: str, cost: float) -> None:
    """Days up to yesterday that come to what the cloud tells now."""
    now = utc_now()
    start_s = month_start(now).timestamp()
    days = [_WEEKEND if _is_weekend(day) else 1.0 for day in range(now.day)]
    history = UsageHistory(str(folder), address)
    for day in range(1, now.day):
        part = sum(days[:day]) / sum(days)
        await history.note(DEFAULT_ORG_ID, Point(start_s + day * DAY_S - 1, start_s, cost * part))
    history.close()


def _is_weekend(day: int) -> bool:
    return month_start(utc_now()).replace(day=day + 1).weekday() >= 5  # noqa: PLR2004 - Saturday
