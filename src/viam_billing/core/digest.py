"""A digest that names files, from which what it was made of cannot be got back."""

from __future__ import annotations

import sys

try:  # CPython's own function, as its `random` has it: hashlib loads all of OpenSSL's, a megabyte of memory
    if sys.version_info >= (3, 12):
        from _sha2 import sha256
    else:
        from _sha256 import sha256  # type: ignore[import-not-found, unused-ignore] # has no stub
except ImportError:
    from hashlib import sha256


def digest(text: str) -> str:
    """The first 128 bits of the SHA-256 of a text, in hexadecimal."""
    return str(sha256(text.encode()).hexdigest()[:32])
