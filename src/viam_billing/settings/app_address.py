"""Where the cloud is: the forms of `app_address` and what each means for the connection."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

DEFAULT_ADDRESS: Final = "https://app.viam.com"
_LABEL: Final = "[0-9A-Za-z_-]{1,63}"
_NETLOC: Final = re.compile(rf"(\[[0-9A-Fa-f:.]+\]|{_LABEL}(\.{_LABEL})*\.?)(:[0-9]+)?")

_USUAL_PORTS: Final = {"https": 443, "http": 80}

FORMS: Final = (
    "https://host[:port], http://host[:port] on loopback (localhost, 127.0.0.0/8 or ::1) "
    "or the absolute path of a unix socket"
)


class AppAddress(Struct, frozen=True):
    """A parsed `app_address`; `text` is its one spelling.

    `path` is a unix socket's, else `host` and `port` say where; `tls` without `verified` is a sandbox on loopback,
    whose certificate nobody signed.
    """

    text: str
    host: str = ""
    port: int = 0
    path: str = ""
    tls: bool = False
    verified: bool = False


def parse(text: str) -> AppAddress | None:
    """The address, or None for a form that is not one of `FORMS`."""
    if text.startswith("/"):
        return None if "\0" in text else AppAddress(text=text, path=text)
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return None
    given = f"{url.scheme}://{url.netloc}"
    if text.removesuffix("/") != given or not _NETLOC.fullmatch(url.netloc) or port == 0:
        return None
    written = url.hostname or ""
    host = _host(written)
    own = is_loopback(host)
    tls = url.scheme == "https"
    if not (tls or (url.scheme == "http" and own)) or (own and written.endswith(".")):
        return None  # a name with a dot at its end only looks like one of this machine's
    port = port or _USUAL_PORTS[url.scheme]
    return AppAddress(_text(url.scheme, host, port), host=host, port=port, tls=tls, verified=tls and not own)


def _host(written: str) -> str:
    """A host as it is always written: its root's dot changes nothing, and IPv6 has many spellings."""
    try:
        return socket.inet_ntop(socket.AF_INET6, ipaddress.IPv6Address(written).packed)
    except ValueError:
        return written.removesuffix(".")


def _text(scheme: str, host: str, port: int) -> str:
    """The one spelling of an address: what belongs to a cloud on the disk must not depend on how somebody writes it."""
    named = f"[{host}]" if ":" in host else host
    return f"{scheme}://{named}" if port == _USUAL_PORTS[scheme] else f"{scheme}://{named}:{port}"


def is_loopback(host: str) -> bool:
    """Exactly `localhost`, 127.0.0.0/8 or ::1; `localhost.example.com` is somebody else's computer."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback and (address.version == 4 or address.compressed == "::1")  # noqa: PLR2004 - IP versions
