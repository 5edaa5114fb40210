"""The commands about usage that this machine has seen: its history, and this month against the one before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import UNSET, Meta, UnsetType, structs

from viam_billing.cache.readings import Call, Reading, provenance
from viam_billing.cloud import decoding
from viam_billing.commands.context import (
    Answer,
    Context,
    Moment,
    OrgOrLocationParameters,
    command,
    is_moment,
    moment_s,
)
from viam_billing.commands.payers import payer_of
from viam_billing.core.errors import NotConfiguredError, no_state_dir
from viam_billing.core.tasks import off_loop
from viam_billing.core.times import DAY_S, to_rfc3339
from viam_billing.settings.answers import AnswerRecord, AsOf, OfCloud, Stale, WhyStale, says, usd, utc
from viam_billing.settings.records import given
from viam_billing.usage.comparison import TypeChange, compared, month_before
from viam_billing.usage.history import KEPT_S, STEP_S, Point, StepName, UsageHistory
from viam_billing.usage.month import LONGEST_MONTH_S, month_of
from viam_billing.usage.steps import steps

_MANY: Final = 300
_STEP = "One point for each hour or day of UTC, or each billing month."


class UsageHistoryParameters(OrgOrLocationParameters, frozen=True, kw_only=True):
    """Parameters of `get_usage_history`."""

    since: Annotated[Moment, Meta(description="Only what was seen at this time or later.")] | UnsetType = UNSET
    until: Annotated[Moment, Meta(description="Only what was seen before this time.")] | UnsetType = UNSET
    step: Annotated[StepName, Meta(title="hour, day or month", description=_STEP)] = "day"
    by: Annotated[Literal["type"], Meta(title="type", description="Each point's cost by type too.")] | UnsetType = UNSET
    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {"since": is_moment, "until": is_moment}

    def __post_init__(self) -> None:
        if moment_s(self.since) > moment_s(self.until, inf):
            raise ValueError("until: found a time before since, expected one after it")
        super().__post_init__()


class HistoryPoint(AnswerRecord, frozen=True, kw_only=True):
    """An hour, day or month in which this machine has seen what an organization cost."""

    time: Annotated[str, utc("When it was last seen")]
    month_to_date: Annotated[float, usd("What the month had cost by then")]
    delta: Annotated[float, usd("What this hour, day or month has cost")] | UnsetType = UNSET
    delta_by_type: (
        Annotated[dict[str, Annotated[float, usd("What this kind of usage has cost in it")]], says("Its parts")]
        | UnsetType
    ) = UNSET


class UsageHistoryAnswer(AnswerRecord, frozen=True, kw_only=True):
    """The answer of `get_usage_history`; only for a location it has anything of the cloud."""

    org_id: Annotated[str, says("The organization's ID")]
    location_id: Annotated[str, says("The location that was asked for")] | UnsetType = UNSET
    points: Annotated[list[HistoryPoint], says("What was seen, oldest first")]
    as_of: AsOf | UnsetType = UNSET
    stale: Stale | UnsetType = UNSET
    stale_reason: WhyStale | UnsetType = UNSET


class UsageComparison(OfCloud, frozen=True, kw_only=True):
    """The answer of `compare_usage`."""

    org_id: Annotated[str, says("The organization, where no location was asked for")] | UnsetType = UNSET
    location_id: Annotated[str, says("The location that was asked for")] | UnsetType = UNSET
    billing_organization_id: Annotated[str, says("The organization that pays for the location")] | UnsetType = UNSET
    month_to_date: Annotated[float, usd("What this month has cost so far")]
    by_type: Annotated[list[TypeChange], says("By kind of usage, the largest change first")]
    previous_month_to_date: Annotated[float, usd("What the one before had cost by this time")] | UnsetType = UNSET
    change: Annotated[float, usd("How much more this month has cost")] | UnsetType = UNSET
    change_fraction: Annotated[float, says("The change as a part of previous_month_to_date")] | UnsetType = UNSET
    previous_total: Annotated[float, usd("What the month before came to")] | UnsetType = UNSET


@command("read", UsageHistoryParameters, "An organization's cost by hour, day or month, as this machine has seen it.")
async def get_usage_history(parameters: UsageHistoryParameters, context: Context, call: Call) -> UsageHistoryAnswer:
    """Asks the cloud only who pays for a location."""
    history = _history(context)
    # What was asked for, as far as it is kept and not ahead.
    since_s = max(moment_s(parameters.since), context.now() - KEPT_S)
    until_s = min(moment_s(parameters.until, inf), context.now() + 1)
    whose, org_id, payer = await _whose(parameters, context, call)
    step_s = STEP_S.get(parameters.step)
    # Read one step more, so that the first one of the answer has its delta; a month needs none before it.
    from_s = since_s if step_s is None else since_s // step_s * step_s - step_s
    points = await call.from_disk(history.points(org_id, from_s, until_s, parameters.step))
    made = partial(_shown, points, parameters, since_s, until_s)
    rows = await off_loop(made, long=len(points) > _MANY)
    return UsageHistoryAnswer(org_id=org_id, **whose, points=rows, **(provenance(payer) if payer else {}))


def _shown(
    points: list[Point], parameters: UsageHistoryParameters, since_s: float, until_s: float
) -> list[HistoryPoint]:
    shown: list[HistoryPoint] = []
    for step in steps(points, parameters.step, until_s):
        if step.time_s < since_s:
            continue
        row = HistoryPoint(
            time=to_rfc3339(step.time_s),
            month_to_date=step.month_to_date,
            delta=UNSET if step.delta is None else step.delta,
            delta_by_type=UNSET if parameters.by is UNSET or step.delta_by_type is None else dict(step.delta_by_type),
        )
        shown.append(row)
    return shown


@command("read", OrgOrLocationParameters, "This month's cost against the one before at the same time, and by type.")
async def compare_usage(parameters: OrgOrLocationParameters, context: Context, call: Call) -> UsageComparison:
    history = _history(context)
    whose, org_id, payer = await _whose(parameters, context, call)
    usage = await context.reads.usage(org_id, call, given(parameters.max_age_s))
    cost, by_type = decoding.subtotal(usage.value), decoding.known_costs(usage.value)
    start_s = month_of(usage.value, usage.as_of_s).start_s
    before, total = None, None
    if start_s is not None:
        # The cloud may have told the old month for a while after its end.
        points = await call.from_disk(history.points(org_id, start_s - LONGEST_MONTH_S, start_s + DAY_S))
        before, total = month_before(points, start_s, usage.as_of_s - start_s)
    facts: Answer = {**whose, "billing_organization_id": org_id} if whose else {"org_id": org_id}
    facts |= structs.asdict(compared(cost, by_type, before, total))
    return UsageComparison(**facts, **provenance([*payer, usage]))


def _history(context: Context) -> UsageHistory:
    """Raises: StateUnavailableError, NotConfiguredError: there is none."""
    if context.config.state_dir is None:
        raise no_state_dir()
    if context.history is None:
        raise NotConfiguredError("no API key is known: no usage was seen. Set api_key or api_key_file, and api_key_id.")
    return context.history


async def _whose(
    parameters: OrgOrLocationParameters, context: Context, call: Call
) -> tuple[Answer, str, list[Reading]]:
    """The `location_id` that was asked for, the organization that is meant, and the reading that says who pays."""
    if parameters.location_id is UNSET:
        return {}, context.policy.org_in_scope(parameters.org_id), []
    location_id = context.policy.location_in_scope(parameters.location_id)
    payer, org_id = await payer_of(context, location_id, call, given(parameters.max_age_s))
    return {"location_id": location_id}, org_id, [payer]
