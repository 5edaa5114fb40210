"""Where the cloud is: the forms of `app_address` and what each means for the connection."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

DEFAULT_ADDRESS: Final = "https://app.viam.com"
_LABEL: Final = "[0-9A-Za-z_-]{1,63}"
_NETLOC: Final = re.compile(rf"(\[[0-9A-Fa-f:.]+\]|{_LABEL}(\.{_LABEL})*\.?)(:[0-9]+)?")

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
    host = url.hostname or ""
    plain_url = f"{url.scheme}://{url.netloc}"
    if text.removesuffix("/") != plain_url or not _NETLOC.fullmatch(url.netloc) or port == 0:
        return None
    if url.scheme == "https":
        text = _name(plain_url, ":443")
        return AppAddress(text=text, host=host, port=port or 443, tls=True, verified=not is_loopback(host))
    if url.scheme == "http" and is_loopback(host):
        return AppAddress(text=_name(plain_url, ":80"), host=host, port=port or 80)
    return None


def _name(url: str, usual_port: str) -> str:
    """The one spelling of an address: what belongs to a cloud on the disk must not depend on how somebody writes it."""
    return url.lower().removesuffix(usual_port)


def is_loopback(host: str) -> bool:
    """Exactly `localhost`, 127.0.0.0/8 or ::1; `localhost.example.com` is somebody else's computer."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback and (address.version == 4 or address.compressed == "::1")  # noqa: PLR2004 - IP versions
