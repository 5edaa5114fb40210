"""How a call of the cloud is made: login, deadline, what is repeated and what is sent once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from google.protobuf.message import Message

from viam_billing.cloud.call_attempts import CallAttempts, Counters
from viam_billing.cloud.connection import LoginExpiredError
from viam_billing.cloud.error_mapping import as_change, change_outcome, charge_outcome
from viam_billing.cloud.repeated_read import RepeatedRead
from viam_billing.core.errors import BillingError, CloudError, NotConfiguredError, Outcome
from viam_billing.core.tasks import retrieve_exception

if TYPE_CHECKING:
    from viam_billing.cloud.connection import Session
    from viam_billing.cloud.link import Link
    from viam_billing.core.times import Deadline

M = TypeVar("M", bound=Message)
T = TypeVar("T")

_PATIENCE_SHARE: Final = 0.7  # a silence of so much of `timeout_s` says something about the cloud
_TRIAL_SHARE: Final = 0.25  # of a read's time is given to a connection that was idle, and may be dead
_SHORTEST_TRIAL_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 0.5  # between new logins of one call


class OutcomeOf(Protocol):
    """What is known of a call that was sent once and ended in an error."""

    def __call__(self, error: BillingError, *, sent: bool) -> Outcome:
        """`sent`: whether its request was handed to the connection."""


class Calls:
    """Makes calls over a link. Every method raises `BillingError`s only.

    Reads are repeated inside their deadline. A change is sent once; its error's `outcome` says what is known of it.
    """

    def __init__(
        self, link: Link | None, counters: Counters, timeout_s: float, now: Callable[[], float] = time.time
    ) -> None:
        self._link = link
        self._counters = counters
        self._patience_s = _PATIENCE_SHARE * timeout_s
        self._attempts = CallAttempts(counters, now)

    async def read(self, rpc: str, request: Message, deadline: Deadline, kind: type[M]) -> M:
        """A unary call that changes nothing."""

        async def attempt(session: Session) -> Message:
            time_s = deadline.remaining_s()
            if session.connection.is_idle():
                time_s = min(time_s, max(_SHORTEST_TRIAL_S, _TRIAL_SHARE * time_s))
            return await session.client.read(rpc, request, time_s)

        answer = await self._repeated(rpc, attempt, deadline)
        if not isinstance(answer, kind):
            raise CloudError(f"the cloud's answer is of another kind ({rpc}). Update the module.")
        return answer

    async def stream(
        self,
        rpc: str,
        request: Message,
        deadline: Deadline,
        take: Callable[[Message], Awaitable[None]],
        restart: Callable[[], Awaitable[None]],
    ) -> None:
        """A call with a streamed answer that changes nothing.

        Each message is handed to `take`; `restart` is called before each attempt, to forget what an earlier one gave.
        """

        async def attempt(session: Session) -> None:
            async def take_part(message: Message) -> None:
                session.connection.answered()  # it is slow, but it is there
                self._known_link().presence.answered()
                await take(message)

            await restart()
            await session.client.stream(rpc, request, deadline.remaining_s(), take_part)

        await self._repeated(rpc, attempt, deadline)

    async def change(self, rpc: str, request: Message, deadline: Deadline) -> None:
        """A call that changes something, sent at most once."""
        try:
            await self._sent_once(rpc, request, deadline, change_outcome, _nothing, self._log_in_anew)
        except BillingError as error:
            raise self._failed(as_change(error)) from None

    async def charge(
        self, rpc: str, request: Message, deadline: Deadline, mark_sent: Callable[[], Awaitable[None]]
    ) -> Message:
        """A charge, sent at most once. `mark_sent` is called when all is ready; where it raises, nothing is sent."""
        try:
            return await self._sent_once(rpc, request, deadline, charge_outcome, mark_sent, self._log_in_later)
        except BillingError as error:
            raise self._failed(error) from None

    async def _sent_once(
        self,
        rpc: str,
        request: Message,
        deadline: Deadline,
        outcome_of: OutcomeOf,
        mark_sent: Callable[[], Awaitable[None]],
        log_in: Callable[[str, Session, Deadline], Awaitable[BillingError]],
    ) -> Message:
        session = await self.session(deadline)
        sent = False

        def before_send() -> None:
            nonlocal sent
            sent = True

        async def attempt(session: Session) -> Message:
            await mark_sent()
            return await session.client.call(rpc, request, deadline.remaining_s(), before_send)

        try:
            return await self._attempts.make(rpc, attempt, self._known_link(), session, deadline, lambda: sent)
        except LoginExpiredError:
            raise await log_in(rpc, session, deadline) from None
        except BillingError as error:
            error.outcome = outcome_of(error, sent=sent)
            raise

    async def session(self, deadline: Deadline, expired: Session | None = None) -> Session:
        """A logged-in client, made now if there is none or only an `expired` one."""
        link = self._known_link()
        try:
            probe = link.presence.enter()
            try:
                return await link.session(deadline, expired)
            finally:
                if probe:
                    link.presence.leave_probe()
        except BillingError as error:
            raise self._failed(error) from None

    async def _repeated(self, rpc: str, attempt: Callable[[Session], Awaitable[T]], deadline: Deadline) -> T:
        """A read: with a new token while the old ones turn out to have expired, and again after what may pass."""
        link = self._known_link()

        async def once() -> T:
            return await self._with_valid_login(rpc, attempt, link, deadline)

        try:
            return await RepeatedRead(link, once, deadline, self._patience_s, self._count_retry).run()
        except BillingError as error:
            raise self._failed(error) from None

    def _count_retry(self) -> None:
        self._counters.retries += 1

    async def _with_valid_login(
        self, rpc: str, attempt: Callable[[Session], Awaitable[T]], link: Link, deadline: Deadline
    ) -> T:
        expired: Session | None = None
        pause_s = 0.0
        while True:
            session = await link.session(deadline, expired)
            try:
                return await self._attempts.make(rpc, attempt, link, session, deadline, lambda: True)
            except LoginExpiredError:
                expired = session
                self._count_retry()
            # Callers that keep meeting used-up tokens spread out: one that meets a fresh one alone knows more.
            await asyncio.sleep(random.uniform(0, pause_s))  # noqa: S311 - no secret
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s + 0.01)

    async def _log_in_anew(self, rpc: str, session: Session, deadline: Deadline) -> BillingError:
        """A change met an expired token: log in anew, but leave it to the caller to send again."""
        try:
            await self.session(deadline, expired=session)
        except BillingError as error:
            error.outcome = Outcome.REFUSED
            return error
        return CloudError(
            f"the login had expired and the cloud refused the call ({rpc}); nothing was done. "
            "The module has logged in anew: repeat the call.",
            Outcome.REFUSED,
        )

    async def _log_in_later(self, rpc: str, session: Session, deadline: Deadline) -> BillingError:
        """The same for a charge: that it was refused is noted at once, and not when a login has ended."""
        login = asyncio.ensure_future(self.session(deadline, expired=session))
        login.add_done_callback(retrieve_exception)
        return CloudError(
            f"the login had expired and the cloud refused the call ({rpc}); nothing was done. "
            "The module logs in anew: repeat the call.",
            Outcome.REFUSED,
        )

    def _known_link(self) -> Link:
        if self._link is None:
            raise NotConfiguredError(
                "no API key is known. Set the attributes api_key and api_key_id to an organization owner's key."
            )
        return self._link

    def _failed(self, error: BillingError) -> BillingError:
        self._counters.last_error = error.message
        return error


async def _nothing() -> None:
    return
