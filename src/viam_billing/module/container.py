"""The composition root: from a configuration to the parts of one service, and what they share in this process."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from viam_billing.audit.audit_log import State
from viam_billing.cache.memory import Limits
from viam_billing.cache.queries import Reads
from viam_billing.charging.access import ServiceAccess
from viam_billing.cloud.call_attempts import Counters
from viam_billing.cloud.calls import Calls
from viam_billing.cloud.gateway import CloudGateway
from viam_billing.commands import COMMANDS, EFFECTS
from viam_billing.commands.context import Context
from viam_billing.core.money import to_dollars
from viam_billing.core.tasks import unwatched
from viam_billing.core.times import to_rfc3339
from viam_billing.module.clouds import CLOUDS, Cloud
from viam_billing.settings.policy import Policy
from viam_billing.usage.crossings import Crossings
from viam_billing.version import VERSION

if TYPE_CHECKING:
    from viam_billing.charging.journal_rows import Figures
    from viam_billing.charging.registry import ChargeServices
    from viam_billing.charging.service import ChargeService
    from viam_billing.settings.attributes import Config

_CHARGING: Final = (
    "charge_organization",
    "create_invoice_and_charge_immediately",
    "reconcile_charges",
    "resolve_charge",
)
"""Commands for which a service looks after the charge journal, and keeps other processes away from it."""


_NO_CHARGES: Final = {"unknown_charges": 0, "charged_last_24h": 0}

_FIRST_LOOK_S: Final = 0.2
"""How long `get_status` waits for the journal's figures, where they are not in memory yet."""


class Runtime:
    """One service's parts, and what has to be closed with it.

    Making it waits for no I/O: what an earlier process left is read in the background. Needs a running event loop.
    """

    def __init__(self, config: Config, charge_services: ChargeServices, name: str = "") -> None:
        self._cloud: Cloud | None = None
        if config.api_key is not None and config.api_key_id is not None:
            self._cloud = CLOUDS.acquire(config.app, config.api_key_id, config.api_key, config.state_dir)
        if self._cloud is not None:
            limits = Limits(config.cache_ttl_s, config.max_stale_s, config.timeout_s)
            self._cloud.cache.serve(limits, revealed=config.reveal_payment_details)
        cloud = self._cloud
        link, cache, history = (cloud.link, cloud.cache, cloud.history) if cloud else (None, None, None)
        self._counters = Counters()
        gateway = CloudGateway(Calls(link, self._counters, config.timeout_s))
        policy = Policy(config)
        access = ServiceAccess(gateway, policy)
        self._charge_services = charge_services
        self._charging: ChargeService | None = None
        if config.state_dir:
            self._charging = charge_services.open(config.state_dir, config.app.text, config.accept_lost_journal)
        charging = self._charging
        self._closing = False
        self._wakes = False
        """Whether the reconciler is woken when this service's cloud is back."""
        self._look: asyncio.Task[Figures | None] | None = None
        self.context = Context(
            config=config,
            policy=policy,
            gateway=gateway,
            reads=Reads(gateway, cache, config, time.time, history),
            history=history,
            crossings=Crossings(history),
            state=State(
                charging.journal.store if charging else None,
                config.app.text,
                time.time,
                service=name,
                when_closed=self._release_if_idle,
            ),
            access=access,
            charge_service=charging,
            now=time.time,
            commands=COMMANDS,
        )
        charges = link is not None and any(policy.allows(command, EFFECTS[command]) for command in _CHARGING)
        if charging is not None and link is not None and charges:
            charging.reconciler.join(access)
            link.presence.when_back.append(charging.reconciler.wake)
            self._wakes = True

    async def status(self) -> dict[str, Any]:
        """What `get_status` answers; from memory, but for the journal's figures where they are not known yet."""
        charges = await self._charges()  # first, so that all else is of the moment of the answer
        counters, reads = self._counters, self.context.reads.counters
        link = self._cloud.link if self._cloud else None
        status: dict[str, Any] = {
            "version": VERSION,
            "connected": link is not None and link.connected,
            "cloud_calls": counters.cloud_calls,
            "logins": link.logins if link else 0,
            "retries": counters.retries,
            "cache_hits": reads.hits,
            "cache_misses": reads.misses,
            "stale_answers": reads.stale,
            **charges,
            "allowed_commands": sorted(self.context.config.allowed_commands),
        }
        if counters.last_success is not None:
            status["last_success"] = to_rfc3339(counters.last_success)
        if counters.last_error is not None:
            status["last_error"] = counters.last_error
        return status

    async def _charges(self) -> dict[str, Any]:
        """What the journal tells: 0 where there is none, nothing where it cannot be read."""
        if self.context.config.state_dir is None:
            return dict(_NO_CHARGES)
        charging = self._charging
        if charging is None:
            return {}
        if charging.journal.figures is None:
            if self._look is None or self._look.done():
                self._look = asyncio.create_task(charging.read_figures(), name="viam-billing charge figures")
                self._look.add_done_callback(unwatched)
            done, _ = await asyncio.wait({self._look}, timeout=_FIRST_LOOK_S)
            if any(not look.cancelled() and look.exception() is None and look.result() is None for look in done):
                return dict(_NO_CHARGES)
        figures = charging.journal.figures
        if figures is None:
            return {}
        return {
            "unknown_charges": figures.unknown,
            "charged_last_24h": to_dollars(figures.charged(self.context.now())),
            "journal": {
                "id": figures.journal_id,
                "created": to_rfc3339(figures.created_at),
                "entries": figures.entries,
            },
        }

    async def close(self) -> None:
        """Give back what is shared; a charge under way keeps it until it has ended. May be called twice."""
        access, charging = self.context.access, self._charging
        access.closed = True
        if self._look is not None:
            self._look.cancel()
        if charging is not None:
            charging.reconciler.leave(access)
            if self._wakes and self._cloud is not None:
                self._cloud.link.presence.when_back.remove(charging.reconciler.wake)
                self._wakes = False
            charging.drop_waiting(access)
        self.context.state.close()
        self._closing = True
        self._release_if_idle()

    def _release_if_idle(self, _: object = None) -> None:
        """Release all when the last charge and the last attempt have ended; each of them calls this when it ends."""
        if not self._closing or self.context.state.under_way:
            return
        charges = self._charging.under_way(self.context.access) if self._charging else []
        for attempt in charges:
            attempt.task.add_done_callback(self._release_if_idle)
        if charges:
            return
        cloud, self._cloud = self._cloud, None
        if cloud is not None:
            CLOUDS.release(cloud)
        charging, self._charging = self._charging, None
        if charging is not None:
            self._charge_services.release(charging)
