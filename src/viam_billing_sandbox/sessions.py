"""API keys and the tokens that they are exchanged for."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from viam_billing_sandbox.scenario import Key

_MARK: Final = "sandbox-token-"
"""By which a token is found where none may be: in a log, an answer, a file."""


@dataclass
class _Session:
    key: Key
    made_at_s: float
    calls: int = 0


class Sessions:
    """Gives out tokens and says whose they are.

    The two lifetimes are judged at every call, so a new one also holds for tokens given out before.
    """

    def __init__(self, keys: Iterable[Key], clock_s: Callable[[], float]) -> None:
        self._keys = {key.id: key for key in keys}
        self._clock_s = clock_s
        self._sessions: dict[str, _Session] = {}
        self.lifetime_s: float | None = None
        self.lifetime_calls: int | None = None

    def log_in(self, key_id: str, secret: str) -> str | None:
        """Answers a new token, or None where the key is wrong."""
        key = self._keys.get(key_id)
        if key is None or not secrets.compare_digest(key.secret.encode(), secret.encode()):
            return None
        token = _MARK + secrets.token_urlsafe(24)
        self._sessions[token] = _Session(key, self._clock_s())
        return token

    def key_of(self, token: str) -> Key | None:
        """Counts one call with the token; answers its key, or None where the token is unknown or has ended."""
        session = self._sessions.get(token)
        if session is None:
            return None
        too_old = self.lifetime_s is not None and self._clock_s() - session.made_at_s >= self.lifetime_s
        used_up = self.lifetime_calls is not None and session.calls >= self.lifetime_calls
        if too_old or used_up:
            return None
        session.calls += 1
        return session.key

    def expire_all(self) -> None:
        """Ends every token given out so far."""
        self._sessions.clear()
