"""What a caller gets when the cloud says no, says nothing, or is not there."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.module_process import ModuleProcess, Refusal, Service, refused
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.faults import When
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID, DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

RPC = "GetCurrentMonthUsage"
COMMAND = "get_current_month_usage"
CODE_OF_STATUS = {
    "CANCELLED": "cloud_error",
    "UNKNOWN": "cloud_error",
    "INVALID_ARGUMENT": "cloud_rejected",
    "NOT_FOUND": "not_found",
    "ALREADY_EXISTS": "cloud_rejected",
    "PERMISSION_DENIED": "key_lacks_permission",
    "RESOURCE_EXHAUSTED": "cloud_rate_limited",
    "FAILED_PRECONDITION": "cloud_rejected",
    "ABORTED": "cloud_error",
    "OUT_OF_RANGE": "cloud_rejected",
    "UNIMPLEMENTED": "cloud_unimplemented",
    "INTERNAL": "cloud_error",
    "UNAVAILABLE": "cloud_unreachable",
    "DATA_LOSS": "cloud_error",
    "UNAUTHENTICATED": "key_rejected",
}


@pytest_asyncio.fixture(loop_scope="module")
async def service(make: Callable[..., Awaitable[Service]]) -> Service:
    """A service with little patience that takes no remembered answer for an error."""
    return await make(timeout_s=1, cache_ttl_s=0, max_stale_s=0)


async def ask(service: Service) -> dict[str, Any]:
    """A read that asks the cloud now."""
    return await service.ask(COMMAND, max_age_s=0)


@pytest.mark.parametrize("status", CODE_OF_STATUS)
async def test_a_status_has_its_code(service: Service, control: SandboxControl, status: str) -> None:
    """On a token that works, every status of gRPC becomes a code, with the cloud's words."""
    await service.ask("get_available_billing_tiers", max_age_s=0)
    control.set_fault(Fault(rpc=RPC, status=status, message="words of the cloud"))
    refusal = await refused(ask(service))
    assert refusal.code == CODE_OF_STATUS[status]
    assert "words of the cloud" in refusal.text


async def test_words_of_the_cloud_give_no_secret_away(service: Service, control: SandboxControl) -> None:
    """Long, with line ends, with the key in them: one short line, without it."""
    words = f"no {DEFAULT_API_KEY}\nBearer eyJhbGciOi.x.y\r\n" + "x" * 5000
    control.set_fault(Fault(rpc=RPC, status="INTERNAL", message=words))
    assert (await refused(ask(service))).code == "cloud_error"
    assert DEFAULT_API_KEY not in str(await service.status())


async def test_no_answer_is_a_timeout(service: Service, control: SandboxControl) -> None:
    """After timeout_s, and long before the 20 s that it has by default."""
    control.set_fault(Fault(rpc=RPC, never_answer=True))
    started = time.monotonic()
    assert (await refused(ask(service))).code == "cloud_timeout"
    assert 0.8 < time.monotonic() - started < 5


async def test_the_callers_deadline_counts_where_it_is_shorter(
    make: Callable[..., Awaitable[Service]], control: SandboxControl
) -> None:
    """The caller gets the module's words, and not the bare end of its own time."""
    service = await make(timeout_s=20)
    control.set_fault(Fault(rpc=RPC, never_answer=True))
    refusal = await refused(service.do({COMMAND: {"max_age_s": 0}}, timeout_s=2.5))
    assert refusal.code == "cloud_timeout"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lost_connection_is_unreachable(service: Service, control: SandboxControl, when: When) -> None:
    """A connection that breaks under a call, each time."""
    control.set_fault(Fault(rpc=RPC, drop_connection=True, when=when))
    assert (await refused(ask(service))).code == "cloud_unreachable"


async def test_the_next_read_after_a_lost_connection_works(service: Service, control: SandboxControl) -> None:
    """Connections that were cut while nobody asked are not the next caller's concern."""
    await ask(service)
    control.cut()
    control.wait_for(lambda stats: stats.open_connections == 0)
    assert (await ask(service))["stale"] is False


async def test_an_outage_ends(service: Service, control: SandboxControl) -> None:
    """When the cloud is back, so are the answers."""
    control.go_dark()
    # Many, as a connection may break at every step of its making.
    outcomes = await asyncio.gather(*(refused(ask(service)) for _ in range(1000)), return_exceptions=True)
    codes = {each.code if isinstance(each, Refusal) else repr(each) for each in outcomes}
    assert codes - {"cloud_timeout"} == {"cloud_unreachable"}  # the former for who waited its whole time for the others
    control.clear_faults()
    await service.back()
    assert (await ask(service))["stale"] is False


async def test_a_cloud_that_dies_and_comes_back(attributes: dict[str, Any], module: ModuleProcess) -> None:
    """A new process at the old address knows no token of the one before: the module logs in anew."""
    with SandboxProcess("--quiet") as sandbox:
        await module.add({**attributes, "app_address": sandbox.address, "timeout_s": 2}, "revived")
        service = Service(module, "revived")
        await ask(service)
        sandbox.kill()
        assert (await ask(service))["stale_reason"] == "cloud_unreachable"
        sandbox.start()
        await service.back()
        assert (await ask(service))["stale"] is False
        await module.remove("revived")


async def test_callers_at_once_log_in_once(service: Service, control: SandboxControl) -> None:
    """The first login serves all that came for it."""
    control.set_fault(Fault(rpc="Authenticate", latency_before_s=0.1))
    await asyncio.gather(*(ask(service) for _ in range(20)))
    assert control.stats().logins == 1
    assert control.stats().open_connections == 1


async def test_expired_tokens_cost_one_new_login(service: Service, control: SandboxControl) -> None:
    """Twenty callers meet the end of a token, and one login serves them all."""
    await ask(service)
    control.expire_tokens()
    control.reset_stats()
    control.set_fault(Fault(rpc="Authenticate", latency_before_s=0.1))
    answers = await asyncio.gather(*(ask(service) for _ in range(20)))
    assert all(answer["org_id"] == DEFAULT_ORG_ID for answer in answers)
    assert control.stats().logins == 1


async def test_short_lived_tokens_are_renewed(service: Service, control: SandboxControl) -> None:
    """A token that ends with every second call is noticed by nobody."""
    control.token_lifetime(calls=1)
    for _ in range(5):
        assert (await ask(service))["stale"] is False


async def test_a_token_that_never_works_is_a_rejected_key(service: Service, control: SandboxControl) -> None:
    """The module gives up after a new login, and does not log in for ever."""
    control.token_lifetime(calls=0)
    assert (await refused(ask(service))).code == "key_rejected"
    assert control.stats().logins <= 3


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("UNAUTHENTICATED", "key_rejected"),
        ("PERMISSION_DENIED", "key_rejected"),
        ("UNAVAILABLE", "cloud_unreachable"),
        ("RESOURCE_EXHAUSTED", "cloud_rate_limited"),
        ("INTERNAL", "cloud_error"),
    ],
)
async def test_a_login_that_fails_has_its_code(
    service: Service, control: SandboxControl, status: str, code: str
) -> None:
    """A refused one is the key's fault, another one the cloud's."""
    control.set_fault(Fault(rpc="Authenticate", status=status))
    assert (await refused(ask(service))).code == code
    control.clear_faults()
    await service.back()
    assert (await ask(service))["stale"] is False


async def test_a_login_without_an_answer_is_a_timeout(service: Service, control: SandboxControl) -> None:
    """Within the reader's time: the login's own is 20 s."""
    control.set_fault(Fault(rpc="Authenticate", never_answer=True))
    started = time.monotonic()
    assert (await refused(ask(service))).code == "cloud_timeout"
    assert time.monotonic() - started < 5


async def test_silent_tls_stops_nobody_else(attributes: dict[str, Any], module: ModuleProcess) -> None:
    """A server that accepts and never speaks costs one caller its time, and the others nothing."""
    with SandboxProcess("--tls", "--quiet") as sandbox:
        sandbox.control.connections("silent")
        await module.add({**attributes, "app_address": sandbox.address, "timeout_s": 4}, "silent")
        service = Service(module, "silent")
        started = time.monotonic()
        waiting = asyncio.create_task(refused(ask(service)))
        await asyncio.to_thread(sandbox.control.wait_for, lambda stats: stats.open_connections == 1)
        asked = time.monotonic()
        assert (await service.status())["connected"] is False
        assert (await service.ask("help"))["version"]
        assert time.monotonic() - asked < 2
        assert not waiting.done()
        assert (await waiting).code == "cloud_timeout"
        assert time.monotonic() - started < 10
        await module.remove("silent")


def nothing_listening() -> str:
    """An address that refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


async def test_nothing_listening_is_unreachable(make: Callable[..., Awaitable[Service]]) -> None:
    """Said at once."""
    service = await make(app_address=nothing_listening(), timeout_s=2)
    assert (await refused(ask(service))).code == "cloud_unreachable"


async def test_a_socket_that_does_not_exist_is_unreachable(
    make: Callable[..., Awaitable[Service]], tmp_path: Path
) -> None:
    """A path is never taken for the name of a host to look up."""
    service = await make(app_address=str(tmp_path / "cloud.sock"), timeout_s=2)
    refusal = await refused(ask(service))
    assert refusal.code == "cloud_unreachable"
    assert (await service.ask("help"))["version"]


async def test_one_who_speaks_no_tls_is_unreachable(attributes: dict[str, Any], module: ModuleProcess) -> None:
    """A plain port behind an https address is no cloud."""
    address = attributes["app_address"].replace("http://127.0.0.1", "https://localhost")
    key = {"api_key": DEFAULT_API_KEY, "api_key_id": DEFAULT_API_KEY_ID, "org_id": DEFAULT_ORG_ID}
    await module.add({**key, "app_address": address, "timeout_s": 2}, "plain")
    assert (await refused(ask(Service(module, "plain")))).code in {"cloud_unreachable", "cloud_timeout"}
    await module.remove("plain")
