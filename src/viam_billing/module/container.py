"""The composition root: from a configuration to the parts of one service, and what they share in this process."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

from viam_billing.audit.audit_log import State
from viam_billing.cache.memory import Limits
from viam_billing.cache.queries import Reads
from viam_billing.charging.books import BOOKS
from viam_billing.charging.desk import Desk
from viam_billing.cloud.calls import Calls, Counters
from viam_billing.cloud.client import CloudClient
from viam_billing.commands import COMMANDS, EFFECTS
from viam_billing.commands.context import Context
from viam_billing.core.errors import StateUnavailableError
from viam_billing.core.money import to_dollars
from viam_billing.core.times import to_rfc3339
from viam_billing.module.clouds import CLOUDS, Cloud
from viam_billing.settings.policy import Policy
from viam_billing.usage.crossings import Crossings
from viam_billing.version import VERSION

if TYPE_CHECKING:
    from viam_billing.charging.books import Book
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

    def __init__(self, config: Config, name: str = "") -> None:
        self._cloud: Cloud | None = None
        if config.api_key is not None and config.api_key_id is not None:
            self._cloud = CLOUDS.acquire(config.app, config.api_key_id, config.api_key, config.state_dir)
        if self._cloud is not None:
            limits = Limits(config.cache_ttl_s, config.max_stale_s, config.timeout_s)
            self._cloud.cache.serve(limits, revealed=config.reveal_payment_details)
        cloud = self._cloud
        session, cache, history = (cloud.session, cloud.cache, cloud.history) if cloud else (None, None, None)
        self._counters = Counters()
        gateway = CloudClient(Calls(session, self._counters, config.timeout_s))
        policy = Policy(config)
        desk = Desk(gateway, policy)
        self._book = book = BOOKS.open(config.state_dir, config.app.text) if config.state_dir else None
        self._closing = False
        self._wakes = False
        """Whether the journal's watch is woken when this service's cloud is back."""
        self._look: asyncio.Task[bool] | None = None
        self.context = Context(
            config=config,
            policy=policy,
            gateway=gateway,
            reads=Reads(gateway, cache, config, time.time, history),
            history=history,
            crossings=Crossings(history),
            state=State(
                book.store if book else None,
                config.app.text,
                time.time,
                service=name,
                when_closed=self._release_if_idle,
            ),
            desk=desk,
            book=book,
            now=time.time,
            commands=COMMANDS,
        )
        if book is not None:
            if session is not None and any(policy.allows(command, EFFECTS[command]) for command in _CHARGING):
                book.watch.join(desk)
                session.circuit_breaker.when_closed.append(book.watch.wake)
                self._wakes = True
            else:
                book.watch.look_at_figures()

    async def status(self) -> dict[str, Any]:
        """What `get_status` answers; from memory, but for the journal's figures where they are not known yet."""
        charges = await self._charges()  # first, so that all else is of the moment of the answer
        counters, reads = self._counters, self.context.reads.counters
        session = self._cloud.session if self._cloud else None
        status: dict[str, Any] = {
            "version": VERSION,
            "connected": session is not None and session.connected,
            "cloud_calls": counters.cloud_calls,
            "logins": session.logins if session else 0,
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
        book = self._book
        if book is None:
            return {}
        journal = book.charger.journal
        if journal.figures is None:
            if self._look is None or self._look.done():
                self._look = asyncio.create_task(_look(book), name="viam-billing charge figures")
            done, _ = await asyncio.wait({self._look}, timeout=_FIRST_LOOK_S)
            if any(not look.cancelled() and not look.result() for look in done):
                return dict(_NO_CHARGES)
        figures = journal.figures
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
        desk, book = self.context.desk, self._book
        desk.closed = True
        if self._look is not None:
            self._look.cancel()
        if book is not None:
            book.watch.leave(desk)
            if self._wakes and self._cloud is not None:
                self._cloud.session.circuit_breaker.when_closed.remove(book.watch.wake)
                self._wakes = False
            book.charger.drop_waiting(desk)
        self.context.state.close()
        self._closing = True
        self._release_if_idle()

    def _release_if_idle(self, _: object = None) -> None:
        """Release all when the last charge and the last attempt have ended; each of them calls this when it ends."""
        if not self._closing or self.context.state.under_way:
            return
        charges = self._book.charger.under_way(self.context.desk) if self._book else []
        for attempt in charges:
            if attempt.task is not None:
                attempt.task.add_done_callback(self._release_if_idle)
        if charges:
            return
        cloud, self._cloud = self._cloud, None
        if cloud is not None:
            CLOUDS.release(cloud)
        book, self._book = self._book, None
        if book is not None:
            BOOKS.release(book)


async def _look(book: Book) -> bool:
    """Learn the figures of a journal that have not been learnt so far. Returns whether there is a journal."""
    await book.watch.looked.wait()
    journal = book.charger.journal
    if journal.figures is None:
        with contextlib.suppress(StateUnavailableError):
            await journal.refresh()
    return journal.figures is not None or await asyncio.to_thread(book.store.exists)
