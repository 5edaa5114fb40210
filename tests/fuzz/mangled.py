"""Bytes that were right once: some changed, taken out, put in, repeated, or the rest cut off."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

_Change = tuple[str, float, bytes]
_KINDS = ("flip", "set", "insert", "delete", "cut", "repeat")
_CHANGES = st.lists(
    st.tuples(st.sampled_from(_KINDS), st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)),
    min_size=1,
    max_size=6,
)


def mangled(originals: SearchStrategy[bytes]) -> SearchStrategy[bytes]:
    """Each of them changed in a few places."""
    return st.builds(_changed, originals, _CHANGES)


def _changed(data: bytes, changes: list[_Change]) -> bytes:
    for change in changes:
        data = change_one(data, *change)
    return data


def change_one(data: bytes, kind: str, where: float, new: bytes) -> bytes:
    """One change; `where` is a fraction of the length."""
    at = int(where * len(data))
    before, after = data[:at], data[at:]
    if kind == "flip":
        return before + bytes(byte ^ other for byte, other in zip(after, new, strict=False)) + after[len(new) :]
    if kind == "set":
        return before + new + after[len(new) :]
    if kind == "insert":
        return before + new + after
    if kind == "delete":
        return before + after[len(new) :]
    return before if kind == "cut" else before + 16 * after[: 8 * len(new)] + after
