"""The command about a fleet: who pays for each of many locations, and what each payer has cost this month.

    list the locations -> read who pays for each -> read the usage of each payer -> answer

Each read takes one worker of a pool; a read that fails, or that the caller's time does not reach, is a row's error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Final, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from viam_billing.cache.readings import Call, Reading, provenance
from viam_billing.cloud import decoding
from viam_billing.cloud.session import CALLS_AT_ONCE
from viam_billing.commands.context import ID_TITLE, Answer, Context, Id, OrgId, ReadParameters, command
from viam_billing.commands.payers import no_payer
from viam_billing.core import money
from viam_billing.core.errors import BillingError, CloudAwayError, KeyRejectedError, NotConfiguredError
from viam_billing.core.times import Deadline
from viam_billing.settings.answers import AnswerRecord, AsOf, ErrorShown, Stale, WhyStale, says, usd
from viam_billing.settings.records import given
from viam_billing.usage.forecast import Projection

Rows: TypeAlias = Mapping[str, Reading | BillingError]
"""What is known about each name: what was read of it, or why not."""

WORKERS: Final = 4 * CALLS_AT_ONCE
"""More than the cloud is asked at once: answers are worked on meanwhile, and refused calls wait for their next try."""
_TO_ANSWER_ROW_S: Final = 1e-4
"""A fast processor takes 0.1 s (1,000 payers) to 0.36 s (10,000) for 10,000 rows; a robot's is three times slower."""
_TO_ANSWER_SHARE: Final = 0.1
_TO_ANSWER_S: Final = 1.0
"""Making a small fleet's answer takes milliseconds. This much, at most a tenth of the time, is for a busy machine."""
_ROWS_AT_ONCE: Final = 50
"""Rows of the answer that are made before other callers get a turn."""


LocationIds = Annotated[
    tuple[Id, ...],
    Meta(min_length=1, max_length=10_000, title=f"a list of 1 to 10,000 location IDs, each {ID_TITLE}"),
]


class FleetUsageParameters(ReadParameters, frozen=True, kw_only=True):
    """Parameters of `get_fleet_usage`."""

    org_id: Annotated[OrgId, Meta(description="All locations of this organization.")] | UnsetType = UNSET
    location_ids: Annotated[LocationIds, Meta(description="These locations, in place of org_id.")] | UnsetType = UNSET
    schema_not: ClassVar[Mapping[str, Any]] = {"required": ["org_id", "location_ids"]}

    def __post_init__(self) -> None:
        if UNSET not in (self.location_ids, self.org_id):
            raise ValueError("location_ids: found org_id and location_ids, expected one of the two")


class FleetOrganization(AnswerRecord, frozen=True, kw_only=True):
    """What one organization that pays for locations of the fleet has cost, or why that is not known."""

    org_id: Annotated[str, says("The organization's ID")]
    location_ids: Annotated[list[str], says("The locations of the fleet that it pays for")]
    month_to_date: Annotated[float, usd("What its month has cost so far")] | UnsetType = UNSET
    projection: Annotated[Projection, says("An estimate of its month's total")] | UnsetType = UNSET
    error: Annotated[ErrorShown, says("Why its usage is not known")] | UnsetType = UNSET


class FleetLocation(AnswerRecord, frozen=True, kw_only=True):
    """Who pays for one location of the fleet, or why that is not known."""

    location_id: Annotated[str, says("The location's ID")]
    name: Annotated[str, says("Its name, where the fleet is an organization's")] | UnsetType = UNSET
    machine_count: Annotated[int, says("How many machines it has, likewise")] | UnsetType = UNSET
    billing_organization_id: Annotated[str, says("The organization that pays for it")] | UnsetType = UNSET
    error: Annotated[ErrorShown, says("Why nobody is known to pay for it")] | UnsetType = UNSET


class FleetUsage(AnswerRecord, frozen=True, kw_only=True):
    """The answer of `get_fleet_usage`."""

    organizations: Annotated[list[FleetOrganization], says("A row for each organization that pays")]
    locations: Annotated[list[FleetLocation], says("A row for each location")]
    total_month_to_date: Annotated[float, usd("The cost of the organizations where it is known")] | UnsetType = UNSET
    failed_count: Annotated[int, says("How many rows of both kinds have an error")]
    complete: Annotated[bool, says("Whether no row failed and no location was left out")]
    out_of_scope_count: Annotated[int, says("Locations left out, as this service may not see them")] | UnsetType = UNSET
    as_of: AsOf | UnsetType = UNSET
    stale: Stale
    stale_reason: WhyStale | UnsetType = UNSET


@command("read", FleetUsageParameters, "What an organization's locations, all or listed, cost this month, by payer.")
async def get_fleet_usage(parameters: FleetUsageParameters, context: Context, call: Call) -> FleetUsage:
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
    time_s = call.caller.remaining_s()
    to_answer_s = max(len(names) * _TO_ANSWER_ROW_S, min(_TO_ANSWER_SHARE * time_s, _TO_ANSWER_S))
    end = Deadline(max(time_s - to_answer_s, time_s / 2))

    def row_call() -> Call:
        return Call(Deadline(min(context.config.timeout_s, end.remaining_s())), call.caller)

    async def payer(location_id: str) -> Reading:
        return await context.reads.location_payer(location_id, row_call(), max_age_s)

    async def usage(org_id: str) -> Reading:
        reading = await context.reads.usage(org_id, row_call(), max_age_s)
        decoding.subtotal(reading.value)  # an amount that is not a number fails this row, and not the total
        return reading

    payers = await read_each(names, payer)
    usages = await read_each(filter(None, map(_org_id, payers.values())), usage)
    return await _answer(names, payers, usages, {**out_of_scope, **_provenance(listed, payers, usages)})


async def read_each(names: Iterable[str], read: Callable[[str], Awaitable[Reading]]) -> Rows:
    """What is read of each name, in the order of the names; a name given twice is read once.

    A fixed pool of workers reads thousands of names, and other callers still get their turns. A rejected or missing key
    ends all reads, as each would log in again for the same error; so does the caller's cancellation.
    """
    ordered = list(dict.fromkeys(names))
    rows: dict[str, Reading | BillingError] = {}
    left = iter(ordered)

    async def worker() -> None:
        for name in left:
            try:
                rows[name] = await read(name)
            except (KeyRejectedError, NotConfiguredError):
                raise
            except BillingError as error:
                rows[name] = error
            await asyncio.sleep(0)  # a read that finds all in the cache never waits by itself

    workers = [asyncio.create_task(worker()) for _ in range(min(WORKERS, len(ordered)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
    return {name: rows[name] for name in ordered}


def _org_id(payer: Reading | BillingError) -> str | None:
    return None if isinstance(payer, BillingError) else payer.value.get("billing_organization_id")


async def _answer(names: Mapping[str, Answer], payers: Rows, usages: Rows, facts: Answer) -> FleetUsage:
    members: dict[str, list[str]] = {org_id: [] for org_id in usages}
    locations: list[FleetLocation] = []
    failed = 0
    for location_id, payer in payers.items():
        org_id = _org_id(payer)
        payer_or_why: Answer
        if org_id is not None:
            members[org_id].append(location_id)
            payer_or_why = {"billing_organization_id": org_id}
        else:
            failed += 1
            payer_or_why = {"error": _shown(payer if isinstance(payer, BillingError) else no_payer(location_id))}
        locations.append(FleetLocation(location_id=location_id, **names[location_id], **payer_or_why))
        if len(locations) % _ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)
    organizations = [_organization(org_id, members[org_id], usage) for org_id, usage in usages.items()]
    known = [usage for usage in usages.values() if not isinstance(usage, BillingError)]
    failed += len(usages) - len(known)
    complete = failed == 0 and not facts.get("out_of_scope_count")
    total = money.rounded(money.total(decoding.subtotal(usage.value) for usage in known))
    return FleetUsage(
        organizations=organizations,
        locations=locations,
        total_month_to_date=total if known or complete else UNSET,  # 0 only for a fleet without locations
        failed_count=failed,
        complete=complete,
        **facts,
    )


def _organization(org_id: str, location_ids: list[str], usage: Reading | BillingError) -> FleetOrganization:
    if isinstance(usage, BillingError):
        return FleetOrganization(org_id=org_id, location_ids=location_ids, error=_shown(usage))
    month_to_date, projection = decoding.month_to_date(usage.value), usage.value.get("projection", UNSET)
    return FleetOrganization(
        org_id=org_id, location_ids=location_ids, month_to_date=month_to_date, projection=projection
    )


def _shown(error: BillingError) -> ErrorShown:
    return ErrorShown(code=error.code, message=error.text)


def _provenance(listed: list[Reading], payers: Rows, usages: Rows) -> Answer:
    """As for any answer; where all rows have failed because the cloud is away, there is no time but `stale`."""
    results = [*payers.values(), *usages.values()]
    readings = [*listed, *(result for result in results if not isinstance(result, BillingError))]
    facts = provenance(readings) if readings else {"stale": False}
    away = [result.code for result in results if isinstance(result, CloudAwayError)]
    if away and len(away) == len(results):
        return {**facts, "stale": True, "stale_reason": away[0]}
    return facts
