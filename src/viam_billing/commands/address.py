"""Where an organization that bills others has its seat, as it is given and as the API has it; and e-mail addresses."""

from __future__ import annotations

import re
from typing import Annotated, Final

from msgspec import UNSET, Meta, UnsetType

from viam_billing.settings.answers import CloudRecord, says
from viam_billing.settings.records import Record

Line = Annotated[
    str, Meta(min_length=1, max_length=256, pattern=r"\S", title="a non-empty text of at most 256 characters")
]
_LABEL = r"(?!-)[^\s\x00-,./:-@[-`{-\x9f]{1,63}(?<!-)"  # of a domain: no punctuation but hyphens inside
_EMAIL: Final = rf"^(?!\.|.*\.[.@])[^\s@,:;<>()[\]\\\x00-\x1f\x22\x7f-\x9f]+@({_LABEL}\.)+(?![0-9]+$){_LABEL}$"
"""Compiled when there is an address to check: that takes as long as importing three files."""

Email = Annotated[
    str,
    Meta(
        max_length=254,
        extra_json_schema={"pattern": _EMAIL},
        title="an e-mail address of at most 254 characters, such as help@example.com",
        examples=["help@example.com"],
    ),
]


def is_email(text: str) -> bool:
    """Whether a text has the form of an e-mail address."""
    return re.fullmatch(_EMAIL, text) is not None


class BillingAddress(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Where an organization that bills others has its seat."""

    address_line_1: Line
    address_line_2: Line | UnsetType = UNSET
    city: Line
    state: Line
    zipcode: Line
    country: Line


class Address(CloudRecord, frozen=True, kw_only=True):
    """The address of an organization that bills others, as the API has it."""

    address_line_1: Annotated[str, says("Its first line")]
    address_line_2: Annotated[str, says("Its second line, where there is one")] | UnsetType = UNSET
    city: Annotated[str, says("The city")]
    state: Annotated[str, says("The state")]
    zipcode: Annotated[str, says("The zip code")]
    country: Annotated[str, says("The country")]
