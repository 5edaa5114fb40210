"""Looks, for a service with `alert_urls`, at what is worth an alert, whether or not anybody asks.

every minute, and when a charge becomes unknown or the journal is found gone    the charge journal, on this machine
every hour, and when the cloud is back                                          the month's cost, the invoices
"""

from __future__ import annotations

import asyncio
import math
from typing import Final

from viam import logging

from viam_billing.audit import events
from viam_billing.cache.readings import Call
from viam_billing.charging.service import ChargeService
from viam_billing.commands import budgets, invoices
from viam_billing.commands.context import Context
from viam_billing.commands.payers import payer_of
from viam_billing.core.errors import BillingError, CloudAwayError, NotFoundError, StateUnavailableError
from viam_billing.core.tasks import retrieve_exception, within
from viam_billing.core.times import Deadline, monotonic_s

LOGGER: Final = logging.getLogger(__name__)

JOURNAL_EVERY_S: Final = 60.0
CLOUD_EVERY_S: Final = 3600.0
CLOUD_RETRY_S: Final = 300.0
_MOST_CHARGES: Final = 100


class Watch:
    """The looks of one service, in a task of its own."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._cloud_at_s = -math.inf
        self._away = False
        self._task = asyncio.create_task(self._run(), name="viam-billing watch")
        self._task.add_done_callback(retrieve_exception)

    def wake(self) -> None:
        """Look at the journal now."""
        self._woken.set()

    def wake_from_thread(self) -> None:
        """The same, from another thread than the event loop's."""
        self._loop.call_soon_threadsafe(self._woken.set)

    def cloud_is_back(self) -> None:
        """Look at the cloud now, if the last look was in vain."""
        if self._away:
            self._cloud_at_s = -math.inf
            self._woken.set()

    def close(self) -> None:
        """Look no more."""
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                if self._context.charge_service is not None:
                    await self._look_at_charges(self._context.charge_service)
                if monotonic_s() >= self._cloud_at_s:
                    wait_s = await self._look_at_cloud()
                    self._cloud_at_s = monotonic_s() + wait_s
            except Exception as error:  # noqa: BLE001 - a defect must not end the looks
                LOGGER.error("defect in looking for alerts: %s", type(error).__name__)  # noqa: TRY400 - without a traceback
                self._cloud_at_s = monotonic_s() + CLOUD_EVERY_S
            try:
                await within(JOURNAL_EVERY_S, self._woken.wait())
            except asyncio.TimeoutError:
                continue

    async def _look_at_charges(self, service: ChargeService) -> None:
        context, journal = self._context, service.journal
        found: list[events.Event] = []
        try:
            unknown = await journal.entries(("unknown",), context.policy.sees_org, _MOST_CHARGES)
            found += map(events.unknown_charge, unknown)
        except StateUnavailableError:
            if journal.identity.lost:
                found.append(events.lost_journal(journal.identity.lost, context.config.state_dir or ""))
        if context.alerts is not None:
            context.alerts.note(found)

    async def _look_at_cloud(self) -> float:
        """Returns the seconds until the next look."""
        self._away = False
        try:
            await self._look_at_bills()
        except BillingError as error:
            self._away = isinstance(error, CloudAwayError)
            return CLOUD_RETRY_S if self._away else CLOUD_EVERY_S
        return CLOUD_EVERY_S

    async def _look_at_bills(self) -> None:
        """Of the organization that pays for the service's location, without a location of its own one."""
        context, policy = self._context, self._context.policy
        call = Call(Deadline(context.config.timeout_s), Deadline(math.inf))
        if context.config.location_id is None:
            org_id = policy.org_in_scope()
        else:
            try:
                _, org_id = await payer_of(context, policy.location_in_scope(), call, None)
            except NotFoundError:
                org_id = policy.org_in_scope()
        readings = []
        if context.config.monthly_budget is not None:
            usage = await context.reads.usage(org_id, call, None)
            await budgets.note_alerts(context, org_id, usage)
            readings.append(usage)
        if policy.sees_org(org_id):
            summary = await context.reads.invoices(org_id, call, None)
            await invoices.note_alerts(context, org_id, summary)
            readings.append(summary)
        self._away = any(reading.stale_reason for reading in readings)
