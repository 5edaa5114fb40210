"""Refuses in the fake what the service always refuses: names, types and bounds of a command's parameters."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from viam_billing_client import errors
from viam_billing_client.billing import Billing

_Text = Annotated[str, Meta(min_length=1, pattern=r"\S")]
_Id = Annotated[_Text, Meta(max_length=128)]
_Line = Annotated[_Text, Meta(max_length=256)]


class _Address(Struct, forbid_unknown_fields=True):
    address_line_1: _Line
    city: _Line
    state: _Line
    zipcode: _Line
    country: _Line
    address_line_2: _Line | UnsetType = UNSET


_LABEL: Final = r"(?!-)[^\s\x00-,./:-@[-`{-\x9f]{1,63}(?<!-)"
"""A part of an e-mail address's domain."""
_TYPES: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("subtotal", "amount"), Annotated[float, Meta(gt=0, lt=1e12)]),
    "tax": Annotated[float, Meta(ge=0, lt=1e12)],
    "max_age_s": Annotated[float, Meta(ge=0)],
    **dict.fromkeys(("dry_run", "disable_email", "disable_confirmation_email"), bool),
    "idempotency_key": Annotated[_Text, Meta(max_length=200)],
    "description": Annotated[str, Meta(max_length=1000)],
    "note": Annotated[_Text, Meta(max_length=1000)],
    "limit": Annotated[int, Meta(ge=1, le=2**62)],
    **dict.fromkeys(("since", "until"), Annotated[datetime, Meta(tz=True)]),
    "step": Literal["hour", "day", "month"],
    "by": Literal["type"],
    "state": Literal["reserved", "sent", "succeeded", "failed", "unknown"],
    "outcome": Literal["succeeded", "failed"],
    "location_ids": Annotated[list[_Id], Meta(min_length=1, max_length=10_000)],
    "billing_address": _Address,
    "email": Annotated[
        str,
        Meta(
            max_length=254,
            pattern=rf"^(?!\.|.*\.[.@])[^\s@,:;<>()[\]\\\"\x00-\x1f\x7f-\x9f]+@({_LABEL}\.)+(?![0-9]+$){_LABEL}$(?!\n)",
        ),
    ],
    "content_base64": Annotated[bytes, Meta(max_length=200_000)],
    "save_as": Annotated[str, Meta(min_length=1, pattern=r"^(?!\.{1,2}$)[^/\\]+$(?!\n)")],
}
"""What a parameter takes, by its name; every other one is an ID."""
_AMOUNTS: Final = ("subtotal", "amount", "tax")
_NAME_BYTES: Final = 255
_ALIASES: Final[Mapping[str, Mapping[str, str]]] = {
    "charge_organization": {"org_id": "org_id_to_charge", "amount_owed": "subtotal"},
    "create_invoice_and_charge_immediately": {"org_id": "org_id_to_charge"},
    "get_invoice_pdf": {"id": "invoice_id"},
    "update_organization_billing_tier": {"org_id": "organization_id"},
}
"""Other names of parameters that the service takes."""
_ONE_OF: Final = (("location_id", "org_id"), ("location_ids", "org_id"))


def checked(command: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a request, in JSON values, under their own names. Raises: InvalidRequestError."""
    aliases = _ALIASES.get(command, {})
    named = {name if aliases.get(name) in asked else aliases.get(name, name): value for name, value in asked.items()}
    takes = {
        each.name: each.default is each.empty
        for each in inspect.signature(getattr(Billing, command)).parameters.values()
        if each.kind is each.KEYWORD_ONLY and each.name != "timeout"
    }
    for name, value in named.items():
        if name not in takes:
            raise errors.InvalidRequestError(f"{name}: is no parameter of {command}.")
        if not _fits(name, value):
            raise errors.InvalidRequestError(f"{name}: {value!r:.80} is refused by the service too.")
    for name, required in takes.items():
        if required and name not in named:
            raise errors.InvalidRequestError(f"{name}: is missing.")
    for both in _ONE_OF:
        if named.keys() >= set(both):
            raise errors.InvalidRequestError(f"{' and '.join(both)} exclude each other.")
    if "since" in named and "until" in named and _time(named["since"]) > _time(named["until"]):
        raise errors.InvalidRequestError("until: is before since.")
    if named.get("outcome") == "failed" and "invoice_id" in named:
        raise errors.InvalidRequestError("invoice_id: a charge that failed has none.")
    return named


def _fits(name: str, value: object) -> bool:
    """Whether the service takes a value; a whole float is a good integer, as all numbers arrive as floats."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return False
        if name == "limit" and value.is_integer():
            value = int(value)
    try:
        typed = msgspec.convert(value, _TYPES.get(name, _Id))
    except msgspec.ValidationError:
        return False
    if name in _AMOUNTS:
        return _whole_cents(typed)
    if name == "content_base64":  # a PNG by its first bytes; the service looks at all of it
        return bytes(typed).startswith(b"\x89PNG\r\n\x1a\n")
    return name != "save_as" or (typed.isprintable() and len(typed.encode(errors="replace")) <= _NAME_BYTES)


def _whole_cents(dollars: float) -> bool:
    return Decimal(repr(dollars)) % Decimal("0.01") == 0


def _time(text: str) -> datetime:
    return msgspec.convert(text, datetime)
