"""Which certificates the connection to the cloud trusts. Reads the disk, or the network: call it from a thread."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from importlib import resources
from typing import Any, Final

from msgspec import Struct

from viam_billing.core.errors import NotConfiguredError, quoted
from viam_billing.settings.app_address import AppAddress

_LARGEST_BUNDLE_BYTES: Final = 8 * 2**20
_LOOPBACK_S: Final = 5.0
_BEGINS: Final = b"-----BEGIN CERTIFICATE-----"

_USUAL_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Raspberry Pi OS, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL, CentOS
    "/etc/pki/tls/certs/ca-bundle.crt",  # older ones of these
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS
    "/etc/pki/tls/cacert.pem",  # OpenELEC
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD
)


class Trust(Struct, frozen=True):
    """`roots`: PEM certificates, None for gRPC core's own bundle. `name`: a name to expect in place of the host's."""

    roots: bytes | None
    name: str | None = None


def trust_for(address: AppAddress, ca_file: str | None) -> Trust:
    """What a TLS connection to an address trusts.

    Raises: NotConfiguredError: if `ca_file` or `SSL_CERT_FILE` names a file without certificates.
    """
    return _system_trust(ca_file) if address.verified else _loopback_trust(address.host, address.port)


def _system_trust(ca_file: str | None) -> Trust:
    """The system's certificates, or those of `SSL_CERT_FILE`, or gRPC core's own; and those of `ca_file` besides."""
    named = os.environ.get("SSL_CERT_FILE")
    system = _named_bundle("the variable SSL_CERT_FILE", named) if named else next(_system_bundles(), None)
    if ca_file is None:
        return Trust(system)
    core = resources.files("grpc").joinpath("_cython/_credentials/roots.pem")
    return Trust((system or core.read_bytes()) + b"\n" + _named_bundle("the attribute ca_file", ca_file))


def bundle_path() -> str:
    """The file of what HTTPS of Python trusts: that of `SSL_CERT_FILE`, the system's, or gRPC core's own."""
    named = (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *_USUAL_BUNDLES)
    found = next((path for path in named if path and os.path.exists(path)), None)
    return found or str(resources.files("grpc").joinpath("_cython/_credentials/roots.pem"))


def _loopback_trust(host: str, port: int) -> Trust:
    """The certificate that a server on this machine shows: a sandbox signs its own.

    Where none answers, nothing is trusted, and connecting tells why.
    """
    anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anything.check_hostname = False
    anything.verify_mode = ssl.CERT_NONE
    try:
        with _connected(anything, host, port) as peer:
            shown = peer.getpeercert(binary_form=True) or b""
        this_one = ssl.create_default_context(cadata=shown)
        this_one.check_hostname = False
        this_one.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it may be signed by an authority that nobody knows
        with _connected(this_one, host, port) as peer:
            certificate: dict[str, Any] = peer.getpeercert() or {}
    except OSError:
        return Trust(None)
    names = [name for _, name in certificate.get("subjectAltName", ())]
    return Trust(ssl.DER_cert_to_PEM_cert(shown).encode(), names[0] if names else None)


@contextlib.contextmanager
def _connected(context: ssl.SSLContext, host: str, port: int) -> Iterator[ssl.SSLSocket]:
    connection = socket.create_connection((host, port), timeout=_LOOPBACK_S)
    with connection, context.wrap_socket(connection, server_hostname=host) as peer:
        yield peer


def _system_bundles() -> Iterator[bytes]:
    for path in (ssl.get_default_verify_paths().cafile, *_USUAL_BUNDLES):
        if path is not None:
            with contextlib.suppress(OSError):
                bundle = _read(path)
                if _BEGINS in bundle:
                    yield bundle


def _named_bundle(what: str, path: str) -> bytes:
    try:
        bundle = _read(path)
    except OSError as error:
        why = error.strerror or type(error).__name__
    else:
        if _BEGINS in bundle:
            return bundle
        why = "it holds no PEM certificate"
    raise NotConfiguredError(f"{what} names {quoted(path)}, which cannot be used: {why}. Name a file of certificates.")


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(_LARGEST_BUNDLE_BYTES)
