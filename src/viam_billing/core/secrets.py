"""Takes keys and tokens out of texts: whole ones only, so that nothing tells whether a guess of a part is right."""

from __future__ import annotations

import json
import re
import struct
from collections import Counter
from typing import Final

_SHORTEST: Final = 8
"""What is shorter stands in ordinary words too."""
_BEARER: Final = re.compile(r"Bearer\s+\S+", re.IGNORECASE)


class Secrets:
    """The keys that this process has had, and the tokens of its logins.

    A text has to come here before anything is cut off: what is left of a secret that was cut is not recognized.
    """

    def __init__(self) -> None:
        self._added: Counter[str] = Counter()  # two sessions may hold the same one
        self._spellings: list[str] = []  # the longest first: one secret may begin with another
        self._utf8: list[bytes] = []
        self._halves: frozenset[tuple[bytes]] = frozenset()
        self._half_bytes = 1

    def add(self, secret: str) -> None:
        """Take a secret out of all texts from now on, also where it is written as JSON or Python write it."""
        self._added[secret] += 1
        self._spell()

    def discard(self, secret: str) -> None:
        """Undo one `add`."""
        self._added[secret] -= 1
        self._spell()

    def _spell(self) -> None:
        self._added = +self._added
        spellings = {spelling for secret in self._added for spelling in _spellings(secret)}
        self._spellings = sorted(spellings, key=len, reverse=True)
        self._utf8 = [spelling.encode(errors="surrogatepass") for spelling in self._spellings]
        self._half_bytes = half = (min(map(len, self._utf8), default=1) + 1) // 2
        self._halves = frozenset((secret[at : at + half],) for secret in self._utf8 for at in range(half))

    def are_in(self, content: bytes) -> bool:
        """Whether a secret is in the bytes of a message.

        How long a search takes tells how the text resembles what is searched, letter by letter. So it is only done
        where half a secret was met, in one of the pieces that all content is cut into. They are found by their hashes,
        which are different in each process.
        """
        pieces = struct.iter_unpack(f"{self._half_bytes}s", content + bytes(-len(content) % self._half_bytes))
        return not self._halves.isdisjoint(pieces) and any(secret in content for secret in self._utf8)

    def redact(self, text: str) -> str:
        """The text with `***` in place of the secrets, and of whatever else is given as a bearer token."""
        if len(text) >= _SHORTEST and self.are_in(text.encode(errors="surrogatepass")):
            for spelling in self._spellings:
                text = text.replace(spelling, "***")
        return _BEARER.sub("Bearer ***", text)


def _spellings(secret: str) -> set[str]:
    return {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]} if len(secret) >= _SHORTEST else set()
