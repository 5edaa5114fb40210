"""Certificates and proxies on the way to a cloud that is not on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.certificates import HOST, Issuer
from support.faulty_cloud import Outcome, attributes, outcome
from support.http_proxy import http_proxy
from support.module_process import ModuleProcess
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    """An authority that nobody trusts by itself."""
    return Issuer(tmp_path)


@dataclass(frozen=True)
class Asked:
    """How a read ended, and what the proxy was asked for."""

    outcome: Outcome
    connected: list[str]


async def ask(cloud: SandboxProcess, folder: Path, environment: dict[str, str]) -> Asked:
    """A read of HOST by a module with these variables; `{proxy}` in them is the address of a proxy to the cloud."""
    async with http_proxy({f"{HOST}:443": ("127.0.0.1", cloud.port)}) as proxy:
        variables = {name: value.format(proxy=proxy.url) for name, value in environment.items()}
        async with ModuleProcess(variables) as module:
            await module.add(attributes(f"https://{HOST}", folder / "state", timeout_s=5))
            found = await outcome(module.ask("get_current_month_usage"))
    return Asked(found, proxy.connected)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
async def test_a_trusted_cloud_is_asked_through_the_proxy(issuer: Issuer, tmp_path: Path, variable: str) -> None:
    with SandboxProcess("--quiet", *issuer.good()) as cloud:
        found = await ask(cloud, tmp_path, {variable: "{proxy}", "SSL_CERT_FILE": str(issuer.ca_file)})
    assert found.outcome.word == "fresh"
    assert set(found.connected) == {f"{HOST}:443"}


async def test_no_proxy_names_the_hosts_that_are_reached_directly(issuer: Issuer, tmp_path: Path) -> None:
    """There is no such host, so it cannot be reached."""
    variables = {"HTTPS_PROXY": "{proxy}", "NO_PROXY": "other.example, .cloud.example,cloud.example"}
    with SandboxProcess("--quiet", *issuer.good()) as cloud:
        found = await ask(cloud, tmp_path, {**variables, "SSL_CERT_FILE": str(issuer.ca_file)})
    assert (found.outcome.code, found.connected) == ("cloud_unreachable", [])


async def test_a_proxy_that_is_not_there_is_an_outage(issuer: Issuer, tmp_path: Path) -> None:
    variables = {"HTTPS_PROXY": "http://127.0.0.1:1", "SSL_CERT_FILE": str(issuer.ca_file)}
    with SandboxProcess("--quiet", *issuer.good()) as cloud:
        assert (await ask(cloud, tmp_path, variables)).outcome.code == "cloud_unreachable"


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("good", "signed by an unknown issuer"),
        ("expired", "has expired"),
        ("not_yet_valid", "is not valid yet"),
        ("of_another_name", "is for another name"),
    ],
)
async def test_a_certificate_that_is_not_good_is_told_and_nothing_is_sent(
    issuer: Issuer, tmp_path: Path, kind: str, why: str
) -> None:
    options: tuple[str, ...] = getattr(issuer, kind)()
    trusted = {} if kind == "good" else {"SSL_CERT_FILE": str(issuer.ca_file)}
    with SandboxProcess("--quiet", *options) as cloud:
        found = await ask(cloud, tmp_path, {"HTTPS_PROXY": "{proxy}", **trusted})
        assert cloud.control.stats().calls == {}
    assert found.outcome.code == "cloud_unreachable"
    assert why in found.outcome.text


@pytest.fixture(scope="module")
def signed_by_itself() -> Iterator[SandboxProcess]:
    """A cloud with a certificate of its own making."""
    with SandboxProcess("--quiet", "--tls") as running:
        yield running


async def test_a_sandbox_on_this_machine_needs_no_good_certificate(
    signed_by_itself: SandboxProcess, tmp_path: Path
) -> None:
    async with ModuleProcess() as module:
        await module.add(attributes(signed_by_itself.address, tmp_path / "state", timeout_s=5))
        assert (await outcome(module.ask("get_current_month_usage"))).word == "fresh"


async def test_a_page_over_tls_is_told_from_an_answer(signed_by_itself: SandboxProcess, tmp_path: Path) -> None:
    signed_by_itself.control.set_fault(Fault(http_status=200))
    async with ModuleProcess() as module:
        await module.add(attributes(signed_by_itself.address, tmp_path / "state", timeout_s=5))
        assert (await outcome(module.ask("get_current_month_usage"))).code == "cloud_unreachable"
    signed_by_itself.control.clear_faults()
