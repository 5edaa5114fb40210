"""A certificate that nobody vouches for: taken from a sandbox on this machine, refused from everybody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.sandbox_process import SandboxProcess
from viam_billing.cloud.error_mapping import translate_login
from viam_billing.cloud.failures import CallFailedError
from viam_billing.cloud.transport import opened
from viam_billing.settings.app_address import AppAddress
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID


@pytest.fixture(scope="module")
def signed_by_itself() -> Iterator[SandboxProcess]:
    """A cloud with a certificate of its own making."""
    with SandboxProcess("--quiet", "--tls") as running:
        yield running


async def log_in(cloud: SandboxProcess, *, verified: bool) -> str:
    """A token, over a connection with the module's settings for an address."""
    address = AppAddress(cloud.address, host="localhost", port=cloud.port, tls=True, verified=verified)
    channel = await opened(address, None)
    try:
        return await channel.log_in(DEFAULT_API_KEY_ID, DEFAULT_API_KEY, 10)
    finally:
        await channel.close()


async def test_where_certificates_are_verified_it_is_refused(signed_by_itself: SandboxProcess) -> None:
    """In the handshake, before a key could be sent; the error says why."""
    with pytest.raises(CallFailedError) as caught:
        await log_in(signed_by_itself, verified=True)
    assert "signed by an unknown issuer" in translate_login(caught.value).text
    assert signed_by_itself.control.stats().logins == 0


async def test_where_they_are_not_it_is_taken(signed_by_itself: SandboxProcess) -> None:
    """The same address as a sandbox's: what was refused is the certificate."""
    assert await log_in(signed_by_itself, verified=False)
