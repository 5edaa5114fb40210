"""Reads on a connection that was silent for long: a router on the way may have forgotten it without telling anybody."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from typing_extensions import override
from viam.gen.app.v1 import billing_pb2

from support.fake_parts import FakeClient, FakeLink, Script, answering, failing, usage, used_session
from viam_billing.cloud.call_attempts import Counters
from viam_billing.cloud.calls import Calls
from viam_billing.core.errors import CloudTimeoutError
from viam_billing.core.times import Deadline

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from viam_billing.cloud.connection import Session

Usage = billing_pb2.GetCurrentMonthUsageResponse
REQUEST = billing_pb2.GetCurrentMonthUsageRequest(org_id="o")
SILENCE = asyncio.TimeoutError()


class TimedClient(FakeClient):
    """Keeps how long each read was given."""

    def __init__(self, *scripts: Script) -> None:
        super().__init__(*scripts)
        self.times_s: list[float] = []

    @override
    async def read(self, rpc: str, request: Message, timeout_s: float) -> Message:
        self.times_s.append(timeout_s)
        return await super().read(rpc, request, timeout_s)


class RedialingLink(FakeLink):
    """Puts its next session in the place of one whose connection is silent, as long as it has another."""

    @override
    def replace(self, session: Session, started_s: float) -> bool:
        if len(self.sessions) == 1:
            return False
        self.sessions.pop(0)
        return True


def idle_session(client: FakeClient) -> Session:
    """A session whose connection has been silent for a minute."""
    session = used_session(client)
    session.connection.last_answer_s -= 60
    return session


async def read(link: FakeLink, time_s: float) -> Usage:
    """A read of a service whose reads have 20 s."""
    return await Calls(link, Counters(), 20.0).read("X", REQUEST, Deadline(time_s), Usage)


@pytest.mark.parametrize(("time_s", "trial_s"), [(20.0, 5.0), (8.0, 2.0), (2.0, 1.0), (0.5, 0.5)])
async def test_the_first_attempt_on_an_idle_connection_is_short(time_s: float, trial_s: float) -> None:
    """A quarter of the read's time, a second at least, and never more than there is."""
    client = TimedClient(answering(usage(1.0)))
    await read(FakeLink(idle_session(client)), time_s)
    assert client.times_s == [pytest.approx(trial_s, abs=0.25)]


async def test_an_attempt_on_a_busy_connection_has_the_whole_time() -> None:
    """It is known to be alive."""
    client = TimedClient(answering(usage(1.0)))
    await read(FakeLink(used_session(client)), 20.0)
    assert client.times_s == [pytest.approx(20.0, abs=1.0)]


async def test_a_read_that_was_cut_short_goes_on_with_a_new_connection() -> None:
    """With all of the time that is left."""
    silent, alive = TimedClient(failing(SILENCE)), TimedClient(answering(usage(3.0)))
    assert (await read(RedialingLink(idle_session(silent), used_session(alive)), 20.0)).subtotal == 3.0
    assert len(silent.asked) == 1
    assert alive.times_s == [pytest.approx(20.0, abs=2.0)]


async def test_a_silence_on_a_connection_that_is_kept_ends_the_read() -> None:
    """It has answered others meanwhile: one call of the cloud may be slow."""
    client = TimedClient(failing(SILENCE))
    with pytest.raises(CloudTimeoutError):
        await read(RedialingLink(idle_session(client)), 20.0)
    assert len(client.asked) == 1
