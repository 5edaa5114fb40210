"""The cloud's state and who may see it; the calls themselves are in billing_calls.py and app_calls.py."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc

from viam_billing_sandbox.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from viam_billing_sandbox.scenario import Key, Location, Organization, Scenario


class Refused(Exception):  # noqa: N818 - an answer of the cloud, not an error of the sandbox
    """The cloud's answer is not OK."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Call:
    """What a call knows besides its request; `key` is None only while logging in."""

    key: Key | None
    now: datetime
    pdf_size_bytes: int = 0


@dataclass
class Records:
    """What has been done to the cloud, for a test to look at."""

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
        """Answers an organization.

        Raises:
            Refused: There is none with this id.
        """
        found = self.scenario.organizations.get(org_id)
        if found is None:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"organization {org_id!r} not found")
        return found

    def location(self, location_id: str) -> Location:
        """Answers a location.

        Raises:
            Refused: There is none with this id.
        """
        found = self.scenario.locations.get(location_id)
        if found is None:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"location {location_id!r} not found")
        return found

    def owned(self, call: Call, org_id: str) -> Organization:
        """Answers an organization that the caller's key belongs to.

        Raises:
            Refused: There is no such organization, or it is not the caller's.
        """
        found = self.organization(org_id)
        if call.key is None or not call.key.owns(org_id):
            raise denied()
        return found


def require_owner(call: Call) -> None:
    """Lets only an owner's key pass, as all of billing needs one.

    Raises:
        Refused: The key is a machine's.
    """
    if call.key is None or not call.key.is_owner:
        raise denied()


def denied() -> Refused:
    """Makes the answer to a key without permission; it does not say which permission, as the real one does not."""
    return Refused(grpc.StatusCode.PERMISSION_DENIED, "permission denied")
