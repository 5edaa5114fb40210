"""The command about a fleet: who pays for each of many locations, and what each payer has cost this month.

    list the locations -> read who pays for each -> read the usage of each payer -> answer

Each read takes one worker of a pool; a read that fails, or that the caller's time does not reach, is a row's error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from viam_billing.cache.readings import Call, provenance
from viam_billing.cloud import decoding
from viam_billing.commands.context import (
    ID_LENGTH,
    Answer,
    Context,
    Id,
    OrgId,
    ReadParameters,
    check_only_one,
    command,
)
from viam_billing.commands.locations import no_payer
from viam_billing.commands.worker_pool import for_each
from viam_billing.core import money
from viam_billing.core.errors import BillingError, CloudAwayError, KeyRejectedError, NotConfiguredError
from viam_billing.core.times import Deadline
from viam_billing.settings.records import given

if TYPE_CHECKING:
    from viam_billing.cache.readings import Reading

_Read: TypeAlias = "Reading | BillingError"
"""What is known about a row."""

_TO_ANSWER_ROW_S: Final = 1e-4
"""A fast processor takes 0.1 s (1,000 payers) to 0.36 s (10,000) for 10,000 rows; a robot's is three times slower."""
_TO_ANSWER_SHARE: Final = 0.1
_TO_ANSWER_S: Final = 1.0
"""Making a small fleet's answer takes milliseconds. This much, at most a tenth of the time, is for a busy machine."""
_ROWS_AT_ONCE: Final = 50
"""Rows of the answer that are made before other callers get a turn."""


class FleetUsageParameters(ReadParameters, frozen=True, kw_only=True):
    """Parameters of `get_fleet_usage`."""

    org_id: Annotated[OrgId, Meta(description="All locations of this organization.")] | UnsetType = UNSET
    location_ids: (
        Annotated[
            tuple[Id, ...],
            Meta(
                min_length=1,
                title=f"a list of at least one location ID, each a non-empty text of at most {ID_LENGTH} characters",
                description="These locations, in place of org_id.",
            ),
        ]
        | UnsetType
    ) = UNSET
    schema_not: ClassVar[Mapping[str, Any]] = {"required": ["org_id", "location_ids"]}

    def __post_init__(self) -> None:
        check_only_one("location_ids", self.location_ids, "org_id", self.org_id)


@command("read", FleetUsageParameters)
async def get_fleet_usage(parameters: FleetUsageParameters, context: Context, call: Call) -> Answer:
    """What all locations of an organization, or those listed, cost this month, by the organization that pays."""
    max_age_s: float | None = given(parameters.max_age_s)
    names: dict[str, Answer]
    listed: list[Reading] = []
    out_of_scope: Answer = {}
    if parameters.location_ids is not UNSET:
        names = {context.policy.location_in_scope(location_id): {} for location_id in parameters.location_ids}
    else:
        org_id = context.policy.org_in_scope(parameters.org_id)
        listed = [await context.reads.locations(org_id, call, max_age_s)]
        locations = listed[0].value["locations"]
        names = {
            location_id: {"name": name, "machine_count": machines}
            for location_id, name, machines in locations
            if context.policy.sees_location(location_id)
        }
        out_of_scope = {"out_of_scope_count": len(locations) - len(names)}
    end = Deadline(_time_to_ask_s(call.caller.remaining_s(), len(names)))

    def row_call() -> Call:
        return Call(Deadline(min(context.config.timeout_s, end.remaining_s())), call.caller)

    async def payer(location_id: str) -> Reading:
        return await context.reads.location_payer(location_id, row_call(), max_age_s)

    async def usage(org_id: str) -> Reading:
        reading = await context.reads.usage(org_id, row_call(), max_age_s)
        decoding.subtotal(reading.value)  # an amount that is not a number fails this row, and not the total
        return reading

    payers = await for_each(names, _or_error(payer))
    org_ids = filter(None, map(_org_id, payers.values()))
    usages = await for_each(org_ids, _or_error(usage))
    return {**await _answer(names, payers, usages, out_of_scope), **_provenance(listed, payers, usages)}


def _time_to_ask_s(time_s: float, rows: int) -> float:
    """The caller's time, less what making the answer takes."""
    to_answer_s = max(rows * _TO_ANSWER_ROW_S, min(_TO_ANSWER_SHARE * time_s, _TO_ANSWER_S))
    return max(time_s - to_answer_s, time_s / 2)


def _or_error(read: Callable[[str], Awaitable[Reading]]) -> Callable[[str], Awaitable[_Read]]:
    """A read that returns its error, unless that would be the same for all rows, each of which would log in anew."""

    async def read_row(name: str) -> _Read:
        try:
            return await read(name)
        except (KeyRejectedError, NotConfiguredError):
            raise
        except BillingError as error:
            return error

    return read_row


def _org_id(payer: _Read) -> str | None:
    return None if isinstance(payer, BillingError) else payer.value.get("billing_organization_id")


async def _answer(
    names: Mapping[str, Answer],
    payers: Mapping[str, _Read],
    usages: Mapping[str, _Read],
    out_of_scope: Answer,
) -> Answer:
    members: dict[str, list[str]] = {org_id: [] for org_id in usages}
    locations: list[Answer] = []
    for location_id, payer in payers.items():
        org_id = _org_id(payer)
        row: Answer = {"location_id": location_id, **names[location_id]}
        if org_id is not None:
            members[org_id].append(location_id)
            row["billing_organization_id"] = org_id
        else:
            row["error"] = _shown(payer if isinstance(payer, BillingError) else no_payer(location_id))
        locations.append(row)
        if len(locations) % _ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)
    organizations = [_organization(org_id, members[org_id], usage) for org_id, usage in usages.items()]
    failed = sum("error" in row for row in (*organizations, *locations))
    known = [usage for usage in usages.values() if not isinstance(usage, BillingError)]
    complete = failed == 0 and not out_of_scope.get("out_of_scope_count")
    total = money.rounded(money.total(decoding.subtotal(usage.value) for usage in known))
    return {
        "organizations": organizations,
        "locations": locations,
        **({"total_month_to_date": total} if known or complete else {}),  # 0 only for a fleet without locations
        "failed_count": failed,
        "complete": complete,
        **out_of_scope,
    }


def _organization(org_id: str, location_ids: list[str], usage: _Read) -> Answer:
    row: Answer = {"org_id": org_id, "location_ids": location_ids}
    if isinstance(usage, BillingError):
        return {**row, "error": _shown(usage)}
    row["month_to_date"] = decoding.month_to_date(usage.value)
    return {**row, "projection": usage.value["projection"]} if "projection" in usage.value else row


def _shown(error: BillingError) -> Mapping[str, str]:
    return {"code": error.code, "message": error.text}


def _provenance(listed: list[Reading], payers: Mapping[str, _Read], usages: Mapping[str, _Read]) -> Answer:
    """As for any answer; where all rows have failed because the cloud is away, there is no time but `stale`."""
    results = [*payers.values(), *usages.values()]
    readings = [*listed, *(result for result in results if not isinstance(result, BillingError))]
    facts = provenance(readings) if readings else {"stale": False}
    away = [result.code for result in results if isinstance(result, CloudAwayError)]
    if away and len(away) == len(results):
        return {**facts, "stale": True, "stale_reason": away[0]}
    return facts


ROWS: Final = (get_fleet_usage,)
