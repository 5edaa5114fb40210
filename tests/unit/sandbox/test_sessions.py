from __future__ import annotations

import pytest

from viam_billing_sandbox.cloud import Sessions
from viam_billing_sandbox.scenario import Key

KEY = Key("id", "secret", is_owner=True, organizations=("*",))


class Clock:
    """A clock that stands still until it is moved."""

    now_s = 0.0

    def __call__(self) -> float:  # noqa: D102 - see the class
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """At zero."""
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    """One key, no limits."""
    return Sessions((KEY,), clock)


def logged_in(sessions: Sessions) -> str:
    """Answers a token of the right key."""
    token = sessions.log_in("id", "secret")
    assert token is not None
    return token


@pytest.mark.parametrize(("key_id", "secret"), [("id", "wrong"), ("other", "secret"), ("", "")])
def test_a_wrong_key_gets_no_token(sessions: Sessions, key_id: str, secret: str) -> None:
    """Id and secret must both be right."""
    assert sessions.log_in(key_id, secret) is None


def test_tokens_differ(sessions: Sessions) -> None:
    """Each login has its own token, and each is good."""
    tokens = {logged_in(sessions) for _ in range(3)}
    assert len(tokens) == 3
    assert {sessions.key_of(token) for token in tokens} == {KEY}


def test_a_token_ends_with_its_time(sessions: Sessions, clock: Clock) -> None:
    """It is good until just before its lifetime has passed."""
    sessions.lifetime_s = 10
    token = logged_in(sessions)
    clock.now_s = 9.9
    assert sessions.key_of(token) == KEY
    clock.now_s = 10.0
    assert sessions.key_of(token) is None


def test_a_token_ends_with_its_calls(sessions: Sessions) -> None:
    """It is good for exactly as many calls."""
    sessions.lifetime_calls = 2
    token = logged_in(sessions)
    assert [sessions.key_of(token) for _ in range(3)] == [KEY, KEY, None]


def test_all_tokens_can_end_at_once(sessions: Sessions) -> None:
    """A token given out before is unknown, one given out later is good."""
    old = logged_in(sessions)
    sessions.expire_all()
    assert sessions.key_of(old) is None
    assert sessions.key_of(logged_in(sessions)) == KEY
