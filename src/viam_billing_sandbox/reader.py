"""Reads JSON strictly: a wrong type, a missing or an unknown name becomes one sentence that says where it stands."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

_T = TypeVar("_T")
_SHOWN_CHARACTERS = 60


class ScenarioError(ValueError):
    """Something in a scenario, a patch or a fault is wrong; the text is one line and stands on its own."""


class Reader:
    """One JSON object and the place where it stands; every name has to be asked for before `end`."""

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, dict):
            raise ScenarioError(f"{place}: expected an object, found {_shown(value)}")
        self.place = place
        self._left: dict[str, object] = dict(value)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def wrong(self, name: str, sentence: str) -> ScenarioError:
        """Makes the error for one of the object's names."""
        return ScenarioError(f"{self.place}.{name}: {sentence}")

    def value(self, name: str) -> object:
        """Takes anything; None where the name is missing."""
        return self._take(name, None)

    def text(self, name: str, default: str | None = None) -> str:
        """Takes a text; without a default it has to be there, and not empty."""
        value: object = self._take(name, default)
        if not isinstance(value, str) or (default is None and not value):
            raise self.wrong(
                name, f"expected {'a text' if default is not None else 'a non-empty text'}, {_found(value)}"
            )
        return value

    def choice(self, name: str, options: Mapping[str, _T], default: str | None = None) -> _T:
        """Takes a text that is one of the options, and answers what it stands for."""
        value = self.text(name, default)
        if value not in options:
            raise self.wrong(name, f"expected one of {', '.join(options)}, {_found(value)}")
        return options[value]

    def number(self, name: str, default: float | None = None, *, at_least: float = 0.0) -> float:
        """Takes a finite number."""
        value: object = self._take(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise self.wrong(name, f"expected a number, {_found(value)}")
        if value < at_least:
            raise self.wrong(name, f"expected at least {at_least:g}, {_found(value)}")
        return float(value)

    def integer(self, name: str, default: int | None = None, *, at_least: int = 0) -> int:
        """Takes a whole number; 3.0 is one, because protobuf's Struct makes every number a float."""
        value = self.number(name, default, at_least=at_least)
        if not value.is_integer():
            raise self.wrong(name, f"expected a whole number, {_found(value)}")
        return int(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """Takes true or false."""
        value: object = self._take(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, f"expected true or false, {_found(value)}")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Takes a list of non-empty texts."""
        found = self._list(name)
        for value in found:
            if not isinstance(value, str) or not value:
                raise self.wrong(name, f"expected a list of non-empty texts, found {_shown(value)} in it")
        return tuple(value for value in found if isinstance(value, str))

    def numbers(self, name: str) -> dict[str, float]:
        """Takes an object whose values are all numbers of at least 0."""
        inner = self.inner(name)
        return {key: inner.number(key) for key in list(inner.names())}

    def inner(self, name: str) -> Reader:
        """Takes an object."""
        return Reader(self._take(name, {}), f"{self.place}.{name}")

    def inners(self, name: str) -> list[Reader]:
        """Takes a list of objects; none at all where the name is missing."""
        return [Reader(value, f"{self.place}.{name}[{index}]") for index, value in enumerate(self._list(name))]

    def names(self) -> tuple[str, ...]:
        """Answers the names that nobody has taken yet."""
        return tuple(self._left)

    def end(self) -> None:
        """Says that everything known has been taken.

        Raises:
            ScenarioError: A name is left over.
        """
        for name, value in self._left.items():
            raise self.wrong(name, f"unknown name (its value is {_shown(value)})")

    def _list(self, name: str) -> list[object]:
        value: object = self._take(name, [])
        if not isinstance(value, list):
            raise self.wrong(name, f"expected a list, {_found(value)}")
        return value

    def _take(self, name: str, default: object) -> object:
        return self._left.pop(name, default)


def _found(value: object) -> str:
    return "but it is missing" if value is None else f"found {_shown(value)}"


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[:_SHOWN_CHARACTERS]}..."
