"""A machine's address as somebody writes it: a host, perhaps with a scheme before it and a port after it."""

from __future__ import annotations

from typing import Final

_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]", "::1")


def has_host(address: str) -> bool:
    """Whether an address names a host at all; `http://` and `:8080` do not."""
    rest = address.rpartition("://")[2].strip().strip(" /")
    return bool(rest) and (not rest.startswith(":") or rest.startswith("::"))


def is_loopback(address: str) -> bool:
    """Whether an address without a scheme is this computer's own."""
    return address in _LOOPBACK or address.rpartition(":")[0] in _LOOPBACK
