"""How an organization's usage went, from what this machine has seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import UNSET, Meta, UnsetType
from typing_extensions import override

from viam_billing.cache.queries import Call, provenance
from viam_billing.commands.context import (
    Answer,
    Context,
    LocationId,
    Moment,
    OrgId,
    ReadParameters,
    is_moment,
    moment_s,
    only_one,
)
from viam_billing.commands.locations import payer_of
from viam_billing.core.errors import NotConfiguredError, no_state_dir
from viam_billing.core.times import DAY_S, HOUR_S, to_rfc3339
from viam_billing.settings.records import given
from viam_billing.usage.history import KEPT_S, steps

_STEPS_S: Final[Mapping[str, float]] = {"hour": HOUR_S, "day": DAY_S}


class UsageHistoryParameters(ReadParameters, frozen=True, kw_only=True):
    """Of `get_usage_history`."""

    org_id: OrgId | UnsetType = UNSET
    location_id: (
        Annotated[LocationId, Meta(description="A location, for the organization that pays for it.")] | UnsetType
    ) = UNSET
    since: Annotated[Moment, Meta(description="Only what was seen at this time or later.")] | UnsetType = UNSET
    until: Annotated[Moment, Meta(description="Only what was seen before this time.")] | UnsetType = UNSET
    step: Annotated[
        Literal["hour", "day"], Meta(title="hour or day", description="One point for each hour, or each day of UTC.")
    ] = "day"
    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {"since": is_moment, "until": is_moment}
    schema_of_contradictions: ClassVar[Mapping[str, Any]] = {"required": ["org_id", "location_id"]}

    @override
    def contradiction(self) -> str:
        since, until = given(self.since), given(self.until)
        if since is not None and until is not None and moment_s(since) > moment_s(until):
            return "until: found a time before since, expected one after it"
        return only_one("org_id", self.org_id, "location_id", self.location_id)


async def get_usage_history(parameters: UsageHistoryParameters, context: Context, call: Call) -> Answer:
    """Points of an hour or a day, oldest first. Asks the cloud for nothing but a location's payer."""
    since_s, until_s = _period(parameters, context.now())
    if context.history is None:
        raise no_state_dir() if context.config.state_dir is None else no_key()
    org_id, where = await _whose(parameters, context, call)
    step_s = _STEPS_S[parameters.step]
    # From a step earlier on, so that the first one has its delta.
    points = await call.from_disk(context.history.points(org_id, since_s // step_s * step_s - step_s, until_s))
    return {
        "org_id": org_id,
        **where,
        "points": [
            {
                "time": to_rfc3339(step.time_s),
                "month_to_date": step.month_to_date,
                **({} if step.delta is None else {"delta": step.delta}),
            }
            for step in steps(points, step_s)
            if step.time_s >= since_s
        ],
    }


def _period(parameters: UsageHistoryParameters, now_s: float) -> tuple[float, float]:
    """From when to when, in Unix seconds. What is not given takes nothing away from what is."""
    since_s = moment_s(given(parameters.since)) if parameters.since is not UNSET else -math.inf
    until_s = moment_s(given(parameters.until)) if parameters.until is not UNSET else math.inf
    # What lies ahead was seen by a clock that was wrong, or this one is: see UsageHistory.note.
    return max(since_s, now_s - KEPT_S), min(until_s, now_s + 1)


async def _whose(parameters: UsageHistoryParameters, context: Context, call: Call) -> tuple[str, Answer]:
    if parameters.location_id is UNSET:
        return context.policy.org_in_scope(given(parameters.org_id)), {}
    location_id = context.policy.location_in_scope(given(parameters.location_id))
    payer, org_id = await payer_of(context, location_id, call, given(parameters.max_age_s))
    return org_id, {"location_id": location_id, **provenance([payer])}


def no_key() -> NotConfiguredError:
    """What a question gets that was never asked, as there is no key to ask it with."""
    return NotConfiguredError("no API key is known, so no usage was seen. Set the attributes api_key and api_key_id.")
