from __future__ import annotations

import asyncio
import time

import pytest
from google.protobuf.message import Message
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError
from viam.gen.app.v1 import billing_pb2

from support.fake_parts import (
    NOON_S,
    FakeClient,
    FakeLink,
    Script,
    answering,
    failing,
    fresh_session,
    usage,
    used_session,
    waiting,
)
from viam_billing.cloud.call_attempts import Counters
from viam_billing.cloud.calls import Calls
from viam_billing.cloud.link import AT_ONCE
from viam_billing.core.errors import BillingError, CloudTimeoutError, CloudUnreachableError, KeyRejectedError, Outcome
from viam_billing.core.times import Deadline

Usage = billing_pb2.GetCurrentMonthUsageResponse
REQUEST = billing_pb2.GetCurrentMonthUsageRequest(org_id="o")
EXPIRED = GRPCError(Status.UNAUTHENTICATED, "token expired")
UNAVAILABLE = GRPCError(Status.UNAVAILABLE)
LOST = StreamTerminatedError("Connection lost")
PASSING = [UNAVAILABLE, GRPCError(Status.RESOURCE_EXHAUSTED), LOST]
FINAL = [
    GRPCError(status)
    for status in (Status.NOT_FOUND, Status.PERMISSION_DENIED, Status.INVALID_ARGUMENT, Status.INTERNAL)
]


def made(link: FakeLink | None) -> tuple[Calls, Counters]:
    """Calls over a link, and what they count."""
    counters = Counters()
    return Calls(link, counters, 20.0, lambda: NOON_S), counters


async def read(calls: Calls, time_s: float = 20.0) -> Usage:
    """A read."""
    return await calls.read("X", REQUEST, Deadline(time_s), Usage)


async def failed_change(*scripts: Script, connects: bool = True) -> tuple[BillingError, FakeClient]:
    """The error of a change, and the client that it was made with."""
    client = FakeClient(*scripts, connects=connects)
    calls, _ = made(FakeLink(used_session(client), fresh_session(FakeClient(answering(usage(1.0))))))
    with pytest.raises(BillingError) as caught:
        await calls.change("X", REQUEST, Deadline(20))
    return caught.value, client


async def test_a_read_answers() -> None:
    """And is counted, with the time of its success."""
    calls, counters = made(FakeLink(fresh_session(FakeClient(answering(usage(3.0))))))
    assert (await read(calls)).subtotal == 3.0
    assert counters == Counters(cloud_calls=1, last_success=NOON_S)


async def test_an_answer_of_another_kind_is_an_error() -> None:
    """A cloud that is not the one that this build knows."""
    calls, _ = made(FakeLink(fresh_session(FakeClient(answering(billing_pb2.GetInvoicesSummaryResponse())))))
    with pytest.raises(BillingError, match="another kind"):
        await read(calls)


async def test_without_a_key_there_is_no_call() -> None:
    """The error names the attributes."""
    with pytest.raises(BillingError, match="api_key_id"):
        await read(made(None)[0])


@pytest.mark.parametrize("error", PASSING, ids=repr)
async def test_a_read_is_repeated_after_what_may_pass(error: Exception) -> None:
    """The caller does not see it; retries are counted."""
    client = FakeClient(failing(error), failing(error), answering(usage(4.0)))
    calls, counters = made(FakeLink(used_session(client)))
    assert (await read(calls)).subtotal == 4.0
    assert (counters.cloud_calls, counters.retries, counters.last_error) == (3, 2, None)


@pytest.mark.parametrize("error", FINAL, ids=repr)
async def test_a_read_is_not_repeated_after_an_answer(error: Exception) -> None:
    """Asking again would get the same."""
    client = FakeClient(failing(error))
    calls, counters = made(FakeLink(used_session(client)))
    with pytest.raises(BillingError):
        await read(calls)
    assert (len(client.asked), counters.retries) == (1, 0)


@pytest.mark.parametrize("error", PASSING, ids=repr)
async def test_repeating_ends_with_the_read_s_time(error: Exception) -> None:
    """And with the code of the last answer."""
    client = FakeClient(failing(error))
    calls, counters = made(FakeLink(used_session(client)))
    started_s = time.monotonic()
    with pytest.raises(BillingError) as caught:
        await read(calls, 0.5)
    assert time.monotonic() - started_s < 10  # nothing else would end it
    assert caught.value.code in {"cloud_unreachable", "cloud_rate_limited"}
    assert counters.last_error == caught.value.message
    assert 1 < len(client.asked) < 10


async def test_a_stream_starts_from_the_beginning_when_it_is_repeated() -> None:
    """What an earlier attempt gave is forgotten."""
    taken: list[str] = []

    async def take(_: Message) -> None:
        taken.append("message")

    async def restart() -> None:
        taken.append("restart")

    calls, _ = made(FakeLink(used_session(FakeClient(failing(LOST), answering(usage(1.0))))))
    await calls.stream("X", REQUEST, Deadline(20), take, restart)
    assert taken == ["restart", "restart", "message"]


async def test_an_expired_token_is_renewed_for_a_read() -> None:
    """As often as others use tokens up, within the read's time."""
    expired = [used_session(FakeClient(failing(EXPIRED)), f"token {number}") for number in range(5)]
    link = FakeLink(*expired, fresh_session(FakeClient(answering(usage(4.0)))))
    calls, counters = made(link)
    assert (await read(calls)).subtotal == 4.0
    assert (link.logins, counters.retries, counters.cloud_calls) == (5, 5, 6)


async def test_a_fresh_token_that_is_rejected_means_the_key() -> None:
    """No second login is tried."""
    link = FakeLink(fresh_session(FakeClient(failing(EXPIRED))), fresh_session(FakeClient(answering(usage(1.0)))))
    with pytest.raises(KeyRejectedError):
        await read(made(link)[0])
    assert link.logins == 0


async def test_a_fresh_token_that_others_used_up_means_nothing() -> None:
    """A slow first call may reach the cloud after faster ones have spent the token."""
    overtaken = asyncio.Event()

    async def rejected_late() -> Message:
        await overtaken.wait()
        raise EXPIRED

    first = fresh_session(FakeClient(rejected_late, answering(usage(1.0))))
    calls, _ = made(FakeLink(first, fresh_session(FakeClient(answering(usage(2.0))), "new")))
    slow = asyncio.create_task(read(calls))
    while first.token.calls == 0:  # noqa: ASYNC110 - a number, not an event
        await asyncio.sleep(0)
    await read(calls)
    overtaken.set()
    assert (await slow).subtotal == 2.0


async def test_at_most_32_calls_are_in_flight() -> None:
    """The others wait for a place, and get their answers."""
    go = asyncio.Event()
    client = FakeClient(waiting(go, usage(1.0)))
    calls, _ = made(FakeLink(used_session(client)))
    callers = [asyncio.create_task(read(calls)) for _ in range(2 * AT_ONCE)]
    while len(client.asked) < AT_ONCE:  # noqa: ASYNC110 - a list, not an event
        await asyncio.sleep(0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(client.asked) == AT_ONCE == 32
    go.set()
    await asyncio.gather(*callers)
    assert len(client.asked) == 64


async def test_waiting_for_a_place_ends_with_the_read_s_time() -> None:
    """It was the module's own queue, so the cloud does not count as away."""
    client = FakeClient(waiting(asyncio.Event(), usage(1.0)))
    link = FakeLink(used_session(client))
    calls, _ = made(link)
    callers = [asyncio.create_task(read(calls)) for _ in range(AT_ONCE)]
    while len(client.asked) < AT_ONCE:  # noqa: ASYNC110 - a list, not an event
        await asyncio.sleep(0)
    with pytest.raises(CloudTimeoutError):
        await read(calls, 0.02)
    assert not link.presence.away
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)


@pytest.mark.parametrize("error", [*PASSING, TimeoutError(), *FINAL], ids=repr)
async def test_a_change_is_never_repeated(error: Exception) -> None:
    """Whatever its error."""
    _, client = await failed_change(failing(error))
    assert len(client.asked) == 1


@pytest.mark.parametrize("error", [LOST, UNAVAILABLE, TimeoutError(), GRPCError(Status.INTERNAL)], ids=repr)
async def test_a_change_whose_answer_is_lost_may_have_been_done(error: Exception) -> None:
    """And the message says so."""
    found, _ = await failed_change(failing(error))
    assert found.outcome is Outcome.UNKNOWN
    assert "It may have been done" in found.text


@pytest.mark.parametrize("error", [ConnectionRefusedError(), TimeoutError(), UNAVAILABLE], ids=repr)
async def test_a_change_that_did_not_leave_was_not_done(error: Exception) -> None:
    """And the message says so."""
    found, _ = await failed_change(failing(error), connects=False)
    assert found.outcome is Outcome.NEVER_SENT
    assert "Nothing was sent" in found.text


async def test_a_change_with_an_expired_token_is_left_to_the_caller() -> None:
    """The module logs in anew and says to repeat the call; nothing is sent again."""
    client, renewed = FakeClient(failing(EXPIRED)), FakeClient(answering(usage(1.0)))
    link = FakeLink(used_session(client), fresh_session(renewed))
    with pytest.raises(BillingError, match="repeat the call") as caught:
        await made(link)[0].change("X", REQUEST, Deadline(20))
    assert caught.value.outcome is Outcome.REFUSED
    assert (link.logins, renewed.asked) == (1, [])


async def test_a_change_without_a_login_was_not_sent() -> None:
    """Whatever the login's error."""
    with pytest.raises(CloudUnreachableError) as caught:
        await made(FakeLink(error=CloudUnreachableError("gone")))[0].change("X", REQUEST, Deadline(20))
    assert caught.value.outcome is Outcome.NEVER_SENT
