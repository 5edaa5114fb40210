"""Shows a whole fleet: who pays, whether the budget lasts, how the month goes and will end, and what changed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from viam_billing.core.times import DAY_S
from viam_billing.storage.disk import Disk
from viam_billing.usage.forecast import HISTORY, STRAIGHT_LINE
from viam_billing.usage.history import Point, UsageHistory
from viam_billing_sandbox.demo import charts
from viam_billing_sandbox.demo.configuration import attributes
from viam_billing_sandbox.months import elapsed_fraction, month_start, utc_now
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID, DEFAULT_ORG_ID
from viam_billing_sandbox.scenario_file import COST_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from viam_billing_sandbox.demo.machine import Machine
    from viam_billing_sandbox.demo.view import View
    from viam_billing_sandbox.scenario import Organization

_SERVICE: Final = "billing-of-the-fleet"
_WEEKEND: Final = 0.5
"""The cost of a day at the weekend, as a share of a working day's, in the made-up month."""
_FEE: Final = 0.4
"""The share of a flat fee in the cost so far: far more than the cost of any day."""
_FEE_DAY: Final = 2
_LAST_MONTH: Final = {"logs_upload": 2.0, "binary_data_upload": 0.2}
"""How many times this month's cost the made-up month before had, by kind of usage."""


async def show(machine: Machine, view: View, address: str, payer: Organization) -> None:
    """Shows the fleet, its budget and its month; `payer` pays for most of it."""
    folder = machine.folder / "fleet"
    scope: dict[str, object] = {
        "org_id": DEFAULT_ORG_ID,
        "location_id": DEFAULT_LOCATION_ID,
        "allowed_org_ids": [DEFAULT_ORG_ID],
        "allowed_location_ids": ["*"],
        "budget": {"monthly": 2500, "warn_at": [0.5, 0.8]},
        "state_dir": str(folder),
    }
    await _write_days_before(folder, address, payer)
    await machine.add(_SERVICE, {**attributes(address), **scope})

    view.question("What does the whole fleet cost, and who pays?")
    view.block(f'attributes that another service, "{_SERVICE}", has for it', scope)
    view.space()
    request: dict[str, object] = {"get_fleet_usage": {}}
    view.request(request)
    answer = await machine.answer(request, _SERVICE)
    view.put(charts.fleet(answer, view.named, view.full))
    view.space()
    missing = [row["location_id"] for row in answer["locations"] if "error" in row]
    view.facts(
        [
            ("altogether", f"{charts.dollars(answer['total_month_to_date'])} in {len(answer['locations'])} locations"),
            ("not known", ", ".join(map(view.named, missing)) or "nothing"),
        ]
    )

    view.question("Does the budget last?")
    request = {"check_budget": {}}
    view.request(request)
    budget = await machine.answer(request, _SERVICE)
    view.put(charts.budget(budget, view.full, view.empty))
    view.space()
    view.facts(
        [
            ("crossed", _shares(budget["thresholds_crossed"])),
            ("newly", f"{_shares(budget['newly_crossed'])} (each is reported once a month)"),
            ("by its end", f"{_shares(budget['projected_thresholds_crossed'])} of the budget, by the projection"),
            ("at its end", budget.get("projected_status", "not known before 5 % of the month")),
        ]
    )

    view.question("How does the month go, and where will it end?")
    view.text(
        "The module records the costs that it sees. This one has only just started, so the demonstration has filled in "
        "the days before, as a machine that has run since the first of the month would have recorded them: weekends at "
        "half the cost, and a flat fee on the 2nd."
    )
    view.space()
    request = {"get_usage_history": {"step": "day"}}
    view.request(request)
    history = await machine.answer(request, _SERVICE)
    usage = await machine.answer({"get_location_usage": {"max_age_s": 0}}, _SERVICE)
    for line in charts.month(history["points"], usage, view.full, view.empty):
        view.put(line)
    view.space()
    view.facts([("so far", charts.dollars(usage["month_to_date"])), *_estimates(usage)])

    view.question("What has changed most, against the month before at the same time of it?")
    view.text("The month before is made up too: logs cost twice as much in it, and uploaded images a fifth.")
    view.space()
    request = {"compare_usage": {}}
    view.request(request)
    compared = await machine.answer(request, _SERVICE)
    view.put(charts.changes(compared, view.full))
    view.space()
    view.facts(
        [
            ("now", charts.dollars(compared["month_to_date"])),
            ("before", charts.dollars(compared["previous_month_to_date"])),
            ("the whole of it", charts.dollars(compared["previous_total"])),
        ]
    )


def _estimates(usage: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns the module's projection and, for comparison, a straight line through the same figures."""
    projection = usage.get("projection")
    if projection is None:
        return [("whole month", "not before 5 % of the month")]
    total = f"{charts.dollars(projection['total'])} ({projection['method']}"
    if projection["method"] != HISTORY:
        return [("whole month", f"{total})")]
    line = usage["month_to_date"] / projection["elapsed_fraction"]
    return [
        ("whole month", f"{total}: the days left cost as much as its usual days, without another fee)"),
        ("8 of 10 end", f"between {charts.dollars(projection['low'])} and {charts.dollars(projection['high'])}"),
        ("for comparison", f"{charts.dollars(line)} ({STRAIGHT_LINE}: as if fees came every day)"),
    ]


def _shares(shares: Sequence[float]) -> str:
    return ", ".join(f"{share:.0%}" for share in shares) or "none"


async def _write_days_before(folder: Path, address: str, payer: Organization) -> None:
    """Writes the history before the service starts, which discards points older than its newest one."""
    now = utc_now()
    monthly = sum(max(sum(source.costs.values()) - source.discount, 0.0) for source in payer.usage)
    history = UsageHistory(Disk(), str(folder), address)
    for point in [*month_before(now, payer), *days_before(now, monthly * elapsed_fraction(now))]:
        await history.note(payer.id, point)
    history.close()


def month_before(now: datetime, payer: Organization) -> list[Point]:
    """Returns a made-up last month, a point at the end of each day: other costs by type than this month's."""
    start, end = month_start(now, -1), month_start(now)
    days = [_WEEKEND if _is_weekend(start + timedelta(day)) else 1.0 for day in range((end - start).days)]
    names = {int(number): name for name, number in COST_TYPES.items()}
    costs: dict[str, float] = {}
    for source in payer.usage:
        for number, dollars in source.costs.items():
            costs[names[number]] = costs.get(names[number], 0.0) + dollars * _LAST_MONTH.get(names[number], 1.0)
    points = []
    for day in range(1, len(days) + 1):
        by_type = {name: dollars * sum(days[:day]) / sum(days) for name, dollars in costs.items()}
        time_s = start.timestamp() + day * DAY_S - 1
        points.append(Point(time_s, start.timestamp(), sum(by_type.values()), by_type))
    return points


def days_before(now: datetime, cost: float) -> list[Point]:
    """Returns a made-up month up to yesterday, a point at the end of each day, that leads to the present cost."""
    start = month_start(now)
    fee = _FEE * cost if now.day > _FEE_DAY else 0.0
    days = [_WEEKEND if _is_weekend(start + timedelta(day)) else 1.0 for day in range(now.day)]
    days[-1] *= (now - start) / timedelta(1) % 1
    points = []
    for day in range(1, now.day):
        seen = (cost - fee) * sum(days[:day]) / sum(days) + (fee if day >= _FEE_DAY else 0.0)
        points.append(Point(start.timestamp() + day * DAY_S - 1, start.timestamp(), seen))
    return points


def _is_weekend(day: datetime) -> bool:
    return day.weekday() >= 5  # noqa: PLR2004 - Saturday
