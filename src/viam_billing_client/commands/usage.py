"""The commands about what usage costs. All of them read: they can be repeated at any time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal

from viam_billing_client import answers
from viam_billing_client.commands.base import READ_S, Commands


class UsageCommands(Commands):
    """What a location, an organization and a fleet cost.

    `max_age_s` is how old, in seconds, a remembered answer may be before the module asks the cloud; by default the
    service's `cache_ttl_s`. If the cloud cannot be reached, the answer may be older, and `stale` says so.
    """

    async def get_location_usage(
        self, *, location_id: str | None = None, max_age_s: float | None = None, timeout: float = READ_S
    ) -> answers.LocationUsage:
        """Who pays for a location (by default the service's own) and what that organization has cost this month.

        Raises: OutOfScopeError, NotConfiguredError (no location known), NotFoundError (nobody pays for it), and what
        every read raises: KeyRejectedError, KeyLacksPermissionError, Cloud...Error, MachineError.
        """
        return await self._ask(
            answers.LocationUsage, "get_location_usage", timeout, location_id=location_id, max_age_s=max_age_s
        )

    async def get_fleet_usage(
        self,
        *,
        org_id: str | None = None,
        location_ids: Collection[str] | None = None,
        max_age_s: float | None = None,
        timeout: float = 120.0,
    ) -> answers.FleetUsage:
        """What a fleet costs: all locations of an organization (by default the service's own), or those listed.

        A row that fails has an `error`; the others are not affected. 10,000 locations take some 10 s the first time.
        Raises: OutOfScopeError, NotConfiguredError, ResultTooLargeError, and what every read raises.
        """
        listed = location_ids if location_ids is None or isinstance(location_ids, str) else list(location_ids)
        return await self._ask(
            answers.FleetUsage, "get_fleet_usage", timeout, org_id=org_id, location_ids=listed, max_age_s=max_age_s
        )

    async def check_budget(
        self,
        *,
        location_id: str | None = None,
        org_id: str | None = None,
        max_age_s: float | None = None,
        timeout: float = READ_S,
    ) -> answers.BudgetCheck:
        """Where the month stands in the budget; `newly_crossed` is reported once, to the first caller.

        Of a location (by default the service's own), through the organization that pays for it, or of an organization.
        Raises: NotConfiguredError (no budget), NotFoundError, OutOfScopeError, and what every read raises.
        """
        return await self._ask(
            answers.BudgetCheck, "check_budget", timeout, location_id=location_id, org_id=org_id, max_age_s=max_age_s
        )

    async def get_usage_history(
        self,
        *,
        org_id: str | None = None,
        location_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        step: Literal["hour", "day", "month"] | None = None,
        by: Literal["type"] | None = None,
        max_age_s: float | None = None,
        timeout: float = READ_S,
    ) -> answers.UsageHistory:
        """The cost of each hour, day (the default) or month, as the machine has seen it in the last 13 months.

        From `since` (included) to `until` (not), times with a time zone; with `by` each point has `delta_by_type`.
        Raises: StateUnavailableError, OutOfScopeError, NotConfiguredError, and what every read raises.
        """
        return await self._ask(
            answers.UsageHistory,
            "get_usage_history",
            timeout,
            org_id=org_id,
            location_id=location_id,
            since=since,
            until=until,
            step=step,
            by=by,
            max_age_s=max_age_s,
        )

    async def compare_usage(
        self,
        *,
        org_id: str | None = None,
        location_id: str | None = None,
        max_age_s: float | None = None,
        timeout: float = READ_S,
    ) -> answers.UsageComparison:
        """This month against the one before at the same point, and what changed most.

        Raises: StateUnavailableError, OutOfScopeError, NotConfiguredError, NotFoundError, and what every read raises.
        """
        return await self._ask(
            answers.UsageComparison,
            "compare_usage",
            timeout,
            org_id=org_id,
            location_id=location_id,
            max_age_s=max_age_s,
        )

    async def get_current_month_usage(
        self, *, org_id: str | None = None, max_age_s: float | None = None, timeout: float = READ_S
    ) -> answers.MonthUsage:
        """What an organization (by default the service's own) has cost this month, as Viam's API has it.

        Raises: OutOfScopeError, NotConfiguredError, and what every read raises.
        """
        return await self._ask(
            answers.MonthUsage, "get_current_month_usage", timeout, org_id=org_id, max_age_s=max_age_s
        )
