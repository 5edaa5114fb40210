"""Where the cloud is: the forms of the attribute `app_address`, and what each means for the connection."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

DEFAULT_ADDRESS: Final = "https://app.viam.com"
FORMS: Final = (
    "https://host[:port], http://host[:port] on loopback (localhost, 127.0.0.0/8 or ::1) "
    "or the absolute path of a unix socket"
)

_LABEL: Final = "[0-9A-Za-z_-]{1,63}"
_NETLOC: Final = re.compile(rf"(\[[0-9A-Fa-f:.]+\]|{_LABEL}(\.{_LABEL})*\.?)(:[0-9]+)?")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


class AppAddress(Struct, frozen=True):
    """A parsed `app_address`.

    `text` is its normal form, which names the cloud on disk. A unix socket has a `path`, all else `host` and `port`.
    `tls` without `verified` is a sandbox on loopback with a certificate that nobody signed.
    """

    text: str
    host: str = ""
    port: int = 0
    path: str = ""
    tls: bool = False
    verified: bool = False


def parse(text: str) -> AppAddress | None:
    """The address, or None if the text has none of `FORMS`."""
    if text.startswith("/"):
        return None if "\0" in text else AppAddress(text=text, path=text)
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return None
    if text.removesuffix("/") != f"{url.scheme}://{url.netloc}" or not _NETLOC.fullmatch(url.netloc) or port == 0:
        return None
    name = url.hostname or ""
    try:  # an IPv6 address has many spellings
        host = socket.inet_ntop(socket.AF_INET6, ipaddress.IPv6Address(name).packed)
    except ValueError:
        host = name.removesuffix(".")
    loopback = is_loopback(host)
    if url.scheme != "https" and not (url.scheme == "http" and loopback):
        return None
    if loopback and name.endswith("."):
        return None  # `localhost.` is looked up by DNS and may be another machine
    netloc = f"[{host}]" if ":" in host else host
    usual = _DEFAULT_PORTS[url.scheme]
    normal = f"{url.scheme}://{netloc}" if port in (None, usual) else f"{url.scheme}://{netloc}:{port}"
    tls = url.scheme == "https"
    return AppAddress(normal, host=host, port=port or usual, tls=tls, verified=tls and not loopback)


def is_loopback(host: str) -> bool:
    """Whether a host is exactly `localhost`, in 127.0.0.0/8 or ::1; `localhost.example.com` is another machine."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address in ipaddress.ip_network("127.0.0.0/8") if address.version == 4 else int(address) == 1  # noqa: PLR2004 - IP versions
