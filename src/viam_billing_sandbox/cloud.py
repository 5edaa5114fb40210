"""The state of the cloud, its tokens, and who may see what; billing_calls.py and app_calls.py work on it."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from grpclib.const import Status

from viam_billing_sandbox.faults import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from viam_billing_sandbox.scenario import Key, Location, Organization, Scenario


_MARK: Final = "sandbox-token-"
"""Every token begins with it, so that tests can find one where none may be: in a log, an answer, a file."""


class Refused(Exception):  # noqa: N818 - an answer of the cloud, not an error of the sandbox
    """The cloud answers with a status other than OK."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Call:
    """What a call brings besides its request; `key` is None only while logging in."""

    key: Key | None
    now: datetime
    plan: Plan = field(default_factory=Plan)


@dataclass
class _Session:
    key: Key
    made_at_s: float
    calls: int = 0


class Sessions:
    """Gives out tokens and knows whose they are.

    The two lifetimes are checked at every call, so a new lifetime also applies to tokens given out before.
    """

    def __init__(self, keys: Iterable[Key], clock_s: Callable[[], float]) -> None:
        self._keys = {key.id: key for key in keys}
        self._clock_s = clock_s
        self._sessions: dict[str, _Session] = {}
        self.lifetime_s: float | None = None
        self.lifetime_calls: int | None = None

    def log_in(self, key_id: str, secret: str, *, token: str = "", size_bytes: int = 0) -> str | None:
        """Returns a new token, or None where the key is wrong.

        A fault may want a certain `token`, or one of at least `size_bytes`.
        """
        key = self._keys.get(key_id)
        if key is None or not secrets.compare_digest(key.secret.encode(), secret.encode()):
            return None
        token = token or (_MARK + secrets.token_urlsafe(24)).ljust(size_bytes, "x")
        self._sessions[token] = _Session(key, self._clock_s())
        return token

    def key_of(self, token: str) -> Key | None:
        """Counts one call with the token. Returns its key, or None where the token is unknown or has expired."""
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
        """Expires every token given out so far."""
        self._sessions.clear()


@dataclass
class Records:
    """What callers have done to the cloud, for tests."""

    logins: int = 0
    emails: list[dict[str, object]] = field(default_factory=list)
    charges: list[dict[str, object]] = field(default_factory=list)
    changes: list[dict[str, object]] = field(default_factory=list)


class Cloud:
    """One cloud's state; every method runs on the event loop, so none needs a lock."""

    def __init__(self, scenario: Scenario, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.scenario = scenario
        self.sessions = Sessions(scenario.keys, clock_s)
        self.records = Records()

    def organization(self, org_id: str) -> Organization:
        """Returns an organization.

        Raises:
            Refused: There is none with this id.
        """
        found = self.scenario.organizations.get(org_id)
        if found is None:
            raise Refused(Status.NOT_FOUND, f"organization {org_id!r} not found")
        return found

    def location(self, location_id: str) -> Location:
        """Returns a location.

        Raises:
            Refused: There is none with this id.
        """
        found = self.scenario.locations.get(location_id)
        if found is None:
            raise Refused(Status.NOT_FOUND, f"location {location_id!r} not found")
        return found

    def owned(self, call: Call, org_id: str) -> Organization:
        """Returns an organization that the caller's key belongs to.

        Raises:
            Refused: There is no such organization, or it is not the caller's.
        """
        found = self.organization(org_id)
        if call.key is None or not call.key.owns(org_id):
            raise denied()
        return found


def require_owner(call: Call) -> None:
    """Checks that the key is an owner's, as all of billing needs one.

    Raises:
        Refused: The key is a machine's.
    """
    if call.key is None or not call.key.is_owner:
        raise denied()


def denied() -> Refused:
    """The refusal of a key without permission; like the real cloud, it does not say which permission."""
    return Refused(Status.PERMISSION_DENIED, "permission denied")
