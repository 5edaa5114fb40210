from __future__ import annotations

from support.fake_parts import FakeChannel
from viam_billing.cloud.connection import Connection, Token


async def test_a_retired_connection_is_closed_after_its_last_call() -> None:
    """Calls under way may still get their answer."""
    channel = FakeChannel()
    connection = Connection(channel)
    connection.begin_call()
    connection.retire()
    before = channel.closed
    connection.end_call()
    assert (before, channel.closed) == (0, 1)


async def test_a_closed_connection_that_a_call_dials_anew_is_closed_again() -> None:
    """Nobody else would."""
    channel = FakeChannel()
    connection = Connection(channel)
    connection.begin_call()
    connection.close()
    connection.end_call()
    assert channel.closed == 2


async def test_a_connection_is_idle_after_half_a_minute_of_silence() -> None:
    """A router on the way may have forgotten it by then."""
    connection = Connection(FakeChannel())
    connection.last_answer_s -= 29
    before = connection.is_idle()
    connection.last_answer_s -= 2
    assert (before, connection.is_idle()) == (False, True)


async def test_an_answer_ends_being_idle() -> None:
    """The connection is alive."""
    connection = Connection(FakeChannel())
    connection.last_answer_s -= 31
    connection.answered()
    assert not connection.is_idle()


def test_the_rejection_of_a_fresh_token_s_only_call_means_the_key() -> None:
    """That of a later call means that the token has ended."""
    token = Token("text")
    token.calls = 1
    first = token.means_key()
    token.calls = 2
    assert (first, token.means_key()) == (True, False)


def test_a_token_that_lay_unused_is_not_fresh() -> None:
    """It may have ended meanwhile."""
    token = Token("text")
    token.calls = 1
    token.issued_at_s -= 31
    assert not token.means_key()
