"""What the command line says to people on stderr: one line, no key in it, nothing that a terminal would obey."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

_SECRETS: Final[set[str]] = set()
_KEY_OPTION: Final = "--api-key"
_SHORTEST: Final = 4
"""A key that is shorter than this is none, and hiding it would hide parts of words."""


def keep_secret(*values: str | None) -> None:
    """Never print these values from now on."""
    _SECRETS.update(value for value in values if value and len(value) >= _SHORTEST)


def keep_arguments_secret(arguments: Sequence[str]) -> None:
    """Never print a key that stands on the command line, however it is written, or in the environment."""
    keep_secret(os.environ.get("VIAM_BILLING_API_KEY"))
    for at, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == _KEY_OPTION:
            keep_secret(value, *arguments[at + 1 : at + 2])


def plain(text: str) -> str:
    """The text without keys, and with a mark for each character that does not print (line ends too)."""
    for secret in _SECRETS:
        text = text.replace(secret, "***")
    return (
        text
        if text.isprintable()
        else "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    )


def say(text: str) -> None:
    """Write one line to stderr."""
    sys.stderr.write(f"viam-billing: {plain(text)}\n")
    sys.stderr.flush()


def on_terminal() -> bool:
    """Whether a person can be asked: they see stderr, and type at stdin."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
