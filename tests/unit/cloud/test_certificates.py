"""Which certificates a connection trusts."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from viam_billing.cloud.certificates import Trust, trust_for
from viam_billing.core.errors import NotConfiguredError
from viam_billing.settings.app_address import AppAddress

CLOUD = AppAddress("https://app.viam.com", host="app.viam.com", port=443, tls=True, verified=True)
PEM = "-----BEGIN CERTIFICATE-----"


@pytest.fixture
def own_ca(tmp_path: Path) -> Path:
    """The file of a network's own certificate authority."""
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    return file


def test_the_systems_certificates_are_trusted() -> None:
    roots = trust_for(CLOUD, None).roots
    assert roots is not None
    assert roots.decode().count(PEM) > 50


def test_ca_file_is_trusted_besides_the_systems(own_ca: Path) -> None:
    system, both = trust_for(CLOUD, None).roots, trust_for(CLOUD, str(own_ca)).roots
    assert system is not None
    assert both is not None
    assert both.startswith(system)
    assert both.endswith(own_ca.read_bytes())


def test_ssl_cert_file_takes_the_place_of_the_systems(own_ca: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(own_ca))
    assert trust_for(CLOUD, None).roots == own_ca.read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_without_certificates_is_told(content: bytes | None, tmp_path: Path) -> None:
    """Whether it is missing, empty or another thing: connecting without what was asked for would hide the mistake."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(NotConfiguredError, match="ca_file"):
        trust_for(CLOUD, str(file))


def test_a_wrong_ssl_cert_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(NotConfiguredError, match="SSL_CERT_FILE"):
        trust_for(CLOUD, None)


@pytest.mark.parametrize("names", [("localhost",), ("sandbox.example", "127.0.0.1")])
async def test_a_server_on_loopback_is_trusted_by_the_certificate_that_it_shows(names: tuple[str, ...]) -> None:
    certificate = trustme.CA().issue_cert(*names)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(tls)
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        address = AppAddress("https://127.0.0.1", host="127.0.0.1", port=port, tls=True)
        trust = await asyncio.to_thread(trust_for, address, None)
    assert trust.roots == certificate.cert_chain_pems[0].bytes()
    assert trust.name == names[0]


def test_without_a_server_on_loopback_nothing_is_trusted() -> None:
    """Connecting then tells what is wrong."""
    address = AppAddress("https://127.0.0.1", host="127.0.0.1", port=1, tls=True)
    assert trust_for(address, None) == Trust(None)
