"""How calls are made: reads again after what may pass, what changes something once and never again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status
from viam.gen.app.v1 import billing_pb2

from support.fake_parts import (
    LOST,
    NOON_S,
    NOT_CONNECTED,
    REFUSED_STREAM,
    SILENCE,
    FakeClient,
    FakeSession,
    Script,
    answered,
    answering,
    failing,
    usage,
    waiting,
)
from viam_billing.cloud.api_key import ApiKey
from viam_billing.cloud.calls import Calls, Counters
from viam_billing.cloud.client import CloudClient
from viam_billing.cloud.failures import CallFailedError, UnreadableAnswerError
from viam_billing.cloud.session import CALLS_AT_ONCE, Session
from viam_billing.core.errors import (
    BillingError,
    CloudTimeoutError,
    CloudUnreachableError,
    KeyRejectedError,
    Outcome,
    StateUnavailableError,
)
from viam_billing.core.secrets import Secrets
from viam_billing.core.times import Deadline
from viam_billing.settings.app_address import AppAddress

EXPIRED = answered(Status.UNAUTHENTICATED, "token expired")
UNAVAILABLE = answered(Status.UNAVAILABLE)
PASSING = [UNAVAILABLE, answered(Status.RESOURCE_EXHAUSTED), LOST, REFUSED_STREAM]
FINAL = [
    UnreadableAnswerError("it is odd"),
    *map(answered, (Status.NOT_FOUND, Status.PERMISSION_DENIED, Status.INVALID_ARGUMENT, Status.INTERNAL)),
]
INVOICE = billing_pb2.ChargeOrganizationResponse(invoice_id="inv")
SHORT_S = 0.3


class Scene:
    """Calls of a service whose `timeout_s` is 0.3 s, over clients by hand."""

    def __init__(self, *apps: FakeClient, error: Exception | None = None) -> None:
        self.app = apps[0] if apps else FakeClient()
        self.session = FakeSession(*apps, error=error)
        self.counters = Counters()
        self.calls = Calls(self.session, self.counters, SHORT_S, lambda: NOON_S)
        self.cloud = CloudClient(self.calls)
        self.marked_after: list[int] = []

    async def read(self, time_s: float = 20.0) -> float:
        """What an organization has cost."""
        return (await self.cloud.get_current_month_usage("o", Deadline(time_s))).subtotal

    async def failed_read(self, time_s: float = SHORT_S) -> BillingError:
        """The error of a read."""
        with pytest.raises(BillingError) as caught:
            await self.read(time_s)
        return caught.value

    async def failed_change(self) -> BillingError:
        """The error of a change."""
        with pytest.raises(BillingError) as caught:
            await self.cloud.update_organization_billing_tier("o", "tier", Deadline(20))
        return caught.value

    async def charge(self, command: str = "charge_organization", mark: BillingError | None = None) -> str:
        """An invoice's ID. `mark` is the error of the mark."""

        async def mark_sent() -> None:
            self.marked_after.append(len(self.app.asked))
            if mark is not None:
                raise mark

        parameters: dict[str, Any] = {"org_id_to_charge": "o"}
        return await self.cloud.charge(command, parameters, Deadline(20), mark_sent)

    async def failed_charge(self, mark: BillingError | None = None) -> BillingError:
        """The error of a charge."""
        with pytest.raises(BillingError) as caught:
            await self.charge(mark=mark)
        return caught.value


def scene(*scripts: Script, connects: CallFailedError | None = None, used: bool = True) -> Scene:
    """One client with these answers; a second login would get another that answers."""
    return Scene(FakeClient(*scripts, connects=connects, used=used), FakeClient(answering(usage(7.0))))


def never() -> Script:
    """A script that never answers."""
    return waiting(asyncio.Event(), usage(1.0))


async def until_asked(app: FakeClient, count: int) -> None:
    """Wait until so many calls are under way."""
    while len(app.asked) < count:  # noqa: ASYNC110 - a list, not an event
        await asyncio.sleep(0)


# --- reads ---


async def test_a_read_answers_and_is_counted() -> None:
    made = scene(answering(usage(3.0)))
    assert await made.read() == 3.0
    assert made.counters == Counters(cloud_calls=1, last_success=NOON_S)


async def test_without_a_key_there_is_no_call() -> None:
    with pytest.raises(BillingError, match="api_key_id"):
        await CloudClient(Calls(None, Counters(), 20.0)).get_current_month_usage("o", Deadline(20))


@pytest.mark.parametrize("error", PASSING, ids=str)
async def test_a_read_is_repeated_after_what_may_pass(error: Exception) -> None:
    made = scene(failing(error), failing(error), answering(usage(4.0)))
    assert await made.read() == 4.0
    assert (made.counters.cloud_calls, made.counters.retries, made.counters.last_error) == (3, 2, None)


@pytest.mark.parametrize("error", FINAL, ids=str)
async def test_a_read_is_not_repeated_after_an_answer(error: Exception) -> None:
    made = scene(failing(error))
    await made.failed_read(20.0)
    assert (len(made.app.asked), made.counters.retries) == (1, 0)


@pytest.mark.parametrize("error", PASSING, ids=str)
async def test_repeating_ends_with_the_reads_time_and_the_last_answers_code(error: Exception) -> None:
    made = scene(failing(error))
    found = await made.failed_read(0.6)
    assert found.code in {"cloud_unreachable", "cloud_rate_limited"}
    assert made.counters.last_error == found.message
    assert 1 < len(made.app.asked) < 10


async def test_an_expired_token_is_renewed_for_a_read_as_often_as_others_use_tokens_up() -> None:
    made = Scene(*(FakeClient(failing(EXPIRED)) for _ in range(2)), FakeClient(answering(usage(4.0)), used=False))
    assert await made.read() == 4.0
    assert (made.session.logins, made.counters.retries, made.counters.cloud_calls) == (2, 2, 3)


async def test_a_fresh_token_that_is_refused_means_the_key() -> None:
    made = scene(failing(EXPIRED), used=False)
    with pytest.raises(KeyRejectedError):
        await made.read()
    assert made.session.logins == 0


async def test_a_fresh_token_that_others_used_up_means_nothing() -> None:
    """A slow first call may reach the cloud after faster ones have spent the token."""
    overtaken = asyncio.Event()

    async def refused_late() -> billing_pb2.GetCurrentMonthUsageResponse:
        await overtaken.wait()
        raise EXPIRED

    made = scene(refused_late, answering(usage(1.0)), used=False)
    slow = asyncio.create_task(made.read())
    await until_asked(made.app, 1)
    await made.read()
    overtaken.set()
    assert await slow == 7.0


async def test_at_most_32_calls_are_in_flight() -> None:
    go = asyncio.Event()
    made = scene(waiting(go, usage(1.0)))
    callers = [asyncio.create_task(made.read()) for _ in range(2 * CALLS_AT_ONCE)]
    await until_asked(made.app, CALLS_AT_ONCE)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(made.app.asked) == CALLS_AT_ONCE == 32
    go.set()
    await asyncio.gather(*callers)
    assert len(made.app.asked) == 64


async def test_waiting_for_a_place_says_nothing_about_the_cloud() -> None:
    made = scene(never())
    callers = [asyncio.create_task(made.read()) for _ in range(CALLS_AT_ONCE)]
    await until_asked(made.app, CALLS_AT_ONCE)
    with pytest.raises(CloudTimeoutError):
        await made.read(0.02)
    assert not made.session.circuit_breaker.is_open
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)


@pytest.mark.parametrize("ticks", range(6))
async def test_a_place_that_comes_as_its_caller_is_cancelled_is_not_lost(ticks: int) -> None:
    made = scene(answering(usage(1.0)))
    slots = made.session.slots
    for _ in range(CALLS_AT_ONCE):
        await slots.acquire()
    caller = asyncio.create_task(made.read())
    for _ in range(10):
        await asyncio.sleep(0)
    slots.release()
    for _ in range(ticks):
        await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    assert await asyncio.wait_for(slots.acquire(), 5)
    assert slots.locked()


# --- the circuit breaker ---


async def test_a_whole_time_of_silence_opens_the_circuit() -> None:
    """The next caller is told at once, and the cloud is not asked."""
    made = scene(never())
    assert (await made.failed_read()).code == "cloud_timeout"
    assert (await made.failed_read()).code == "cloud_unreachable"
    assert len(made.app.asked) == 1


async def test_a_lost_connection_and_then_silence_open_it() -> None:
    """The whole time of the read counts, not that of its last attempt."""
    made = scene(failing(LOST), never())
    assert (await made.failed_read(1.0)).code == "cloud_timeout"
    assert made.session.circuit_breaker.is_open


async def test_a_callers_own_short_time_says_nothing() -> None:
    made = scene(never())
    assert (await made.failed_read(0.01)).code == "cloud_timeout"
    assert not made.session.circuit_breaker.is_open


async def test_a_silence_while_others_get_answers_says_nothing() -> None:
    made = scene(never(), answering(usage(1.0)))
    silent = asyncio.create_task(made.failed_read())
    await until_asked(made.app, 1)
    await made.read()
    assert (await silent).code == "cloud_timeout"
    assert not made.session.circuit_breaker.is_open


@pytest.mark.parametrize(
    "error", [UnreadableAnswerError("odd"), *map(answered, (Status.INTERNAL, Status.RESOURCE_EXHAUSTED))], ids=str
)
async def test_an_error_of_the_cloud_is_an_answer(error: Exception) -> None:
    made = scene(failing(error))
    await made.failed_read()
    assert not made.session.circuit_breaker.is_open


@pytest.mark.parametrize("error", [UNAVAILABLE, LOST], ids=str)
async def test_a_whole_time_without_an_answer_opens_it(error: Exception) -> None:
    made = scene(failing(error))
    assert (await made.failed_read(1.0)).code == "cloud_unreachable"
    assert made.session.circuit_breaker.is_open


async def test_no_connection_opens_it_at_once() -> None:
    made = scene(failing(NOT_CONNECTED))
    assert (await made.failed_read(20.0)).code == "cloud_unreachable"
    assert made.session.circuit_breaker.is_open


async def test_calls_in_flight_on_one_connection_lose_it_once() -> None:
    go = asyncio.Event()

    async def lost_together() -> billing_pb2.GetCurrentMonthUsageResponse:
        await go.wait()
        raise LOST

    made = scene(*[lost_together] * 8, answering(usage(1.0)))
    callers = [asyncio.create_task(made.read()) for _ in range(8)]
    await until_asked(made.app, 8)
    go.set()
    assert await asyncio.gather(*callers) == [1.0] * 8


async def test_nothing_is_sent_while_it_is_open() -> None:
    made = scene(answering(usage(1.0)))
    made.session.circuit_breaker.connection_failed(CloudUnreachableError("no route."))
    found = [await made.failed_change(), await made.failed_charge(), await made.failed_read()]
    assert [(error.code, error.outcome) for error in found] == [("cloud_unreachable", Outcome.NEVER_SENT)] * 3
    assert (made.app.asked, made.marked_after) == ([], [])


@pytest.fixture
async def silent_session(tmp_path: Path) -> AsyncIterator[Session]:
    """A session with a cloud that accepts connections and never says a word."""
    path = str(tmp_path / "cloud.sock")
    connections: list[asyncio.StreamWriter] = []
    server = await asyncio.start_unix_server(lambda _, writer: connections.append(writer), path)
    session = Session(AppAddress(path, path=path), "id", ApiKey(Secrets(), "key"))
    yield session
    session.close()
    server.close()
    for writer in connections:
        writer.close()


async def test_a_login_that_takes_the_whole_time_opens_it(silent_session: Session) -> None:
    cloud = CloudClient(Calls(silent_session, Counters(), SHORT_S))
    codes = []
    for _ in range(2):
        with pytest.raises(BillingError) as caught:
            await cloud.get_current_month_usage("o", Deadline(SHORT_S))
        codes.append(caught.value.code)
    assert codes == ["cloud_timeout", "cloud_unreachable"]


async def test_a_place_that_does_not_come_free_says_nothing_of_the_cloud() -> None:
    made = scene(answering(usage(1.0)))
    for _ in range(CALLS_AT_ONCE):
        await made.session.slots.acquire()
    assert (await made.failed_read()).code == "cloud_timeout"
    assert not made.session.circuit_breaker.is_open


# --- changes ---


@pytest.mark.parametrize("error", [*PASSING, SILENCE, *FINAL], ids=str)
async def test_a_change_is_never_repeated(error: Exception) -> None:
    made = scene(failing(error))
    await made.failed_change()
    assert len(made.app.asked) == 1


@pytest.mark.parametrize("error", [LOST, UNAVAILABLE, SILENCE, answered(Status.INTERNAL)], ids=str)
async def test_a_change_whose_answer_is_lost_may_have_been_done(error: Exception) -> None:
    found = await scene(failing(error)).failed_change()
    assert found.outcome is Outcome.UNKNOWN
    assert "It may have been done" in found.text


@pytest.mark.parametrize("error", [NOT_CONNECTED, SILENCE], ids=str)
async def test_a_change_without_a_connection_was_not_done(error: CallFailedError) -> None:
    made = scene(answering(usage(1.0)), connects=error)
    found = await made.failed_change()
    assert (found.outcome, made.app.asked) == (Outcome.NEVER_SENT, [])
    assert "Nothing was sent" in found.text


async def test_a_change_with_an_expired_token_is_left_to_the_caller() -> None:
    made = scene(failing(EXPIRED))
    found = await made.failed_change()
    assert (found.outcome, len(made.app.asked)) == (Outcome.REFUSED, 1)
    assert "repeat the call" in found.text


# --- charges ---


async def test_a_charge_is_marked_and_then_sent_once_each() -> None:
    made = scene(answering(INVOICE))
    assert await made.charge() == "inv"
    assert (made.marked_after, made.app.asked) == ([0], ["ChargeOrganization"])


async def test_either_command_has_its_call() -> None:
    made = scene(answering(INVOICE))
    assert await made.charge("create_invoice_and_charge_immediately") == "inv"
    assert made.app.asked == ["CreateInvoiceAndChargeImmediately"]


async def test_without_its_mark_a_charge_is_not_sent() -> None:
    made = scene(answering(INVOICE))
    found = await made.failed_charge(StateUnavailableError("full"))
    assert (found.code, found.outcome, made.app.asked) == ("state_unavailable", Outcome.NEVER_SENT, [])


@pytest.mark.parametrize(
    "error",
    [UNAVAILABLE, answered(Status.INTERNAL), LOST, SILENCE, NOT_CONNECTED, UnreadableAnswerError("odd")],
    ids=str,
)
async def test_a_charge_is_never_repeated_and_nobody_knows_what_became_of_it(error: Exception) -> None:
    made = scene(failing(error))
    found = await made.failed_charge()
    assert (found.outcome, made.app.asked) == (Outcome.UNKNOWN, ["ChargeOrganization"])


@pytest.mark.parametrize("error", [NOT_CONNECTED, SILENCE], ids=str)
async def test_a_charge_without_a_connection_is_neither_marked_nor_sent(error: CallFailedError) -> None:
    made = scene(answering(INVOICE), connects=error)
    found = await made.failed_charge()
    assert (found.outcome, made.marked_after, made.app.asked) == (Outcome.NEVER_SENT, [], [])


async def test_a_charge_without_a_login_is_neither_marked_nor_sent() -> None:
    made = Scene(error=CloudUnreachableError("no"))
    found = await made.failed_charge()
    assert (found.outcome, made.marked_after, made.app.asked) == (Outcome.NEVER_SENT, [], [])


async def test_a_refused_stream_is_not_sent_again_and_charged_nothing() -> None:
    made = scene(failing(REFUSED_STREAM))
    found = await made.failed_charge()
    assert (found.outcome, made.app.asked) == (Outcome.REFUSED, ["ChargeOrganization"])


async def test_a_charge_with_an_expired_token_is_left_to_the_caller() -> None:
    made = scene(failing(EXPIRED))
    found = await made.failed_charge()
    assert (found.outcome, made.app.asked) == (Outcome.REFUSED, ["ChargeOrganization"])
    assert "repeat" in found.text


async def test_a_fresh_token_that_is_refused_for_a_charge_means_the_key() -> None:
    found = await scene(failing(EXPIRED), used=False).failed_charge()
    assert (found.code, found.outcome) == ("key_rejected", Outcome.REFUSED)
