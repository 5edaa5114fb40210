"""A certificate that nobody vouches for: taken from a sandbox on this machine, refused from everybody else."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import pytest

from support.sandbox_process import SandboxProcess
from viam_billing.cloud.cloud_client import tls_context
from viam_billing.settings.app_address import AppAddress


@pytest.fixture(scope="module")
def signed_by_itself() -> Iterator[SandboxProcess]:
    """A cloud with a certificate of its own making."""
    with SandboxProcess("--quiet", "--tls") as running:
        yield running


def greet(cloud: SandboxProcess, *, verified: bool) -> str | None:
    """The TLS handshake with the module's settings for an address. Returns the protocol that was agreed on."""
    address = AppAddress(cloud.address, host="localhost", port=cloud.port, tls=True, verified=verified)
    context = tls_context(address)
    assert context is not None
    with (
        socket.create_connection(("127.0.0.1", cloud.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=address.host) as connection,
    ):
        return connection.selected_alpn_protocol()


def test_where_certificates_are_verified_it_is_refused(signed_by_itself: SandboxProcess) -> None:
    """In the handshake, before a key could be sent."""
    with pytest.raises(ssl.SSLCertVerificationError):
        greet(signed_by_itself, verified=True)


def test_where_they_are_not_it_is_taken(signed_by_itself: SandboxProcess) -> None:
    """The same address as a sandbox's: what was refused is the certificate."""
    assert greet(signed_by_itself, verified=False) == "h2"
