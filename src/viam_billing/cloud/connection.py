"""What a link holds: a connection with what is known of it, and a logged-in session on one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

if TYPE_CHECKING:
    from grpclib.client import Channel

    from viam_billing.cloud.cloud_client import CloudClient

_IDLE_S: Final = 30.0
"""A router on the way may have forgotten a connection that was silent for so long, without telling anybody."""

_FRESH_S: Final = 30.0
"""A token is given out at once; one that lay unused for longer may have ended and says nothing about the key."""


class LoginExpiredError(Exception):
    """A token that had been good is no longer."""


class Connection:
    """A channel with what is known of it. Retired, it is closed when the last call on it has ended."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.answers = 0
        self.last_answer_s = time.monotonic()
        self.broke_s = 0.0
        self._calls = 0
        self._retired = False

    def is_idle(self) -> bool:
        """Whether it has been silent for so long that a router on the way may have forgotten it."""
        return time.monotonic() - self.last_answer_s > _IDLE_S

    def begin_call(self) -> None:
        """A call is about to use it."""
        self._calls += 1

    def end_call(self) -> None:
        """A call on it has ended."""
        self._calls -= 1
        self._close_if_unused()

    def answered(self) -> None:
        """The cloud gave an answer on it, so it is alive."""
        self.answers += 1
        self.last_answer_s = time.monotonic()

    def broke(self) -> None:
        """It was lost; the channel will dial anew, and that one has given no answer yet."""
        self.answers = 0
        self.broke_s = time.monotonic()

    def retire(self) -> None:
        """No new calls: it is dead, or looks like it. Those under way may still end."""
        self._retired = True
        self._close_if_unused()

    def close(self) -> None:
        """Close it now; a call that would dial it anew closes it again when it ends."""
        self._retired = True
        self.channel.close()

    def _close_if_unused(self) -> None:
        if self._retired and not self._calls:
            self.channel.close()


class Token(Struct, eq=False):
    """An access token, and what its calls say about it."""

    text: str
    issued_at_s: float = field(default_factory=time.monotonic)
    calls: int = 0
    in_flight: int = 0
    answers: int = 0

    def means_key(self) -> bool:
        """Whether a rejection of the token means the key: it was given out just now and one call only has used it."""
        return self.calls == 1 and time.monotonic() - self.issued_at_s < _FRESH_S


class Session(Struct, eq=False):
    """A logged-in client: a connection and a token."""

    connection: Connection
    client: CloudClient
    token: Token

    def begin_call(self) -> None:
        """A call is about to be made."""
        self.token.calls += 1
        self.token.in_flight += 1
        self.connection.begin_call()

    def end_call(self) -> None:
        """A call has ended."""
        self.token.in_flight -= 1
        self.connection.end_call()

    def answered(self) -> None:
        """The cloud took the token and answered."""
        self.token.answers += 1
        self.connection.answered()
