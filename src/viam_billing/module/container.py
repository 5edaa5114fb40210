"""Wires a configuration to the parts of one service, and closes them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET

from viam_billing.audit.audit_log import AuditLog
from viam_billing.audit.email_cooldown import EmailCooldown
from viam_billing.cache.cache import Cache
from viam_billing.cache.queries import Reads
from viam_billing.charging.access import ServiceAccess
from viam_billing.charging.journal_rows import Figures
from viam_billing.charging.service import ChargeService
from viam_billing.cloud import certificates
from viam_billing.cloud.calls import Calls, Counters
from viam_billing.cloud.client import CloudClient
from viam_billing.cloud.session import Session
from viam_billing.commands import COMMANDS, EFFECTS
from viam_billing.commands.context import Context
from viam_billing.commands.status import Journal, Status
from viam_billing.core.errors import BillingError
from viam_billing.core.money import to_dollars
from viam_billing.core.tasks import retrieve_exception, wait_shared
from viam_billing.core.times import to_rfc3339
from viam_billing.module.shared import Key, Shared
from viam_billing.settings.attributes import Config
from viam_billing.settings.policy import Policy
from viam_billing.usage.history import UsageHistory
from viam_billing.usage.thresholds import CrossedThresholds
from viam_billing.version import VERSION

if TYPE_CHECKING:
    from viam_billing.audit.alerts import Alerts

_CHARGING: Final = [name for name, effect in EFFECTS.items() if effect in ("charge", "by_name")]
"""Commands for which a service looks after the charge journal, and keeps other processes away from it."""

_LOOK_S: Final = 0.2
"""How long `get_status` waits for the journal; where the disk is slow or fails, it tells the latest known figures."""


class Container:
    """One service's parts, and its lease of those that it shares.

    Making it does no I/O: what an earlier process left is read in the background. It needs a running event loop.
    """

    def __init__(self, config: Config, shared: Shared, name: str = "") -> None:
        self._lease = lease = contextlib.ExitStack()
        self._watching = contextlib.ExitStack()
        self._closing: asyncio.Task[None] | None = None
        self._look: asyncio.Task[Figures | None] | None = None
        self._counters = Counters()
        session: Session | None = None
        private: Cache | None = None
        history: UsageHistory | None = None
        if config.api_key_id is not None:
            key = Key(config.app, config.api_key_id, config.api_key or "", config.ca_file, config.api_key_file)
            session = lease.enter_context(shared.session(key))
            cache = lease.enter_context(shared.cache(key, session, config.state_dir))
            if config.reveal_payment_details:
                private = lease.enter_context(shared.private_cache(key, session))
            if config.state_dir is not None:
                history = lease.enter_context(shared.history(config.state_dir, config.app))
        else:  # every call is not_configured; what earlier versions left on the disk is cleaned all the same
            cache = lease.enter_context(shared.keyless_cache(config.app, config.state_dir))
        self._session = session
        gateway = CloudClient(Calls(session, self._counters, config.timeout_s))
        policy = Policy(config)
        access = ServiceAccess(gateway, policy)
        charging: ChargeService | None = None
        if config.state_dir is not None:
            charging = lease.enter_context(shared.charging(config.state_dir, config.app, config.accept_lost_journal))
        journal = charging.journal if charging is not None else None
        sent_emails = shared.sent_emails[config.state_dir, config.app.text]
        self.context = Context(
            config=config,
            policy=policy,
            gateway=gateway,
            disk=shared.disk,
            reads=Reads(gateway, cache, config, time.time, history, private),
            history=history,
            crossed=CrossedThresholds(history),
            audit_log=AuditLog(journal, config.app.text, time.time, name),
            email_cooldown=EmailCooldown(journal, config.app.text, time.time, sent_emails),
            access=access,
            charge_service=charging,
            now=time.time,
            commands=COMMANDS,
            status=self.status,
            secrets=shared.secrets,
            api_key=session.api_key if session is not None and session.api_key.in_file else None,
            alerts=_alerts(config, shared),
        )
        charges = any(policy.allows(command, EFFECTS[command]) for command in _CHARGING)
        if charging is not None and session is not None and charges:
            charging.reconciler.join(access)
            self._watching.callback(charging.reconciler.leave, access)
            session.circuit_breaker.when_closed.append(charging.reconciler.wake)
            self._watching.callback(session.circuit_breaker.when_closed.remove, charging.reconciler.wake)

        if self.context.alerts is not None:
            self._watch(charging, session)

    def _watch(self, charging: ChargeService | None, session: Session | None) -> None:
        """Look at what is worth an alert, until the service is closed."""
        from viam_billing.module.watch import Watch  # noqa: PLC0415 - for a service with `alert_urls` only

        watch = Watch(self.context)
        listeners: list[tuple[list[Callable[[], None]], Callable[[], None]]] = []
        if charging is not None:
            listeners.append((charging.recovery.when_unknown, watch.wake))
            listeners.append((charging.journal.identity.when_lost, watch.wake_from_thread))
        if session is not None:
            listeners.append((session.circuit_breaker.when_closed, watch.cloud_is_back))
        for listeners_of, listener in listeners:
            listeners_of.append(listener)
            self._watching.callback(listeners_of.remove, listener)
        self._watching.callback(watch.close)

    async def status(self) -> Status:
        """What `get_status` answers; from memory, but for the journal, which may be gone by now."""
        charges = await self._charges()  # first, so that all else is of the moment of the answer
        counters, reads = self._counters, self.context.reads.reader
        session = self._session
        return Status(
            version=VERSION,
            connected=session is not None and session.connected,
            last_success=UNSET if counters.last_success is None else to_rfc3339(counters.last_success),
            last_error=UNSET if counters.last_error is None else counters.last_error,
            cloud_calls=counters.cloud_calls,
            logins=session.logins if session else 0,
            retries=counters.retries,
            cache_hits=reads.hits,
            cache_misses=reads.misses,
            stale_answers=reads.stale,
            **charges,
            allowed_commands=sorted(self.context.config.allowed_commands),
        )

    async def _charges(self) -> dict[str, Any]:
        """The journal's figures: 0 where there is no journal, none where it cannot be read."""
        charging = self.context.charge_service
        figures: Figures | None = None
        if charging is not None:
            if self._look is None or self._look.done():
                self._look = asyncio.create_task(charging.read_figures(), name="viam-billing charge figures")
                self._look.add_done_callback(retrieve_exception)
            try:
                figures = await wait_shared(self._look, _LOOK_S)
            except (BillingError, asyncio.TimeoutError):
                figures = charging.journal.figures
                if figures is None:
                    return {}
        if figures is None:
            return {"unknown_charges": 0, "charged_last_24h": 0}
        created = to_rfc3339(figures.created_at)
        return {
            "unknown_charges": figures.unknown,
            "charged_last_24h": to_dollars(figures.charged(self.context.now())),
            "journal": Journal(id=figures.journal_id, created=created, entries=figures.entries),
        }

    async def close(self) -> None:
        """End the calls under way, and give back what is shared. May be called twice.

        A charge, an e-mail or a change that is being sent goes on, and keeps the lease until it has ended.
        """
        context = self.context
        if context.access.closed:
            return
        context.access.closed = True
        self._watching.close()
        if context.alerts is not None:
            context.alerts.close()
        for task in filter(None, context.in_flight):
            task.cancel()  # it ends with `service_closed`, see `dispatch.answer`
        if self._look is not None:
            self._look.cancel()
        charges: set[asyncio.Task[Any]] = set()
        if context.charge_service is not None:
            context.charge_service.drop_waiting(context.access)
            charges = {attempt.task for attempt in context.charge_service.under_way(context.access)}
        context.audit_log.flush()
        if charges or not context.audit_log.idle.is_set():
            self._closing = asyncio.create_task(self._close_when_idle(charges), name="viam-billing closing")
        else:
            self._lease.close()

    async def _close_when_idle(self, charges: set[asyncio.Task[Any]]) -> None:
        with self._lease:
            if charges:
                await asyncio.wait(charges)
            await self.context.audit_log.idle.wait()


def _alerts(config: Config, shared: Shared) -> Alerts | None:
    """What sends the alerts of a service; None where no address is configured."""
    if not config.alert_urls:
        return None
    from viam_billing.audit.alert_store import AlertStore  # noqa: PLC0415 - as in `_watch`
    from viam_billing.audit.alerts import Alerts  # noqa: PLC0415 - the same

    for address in config.alert_urls:
        shared.secrets.add(address)
    store = None
    if config.state_dir is not None:
        store = AlertStore(shared.disk, config.state_dir, config.app.text, shared.run)
    return Alerts(config.alert_urls, store, certificates.bundle_path)
