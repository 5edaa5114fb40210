"""What calls say about whether the cloud is there, and what they do while it is not."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError
from viam.gen.app.v1 import billing_pb2

from support.fake_parts import FakeClient, FakeLink, Script, answering, failing, usage, used_session, waiting
from viam_billing.cloud.call_attempts import Counters
from viam_billing.cloud.calls import Calls
from viam_billing.cloud.circuit_breaker import Presence
from viam_billing.cloud.link import Link
from viam_billing.core.errors import BillingError, CloudUnreachableError
from viam_billing.core.times import Deadline
from viam_billing.settings.app_address import AppAddress

REQUEST = billing_pb2.GetCurrentMonthUsageRequest(org_id="o")
TIMEOUT_S = 0.3
LOST = StreamTerminatedError("Connection lost")


class Scene:
    """Calls of a service whose reads have 0.3 s."""

    def __init__(self, *scripts: Script) -> None:
        self.client = FakeClient(*scripts)
        self.link = FakeLink(used_session(self.client))
        self.link.presence = Presence("cloud", jitter=max)
        self.calls = Calls(self.link, Counters(), TIMEOUT_S)

    async def read(self, time_s: float = TIMEOUT_S) -> billing_pb2.GetCurrentMonthUsageResponse:
        """A read."""
        return await self.calls.read("X", REQUEST, Deadline(time_s), billing_pb2.GetCurrentMonthUsageResponse)

    async def until_probe_is_due(self) -> None:
        """Wait for the end of the pause."""
        while not self.link.presence.probe_due:  # noqa: ASYNC110 - the clock's doing, nobody tells
            await asyncio.sleep(0.05)

    async def failed_read(self, time_s: float = TIMEOUT_S) -> str:
        """The code of a read's error."""
        with pytest.raises(BillingError) as caught:
            await self.read(time_s)
        return caught.value.code


def never() -> Script:
    """A script that never answers."""
    return waiting(asyncio.Event(), usage(1.0))


async def test_a_whole_time_of_silence_makes_it_away() -> None:
    """The next caller is told at once, and the cloud is not asked."""
    scene = Scene(never())
    assert await scene.failed_read() == "cloud_timeout"
    assert scene.link.presence.away
    assert await scene.failed_read() == "cloud_unreachable"
    assert len(scene.client.asked) == 1


async def test_a_lost_connection_and_then_silence_make_it_away() -> None:
    """It is the whole time of the read that counts, not that of its last attempt."""
    scene = Scene(failing(LOST), never())
    assert await scene.failed_read(1.0) == "cloud_timeout"
    assert scene.link.presence.away


@pytest.fixture
async def silent(tmp_path: Path) -> AsyncIterator[Calls]:
    """Calls to a cloud that accepts connections and never says a word."""
    path = str(tmp_path / "cloud.sock")
    connections: list[asyncio.StreamWriter] = []
    server = await asyncio.start_unix_server(lambda _, writer: connections.append(writer), path)
    link = Link(AppAddress(path, path=path), "id", "key")
    yield Calls(link, Counters(), TIMEOUT_S)
    link.close()
    server.close()
    for writer in connections:
        writer.close()


async def test_a_login_that_takes_the_whole_time_makes_it_away(silent: Calls) -> None:
    """A cloud that accepts connections and stays silent is met there first; the next caller does not wait again."""
    codes = []
    for _ in range(2):
        with pytest.raises(BillingError) as caught:
            await silent.read("X", REQUEST, Deadline(TIMEOUT_S), billing_pb2.GetCurrentMonthUsageResponse)
        codes.append(caught.value.code)
    assert codes == ["cloud_timeout", "cloud_unreachable"]


async def test_a_caller_s_own_short_time_says_nothing() -> None:
    """No network answers in a hundredth of a second."""
    scene = Scene(never())
    assert await scene.failed_read(0.01) == "cloud_timeout"
    assert not scene.link.presence.away


async def test_a_silence_while_others_get_answers_says_nothing() -> None:
    """One call of the cloud may be broken."""
    scene = Scene(never(), answering(usage(1.0)))
    silent = asyncio.create_task(scene.failed_read())
    while not scene.client.asked:  # noqa: ASYNC110 - a list, not an event
        await asyncio.sleep(0)
    await scene.read()
    assert await silent == "cloud_timeout"
    assert not scene.link.presence.away


@pytest.mark.parametrize("status", [Status.INTERNAL, Status.RESOURCE_EXHAUSTED, Status.NOT_FOUND], ids=str)
async def test_an_error_of_the_cloud_is_an_answer(status: Status) -> None:
    """It is there."""
    scene = Scene(failing(GRPCError(status)))
    await scene.failed_read()
    assert not scene.link.presence.away


async def test_a_whole_time_of_unavailable_makes_it_away() -> None:
    """Something in between answers for a cloud that is not there."""
    scene = Scene(failing(GRPCError(Status.UNAVAILABLE)))
    assert await scene.failed_read() == "cloud_unreachable"
    assert scene.link.presence.away


async def test_a_change_makes_nobody_wait_while_it_is_away() -> None:
    """It is refused at once, and nothing is sent."""
    scene = Scene(answering(usage(1.0)))
    scene.link.presence.failed(CloudUnreachableError("no route."))
    with pytest.raises(CloudUnreachableError):
        await scene.calls.change("X", REQUEST, Deadline(10))
    assert scene.client.asked == []


async def test_the_first_answer_brings_it_back() -> None:
    """The probe is a read like others."""
    scene = Scene(answering(usage(1.0)))
    scene.link.presence.failed(CloudUnreachableError("no route."))
    await scene.until_probe_is_due()
    await scene.read()
    assert not scene.link.presence.away
    await scene.read()


async def test_a_probe_that_loses_connections_counts_once() -> None:
    """It tries again within its own time; the next probe comes after twice the pause, not after a minute."""
    scene = Scene(failing(LOST))
    scene.link.presence.failed(CloudUnreachableError("no route."))
    await scene.until_probe_is_due()
    assert await scene.failed_read(2.0) == "cloud_unreachable"
    assert len(scene.client.asked) >= 4
    assert re.search(r"tries it again in [0-2] s", scene.link.presence.unreachable().text)
