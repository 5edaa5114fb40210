"""What all locations of a fleet cost: who pays for each, and what each payer has cost this month, asked once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from msgspec import UNSET, Meta, Struct, UnsetType, field
from typing_extensions import override

from viam_billing.cache.queries import Call, provenance
from viam_billing.cloud import decoding
from viam_billing.commands.context import ID_LENGTH, Answer, Context, Id, OrgId, ReadParameters, only_one
from viam_billing.commands.locations import no_payer
from viam_billing.commands.worker_pool import for_each, in_turns
from viam_billing.core import money
from viam_billing.core.errors import BillingError, CloudAwayError, KeyRejectedError, NotConfiguredError
from viam_billing.core.times import Deadline
from viam_billing.settings.records import given

if TYPE_CHECKING:
    from viam_billing.cache.memory import Reading

_TO_ANSWER_ROW_S: Final = 1e-4
"""On a fast processor 10,000 rows take 0.1 s (1,000 payers) to 0.36 s (10,000); a robot's is three times slower."""
_TO_ANSWER_SHARE: Final = 0.1
_TO_ANSWER_S: Final = 1.0
"""A small fleet's answer takes milliseconds: a tenth of the time, and never more than this, is for a busy machine."""


class FleetUsageParameters(ReadParameters, frozen=True, kw_only=True):
    """Of `get_fleet_usage`."""

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
    schema_of_contradictions: ClassVar[Mapping[str, Any]] = {"required": ["org_id", "location_ids"]}

    @override
    def contradiction(self) -> str:
        return only_one("location_ids", self.location_ids, "org_id", self.org_id)


class _Fleet(Struct):
    """What is known so far. A location or an organization has a reading or an error, by its ID."""

    names: dict[str, Answer]
    out_of_scope: int | None
    listed: list[Reading] = field(default_factory=list)
    payers: dict[str, Reading | BillingError] = field(default_factory=dict)
    usages: dict[str, Reading | BillingError] = field(default_factory=dict)


async def get_fleet_usage(parameters: FleetUsageParameters, context: Context, call: Call) -> Answer:
    """One row for each paying organization and each location; a row that fails fails alone."""
    max_age_s: float | None = given(parameters.max_age_s)
    fleet = await _locations(parameters, context, call, max_age_s)
    end = Deadline(_time_to_ask_s(call.caller.remaining_s(), len(fleet.names)))

    async def ask(read: Callable[[Call], Awaitable[Reading]]) -> Reading | BillingError:
        one = Call(Deadline(min(context.config.timeout_s, end.remaining_s())), call.caller)
        try:
            reading = await read(one)
        except (KeyRejectedError, NotConfiguredError):
            raise  # says nothing of this row: thousands of others would log in with the same key
        except BillingError as error:
            return error
        call.readings += one.readings
        return reading

    async def usage_of(org_id: str, one: Call) -> Reading:
        usage = await context.reads.usage(org_id, one, max_age_s)
        decoding.subtotal(usage.value)  # one that is no amount fails its row, and not the total
        return usage

    fleet.payers = await for_each(
        fleet.names,
        lambda name: ask(lambda one: context.reads.location_payer(name, one, max_age_s)),
    )
    fleet.usages = await for_each(
        dict.fromkeys(org_id for org_id in map(_payer, fleet.payers.values()) if org_id is not None),
        lambda name: ask(lambda one: usage_of(name, one)),
    )
    return await _answer(fleet)


def _time_to_ask_s(time_s: float, rows: int) -> float:
    """What is left of the caller's time when the answer's own making is taken off."""
    to_answer_s = max(rows * _TO_ANSWER_ROW_S, min(_TO_ANSWER_SHARE * time_s, _TO_ANSWER_S))
    return max(time_s - to_answer_s, time_s / 2)


async def _locations(parameters: FleetUsageParameters, context: Context, call: Call, max_age_s: float | None) -> _Fleet:
    if parameters.location_ids is not UNSET:
        ids: tuple[str, ...] = given(parameters.location_ids)
        for location_id in ids:
            context.policy.check_location(location_id)
        return _Fleet({location_id: {} for location_id in ids}, None)
    org_id = context.policy.org_in_scope(given(parameters.org_id))
    listed = await context.reads.locations(org_id, call, max_age_s)
    rows = listed.value["locations"]
    names = {
        location_id: {"name": name, "machine_count": machines}
        for location_id, name, machines in rows
        if context.policy.sees_location(location_id)
    }
    return _Fleet(names, len(rows) - len(names), [listed])


def _payer(payer: Reading | BillingError) -> str | None:
    return None if isinstance(payer, BillingError) else payer.value.get("billing_organization_id")


async def _answer(fleet: _Fleet) -> Answer:
    members: dict[str, list[str]] = {org_id: [] for org_id in fleet.usages}
    locations: list[Answer] = []
    async for location_id, payer in in_turns(fleet.payers.items()):
        org_id = _payer(payer)
        if org_id is not None:
            members[org_id].append(location_id)
        row: Answer = {"location_id": location_id, **fleet.names[location_id]}
        if isinstance(payer, BillingError):
            row["error"] = _shown(payer)
        elif org_id is None:
            row["error"] = _shown(no_payer(location_id))
        else:
            row["billing_organization_id"] = org_id
        locations.append(row)
    organizations = [_organization(org_id, members[org_id], usage) for org_id, usage in fleet.usages.items()]
    failed = sum("error" in row for rows in (organizations, locations) for row in rows)
    known = [usage for usage in fleet.usages.values() if not isinstance(usage, BillingError)]
    total = money.rounded(money.total(decoding.subtotal(usage.value) for usage in known))
    return {
        "organizations": organizations,
        "locations": locations,
        **({"total_month_to_date": total} if known or not failed else {}),  # where nothing is known, 0 would be made up
        "failed_count": failed,
        "complete": failed == 0,
        **({} if fleet.out_of_scope is None else {"out_of_scope_count": fleet.out_of_scope}),
        **_provenance(fleet),
    }


def _provenance(fleet: _Fleet) -> Answer:
    """As of any answer. Rows that have all failed as the cloud is away have no time, but they are stale."""
    rows = [*fleet.payers.values(), *fleet.usages.values()]
    readings = [*fleet.listed, *(row for row in rows if not isinstance(row, BillingError))]
    facts = provenance(readings) if readings else {"stale": False}
    away = [row.code for row in rows if isinstance(row, CloudAwayError)]
    if away and len(away) == len(rows):
        return {**facts, "stale": True, "stale_reason": away[0]}
    return facts


def _organization(org_id: str, location_ids: list[str], usage: Reading | BillingError) -> Answer:
    row: Answer = {"org_id": org_id, "location_ids": location_ids}
    if isinstance(usage, BillingError):
        return {**row, "error": _shown(usage)}
    row["month_to_date"] = decoding.month_to_date(usage.value)
    return {**row, "projection": usage.value["projection"]} if "projection" in usage.value else row


def _shown(error: BillingError) -> Mapping[str, str]:
    return {"code": error.code, "message": error.text}
