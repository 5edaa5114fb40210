from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.server import Server, Stream
from viam.gen.proto.rpc.v1.auth_grpc import AuthServiceBase
from viam.gen.proto.rpc.v1.auth_pb2 import (
    AuthenticateRequest,
    AuthenticateResponse,
    AuthenticateToRequest,
    AuthenticateToResponse,
)

from viam_billing.cloud.link import Link
from viam_billing.core.errors import BillingError, CloudTimeoutError, CloudUnreachableError, KeyRejectedError, Outcome
from viam_billing.core.times import Deadline
from viam_billing.settings.app_address import AppAddress


class FakeLogin(AuthServiceBase):
    """A login that takes one key, when it is let; its tokens are numbered."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.status = Status.OK
        self.empty = False
        self.asked: list[AuthenticateRequest] = []

    async def Authenticate(self, stream: Stream[AuthenticateRequest, AuthenticateResponse]) -> None:  # noqa: N802 - the RPC's name
        """Answer one login."""
        request = await stream.recv_message()
        assert request is not None
        self.asked.append(request)
        await self.open.wait()
        if self.status is not Status.OK:
            raise GRPCError(self.status)
        token = "" if self.empty else f"token {len(self.asked)}"
        await stream.send_message(AuthenticateResponse(access_token=token))

    async def AuthenticateTo(self, _: Stream[AuthenticateToRequest, AuthenticateToResponse]) -> None:  # noqa: N802 - the RPC's name
        """Not a call of this module."""
        raise GRPCError(Status.UNIMPLEMENTED)


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[FakeLogin]:
    """A cloud on a unix socket in the test's folder."""
    login = FakeLogin()
    server = Server([login])
    await server.start(path=str(tmp_path / "cloud.sock"))
    yield login
    login.open.set()
    server.close()
    await server.wait_closed()


@pytest.fixture
async def link(tmp_path: Path) -> AsyncIterator[Link]:
    """A link to that socket, whether or not a cloud is there."""
    path = str(tmp_path / "cloud.sock")
    made = Link(AppAddress(path, path=path), "id", "key")
    yield made
    made.close()


async def asked_once(cloud: FakeLogin) -> None:
    """Wait until a login is under way."""
    while not cloud.asked:  # noqa: ASYNC110 - what the server has seen is a list
        await asyncio.sleep(0)


async def test_a_link_connects_on_first_need(cloud: FakeLogin, link: Link) -> None:
    """And never before: the cloud may be away when a robot starts."""
    assert (link.connected, link.logins, cloud.asked) == (False, 0, [])
    await link.session(Deadline(10))
    assert (link.connected, link.logins) == (True, 1)


async def test_a_login_sends_the_key_and_its_id(cloud: FakeLogin, link: Link) -> None:
    """As an API key's."""
    await link.session(Deadline(10))
    (asked,) = cloud.asked
    assert (asked.entity, asked.credentials.type, asked.credentials.payload) == ("id", "api-key", "key")


async def test_callers_share_one_login(cloud: FakeLogin, link: Link) -> None:
    """All that come while it is under way, and all that come later."""
    sessions = await asyncio.gather(*(link.session(Deadline(10)) for _ in range(10)))
    sessions.append(await link.session(Deadline(10)))
    assert len({id(session) for session in sessions}) == len(cloud.asked) == 1


async def test_an_expired_token_is_renewed_once(cloud: FakeLogin, link: Link) -> None:
    """Whoever says so first starts the one new login; who says so later gets its session."""
    old = await link.session(Deadline(10))
    renewed = await asyncio.gather(*(link.session(Deadline(10), expired=old) for _ in range(10)))
    late = await link.session(Deadline(10), expired=old)
    assert {session.token for session in renewed} == {late.token} != {old.token}
    assert len(cloud.asked) == link.logins == 2


async def test_a_new_login_needs_no_new_connection(cloud: FakeLogin, link: Link) -> None:
    """A token ends while its connection is alive."""
    old = await link.session(Deadline(10))
    new = await link.session(Deadline(10), expired=old)
    assert new.connection is old.connection
    assert len(cloud.asked) == 2


@pytest.mark.parametrize("status", [Status.UNAUTHENTICATED, Status.PERMISSION_DENIED, Status.NOT_FOUND])
async def test_a_refused_login_rejects_the_key(cloud: FakeLogin, link: Link, status: Status) -> None:
    """Nothing but the login was sent, and the cloud is not away."""
    cloud.status = status
    with pytest.raises(KeyRejectedError) as caught:
        await link.session(Deadline(10))
    assert caught.value.outcome is Outcome.NEVER_SENT
    assert not link.presence.away


async def test_a_login_without_a_token_is_no_login(cloud: FakeLogin, link: Link) -> None:
    """An empty token would be refused at every call."""
    cloud.empty = True
    with pytest.raises(BillingError, match="empty"):
        await link.session(Deadline(10))
    assert not link.connected


async def test_a_login_is_tried_again_after_an_error(cloud: FakeLogin, link: Link) -> None:
    """By the next caller."""
    cloud.status = Status.UNAVAILABLE
    with pytest.raises(CloudUnreachableError):
        await link.session(Deadline(10))
    cloud.status = Status.OK
    await link.session(Deadline(10))
    assert link.logins == 2


async def test_a_connection_that_fails_makes_the_cloud_away(link: Link) -> None:
    """The socket is not there."""
    with pytest.raises(CloudUnreachableError):
        await link.session(Deadline(10))
    assert link.presence.away


async def test_a_caller_waits_no_longer_than_its_deadline(cloud: FakeLogin, link: Link) -> None:
    """And the login goes on for others."""
    cloud.open.clear()
    patient = asyncio.create_task(link.session(Deadline(30)))
    await asked_once(cloud)
    with pytest.raises(CloudTimeoutError):
        await link.session(Deadline(0.01))
    cloud.open.set()
    await patient
    assert link.logins == 1


async def test_a_caller_that_leaves_does_not_stop_the_login(cloud: FakeLogin, link: Link) -> None:
    """Others wait for it."""
    cloud.open.clear()
    leaving, patient = (asyncio.create_task(link.session(Deadline(30))) for _ in range(2))
    await asked_once(cloud)
    leaving.cancel()
    cloud.open.set()
    await patient
    assert (leaving.cancelled(), link.logins) == (True, 1)


async def test_a_silent_connection_is_replaced(cloud: FakeLogin, link: Link) -> None:
    """The token goes on: no new login is needed."""
    old = await link.session(Deadline(10))
    link.replace(old, old.connection.last_answer_s + 1)
    new = await link.session(Deadline(10))
    assert new.connection is not old.connection
    assert (new.token, len(cloud.asked)) == (old.token, 1)


async def test_a_connection_that_answered_meanwhile_is_kept(cloud: FakeLogin, link: Link) -> None:
    """One slow call is no reason to cut off all others."""
    old = await link.session(Deadline(10))
    link.replace(old, old.connection.last_answer_s)
    assert await link.session(Deadline(10)) is old
    assert len(cloud.asked) == 1


async def test_a_connection_is_replaced_once(cloud: FakeLogin, link: Link) -> None:
    """Although many calls on it find it silent."""
    old = await link.session(Deadline(10))
    for _ in range(3):
        link.replace(old, old.connection.last_answer_s + 1)
    first = await link.session(Deadline(10))
    link.replace(old, old.connection.last_answer_s + 1)
    assert await link.session(Deadline(10)) is first
    assert len(cloud.asked) == 1


async def test_a_closed_link_is_not_connected(cloud: FakeLogin, link: Link) -> None:
    """Closing twice is closing once."""
    await link.session(Deadline(10))
    link.close()
    link.close()
    assert not link.connected
    assert len(cloud.asked) == 1


async def test_a_caller_whose_link_is_closed_gets_an_error_of_the_contract(cloud: FakeLogin, link: Link) -> None:
    """It did not leave, so it is not cancelled: its login was lost."""
    cloud.open.clear()
    caller = asyncio.create_task(link.session(Deadline(30)))
    await asked_once(cloud)
    link.close()
    (found,) = await asyncio.gather(caller, return_exceptions=True)
    assert isinstance(found, CloudUnreachableError)


async def test_a_closed_link_makes_no_new_connection(cloud: FakeLogin, link: Link) -> None:
    """Nobody would close it: a call in flight whose token has expired finds its service gone."""
    old = await link.session(Deadline(10))
    link.close()
    with pytest.raises(CloudUnreachableError):
        await link.session(Deadline(10), expired=old)
    assert len(cloud.asked) == 1
