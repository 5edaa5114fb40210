from __future__ import annotations

from support.fake_parts import FakeChannel, FakeClient, answering, fresh_session, usage
from viam_billing.link import Connection


async def test_a_retired_connection_is_closed_after_its_last_call() -> None:
    """Calls under way may still get their answer."""
    channel = FakeChannel()
    connection = Connection(channel)
    connection.begin_call()
    connection.retire()
    before = channel.closed
    connection.end_call()
    assert (before, channel.closed) == (0, 1)


async def test_the_first_call_of_a_fresh_token_is_told() -> None:
    """Its rejection means the key; that of a later one means that the token has ended."""
    session = fresh_session(FakeClient(answering(usage(1.0))))
    assert [session.begin_call() for _ in range(3)] == [True, False, False]


async def test_a_token_that_lay_unused_is_not_fresh() -> None:
    """It may have ended meanwhile."""
    session = fresh_session(FakeClient(answering(usage(1.0))))
    session.issued_at_s -= 31
    assert not session.begin_call()
