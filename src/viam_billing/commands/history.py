"""The command about the usage history: how an organization's cost went, from what this machine has seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from viam_billing.cache.readings import Call, provenance
from viam_billing.commands.context import (
    Answer,
    Context,
    LocationId,
    Moment,
    OrgId,
    ReadParameters,
    check_only_one,
    command,
    is_moment,
    moment_s,
)
from viam_billing.commands.locations import payer_of
from viam_billing.core.errors import NotConfiguredError, no_state_dir
from viam_billing.core.times import DAY_S, HOUR_S, to_rfc3339
from viam_billing.settings.records import given
from viam_billing.usage.history import KEPT_S, steps

_STEPS_S: Final[Mapping[str, float]] = {"hour": HOUR_S, "day": DAY_S}


class UsageHistoryParameters(ReadParameters, frozen=True, kw_only=True):
    """Parameters of `get_usage_history`."""

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
    schema_not: ClassVar[Mapping[str, Any]] = {"required": ["org_id", "location_id"]}

    def __post_init__(self) -> None:
        if self.since is not UNSET and self.until is not UNSET and moment_s(self.since) > moment_s(self.until):
            raise ValueError("until: found a time before since, expected one after it")
        check_only_one("org_id", self.org_id, "location_id", self.location_id)


@command("read", UsageHistoryParameters)
async def get_usage_history(parameters: UsageHistoryParameters, context: Context, call: Call) -> Answer:
    """How an organization's cost went, by hour or day, from what this machine has seen.

    Asks the cloud only who pays for a location.
    """
    if context.history is None:
        raise no_state_dir() if context.config.state_dir is None else _no_key()
    since_s, until_s = _period_s(parameters, context.now())
    location: Answer = {}
    if parameters.location_id is UNSET:
        org_id = context.policy.org_in_scope(parameters.org_id)
    else:
        location_id = context.policy.location_in_scope(parameters.location_id)
        payer, org_id = await payer_of(context, location_id, call, given(parameters.max_age_s))
        location = {"location_id": location_id, **provenance([payer])}
    step_s = _STEPS_S[parameters.step]
    # Read one step more, so that the first one of the answer has its delta.
    points = await call.from_disk(context.history.points(org_id, since_s // step_s * step_s - step_s, until_s))
    return {
        "org_id": org_id,
        **location,
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


def _period_s(parameters: UsageHistoryParameters, now_s: float) -> tuple[float, float]:
    """Unix seconds from which and until which to read: what was asked for, as far as it is kept and not ahead."""
    since_s = moment_s(parameters.since) if parameters.since is not UNSET else -math.inf
    until_s = moment_s(parameters.until) if parameters.until is not UNSET else math.inf
    return max(since_s, now_s - KEPT_S), min(until_s, now_s + 1)


def _no_key() -> NotConfiguredError:
    return NotConfiguredError("no API key is known, so no usage was seen. Set the attributes api_key and api_key_id.")


ROWS: Final = (get_usage_history,)
