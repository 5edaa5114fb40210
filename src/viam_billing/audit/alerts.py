"""Alerts: what is newly crossed, overdue, unknown or gone, sent to each address of `alert_urls` in the background.

note -> on disk -> the address's task: start its process -> mark as leaving, synced to disk -> send -> told
                      '-- not taken: again after 2 s, 4 s, ... 10 min, for an hour in all, then logged
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from viam import logging

from viam_billing.audit.alert_store import Alert, AlertStore
from viam_billing.audit.courier import Courier, UndeliveredError
from viam_billing.audit.events import Event
from viam_billing.core.digest import digest
from viam_billing.core.errors import StateUnavailableError, no_state_dir
from viam_billing.core.tasks import retrieve_exception, within
from viam_billing.storage.disk import DiskThread

LOGGER: Final = logging.getLogger(__name__)

FIRST_WAIT_S: Final = 2.0
LONGEST_WAIT_S: Final = 600.0
_DISK_S: Final = 60.0
_IDLE_S: Final = 60.0
_MOST_FAILURES: Final = 10
_MOST_KNOWN: Final = 10_000


class Alerts:
    """The alerts of one service. `certificates` names the file that HTTPS trusts, on a thread."""

    def __init__(self, addresses: Sequence[str], store: AlertStore | None, certificates: Callable[[], str]) -> None:
        self._certificates = certificates
        self._addresses = addresses
        self._store = store
        self._known: set[str] = set()  # names of events that are on the disk
        if store is None:
            LOGGER.warning("alerts are held back: %s", no_state_dir().text)
        self._warned = False
        self._testing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._queues = (
            [_Queue(number, address, store, certificates) for number, address in enumerate(addresses, 1)]
            if store is not None
            else []
        )

    def note(self, events: Sequence[Event]) -> None:
        """Have events told that were not, soon, and to each address. Costs the caller nothing."""
        new = [event for event in events if event.name not in self._known]
        if new and self._store is not None:
            task = asyncio.create_task(self._note(new, self._store), name="viam-billing noting alerts")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(retrieve_exception)

    async def _note(self, events: Sequence[Event], store: AlertStore) -> None:
        try:
            room = await store.note([queue.name for queue in self._queues], events)
            why = "" if room else "too many wait for an address that does not take them."
        except StateUnavailableError as error:
            room, why = False, error.text
        if why and not self._warned:
            LOGGER.warning("alerts are held back: %s", why)
        self._warned = bool(why)
        if room:
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            self._known.update(event.name for event in events)
        for queue in self._queues:
            queue.wake()

    async def test(self, begin: Callable[[], Awaitable[None]]) -> list[str]:
        """Send an alert to each address now, one call at a time, each after its `begin`.

        Returns for each address why it was not taken, or nothing.
        """
        async with self._testing:
            await begin()
            return await asyncio.gather(*(self._test(number) for number in range(len(self._addresses))))

    async def _test(self, number: int) -> str:
        def work() -> str:
            try:
                courier = Courier(self._addresses[number], self._certificates())
                try:
                    courier.send("Viam: a test alert", "Somebody tries the addresses of the billing service.")
                finally:
                    courier.close()
            except (UndeliveredError, OSError) as error:
                return _why(error)
            return ""

        return await DiskThread(f"alert test {number + 1}").run(work)

    def close(self) -> None:
        """Stop telling. What is being sent is sent; the rest is told after the next start. May be called twice."""
        for queue in self._queues:
            queue.close()
        if self._store is not None:
            closing = asyncio.create_task(self._close(self._store), name="viam-billing closing alerts")
            self._tasks.add(closing)
            closing.add_done_callback(self._tasks.discard)

    async def _close(self, store: AlertStore) -> None:
        others = [queue.task for queue in self._queues] + [*self._tasks - {asyncio.current_task()}]
        await asyncio.gather(*others, return_exceptions=True)
        store.close()


class _Queue:
    """What waits for one address, and the task that sends it. The log knows the address by its `number`."""

    def __init__(self, number: int, address: str, store: AlertStore, certificates: Callable[[], str]) -> None:
        self.name = digest(address)
        self._number = number
        self._address = address
        self._store = store
        self._certificates = certificates
        self._thread = DiskThread(f"alerts {number}")
        self._woken = asyncio.Event()
        self._closed = False
        self._failures = 0
        self._courier: Courier | None = None
        self.task = asyncio.create_task(self._run(), name=f"viam-billing alerts {number}")
        self.task.add_done_callback(retrieve_exception)

    def wake(self) -> None:
        """There may be something to send."""
        self._woken.set()

    def close(self) -> None:
        """Send no more than what is being sent."""
        self._closed = True
        self._woken.set()

    async def _run(self) -> None:
        recovered = False
        while not self._closed:
            wait_s: float | None = None
            self._woken.clear()
            try:
                if not recovered:
                    await self._recover()
                    recovered = True
                wait_s = await self._send_all()
            except StateUnavailableError:
                wait_s = _DISK_S  # `note` has said it
            except Exception as error:  # noqa: BLE001 - a defect must not end the telling
                LOGGER.error("defect in sending alerts: %s", type(error).__name__)  # noqa: TRY400 - without a traceback
                wait_s = LONGEST_WAIT_S
            await self._pause(wait_s)

    async def _pause(self, wait_s: float | None) -> None:
        """Wait until something is noted; after a failure for its time, whatever is noted meanwhile.

        Without a failure for a minute at most: what another service was sending may have come back to the queue.
        """
        if wait_s is None:
            with contextlib.suppress(asyncio.TimeoutError):
                await within(_IDLE_S, self._woken.wait())
            return
        ends = asyncio.get_running_loop().time() + wait_s
        while not self._closed and (left_s := ends - asyncio.get_running_loop().time()) > 0:
            self._woken.clear()
            try:
                await within(left_s, self._woken.wait())
            except asyncio.TimeoutError:
                return

    async def _recover(self) -> None:
        count = await self._store.recover(self.name)
        if count:
            LOGGER.warning(
                "%d alerts to address %d of alert_urls may not have arrived: the module ended while it sent them",
                count,
                self._number,
            )

    async def _send_all(self) -> float | None:
        """Send what waits. Returns the seconds to leave the address alone after a failure; None if all is sent."""
        try:
            while not self._closed and (alert := await self._store.first(self.name)) is not None:
                try:
                    await self._send(alert)
                except (UndeliveredError, OSError) as error:
                    return await self._failed(alert, _why(error))
                self._failures = 0
        finally:
            courier, self._courier = self._courier, None
            if courier is not None:
                await self._thread.run(courier.close)
        return None

    async def _send(self, alert: Alert) -> None:
        courier = self._courier
        if courier is None:
            courier = self._courier = await self._thread.run(lambda: Courier(self._address, self._certificates()))
        if await self._store.begin(alert):
            await self._thread.run(lambda: courier.send(alert.title, alert.body))
            await self._store.told(alert)

    async def _failed(self, alert: Alert, why: str) -> float:
        wait_s = min(FIRST_WAIT_S * (1 << self._failures), LONGEST_WAIT_S)
        self._failures = min(self._failures + 1, _MOST_FAILURES)
        lost = await self._store.failed(self.name, alert, wait_s)
        if lost:
            LOGGER.warning(
                "%d alerts could not be delivered to address %d of alert_urls within an hour: %s",
                lost,
                self._number,
                why,
            )
        return wait_s


def _why(error: UndeliveredError | OSError) -> str:
    return str(error) if isinstance(error, UndeliveredError) else f"no process to send it with: {error.strerror}"
