"""Typed answers: records whose fields say in words and units what they are, and an answer's JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType


class AnswerRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An answer that the module makes, or an object in one. A field that may be left out is `... | UnsetType = UNSET`.

    Annotations are looked at when a schema is made, and not before.
    """


class CloudRecord(Struct, frozen=True, kw_only=True):
    """What is known of an object in the cloud's answer, in protobuf's JSON mapping: described here, and never made.

    Fields that are not described pass all the same.
    """


C = TypeVar("C", bound=CloudRecord)
A = TypeVar("A", bound=AnswerRecord)


class Passed(Struct, Generic[C, A], frozen=True):
    """The cloud's answer as it came, of which `C` is known, and what the module adds to it or puts in its place."""

    cloud: Mapping[str, Any]
    added: A


def says(meaning: str) -> Meta:
    """What a field is, in words."""
    return Meta(description=f"{meaning}.")


def usd(meaning: str, unit: str = "US dollars, in whole cents") -> Meta:
    """What an amount is of."""
    return Meta(description=f"{meaning}: {unit}.", extra_json_schema={"format": "usd"})


def api_usd(meaning: str) -> Meta:
    """What an amount is of that is as the API has it."""
    return usd(meaning, "US dollars, not rounded")


def utc(meaning: str) -> Meta:
    """What happened at a time."""
    return Meta(description=f"{meaning}: RFC 3339 in UTC.", extra_json_schema={"format": "date-time"})


AsOf = Annotated[str, utc("When the cloud gave this answer; of one made of several, the oldest of them")]
Stale = Annotated[bool, says("Whether the cloud could not be asked, so that an older answer stands in")]
WhyStale = Annotated[
    Literal["cloud_unreachable", "cloud_timeout", "cloud_rate_limited"], says("Why an older answer stands in")
]


class OfCloud(AnswerRecord, frozen=True, kw_only=True):
    """An answer that was read from the cloud."""

    as_of: AsOf
    stale: Stale
    stale_reason: WhyStale | UnsetType = UNSET


class ErrorShown(AnswerRecord, frozen=True, kw_only=True):
    """An error as a part of an answer."""

    code: Annotated[str, says("The error's code, as of the table of errors")]
    message: Annotated[str, says("What happened, and what to do")]


class DryRunAnswer(AnswerRecord, frozen=True, kw_only=True):
    """The answer where `dry_run` was true, in place of the command's own."""

    dry_run: Annotated[Literal[True], says("Everything was checked and nothing was sent")]
    would_send: Annotated[dict[str, Any], says("What would be sent; empty where nothing would be")]


def schema(handler: Callable[..., object], records: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of what a command's handler returns, self-contained, `type: object` at its top.

    `records`, by their names, are those that the handler's file does not import. Where it returns one of several
    records, `oneOf` tells which fields each of them has to have. Do not change the schema.
    """
    return _schema(get_type_hints(handler, localns=records)["return"])


@cache
def _schema(returned: Any) -> dict[str, Any]:  # noqa: ANN401 - a record, a `Passed`, or a union
    kinds = (returned,) if isinstance(returned, type) or get_origin(returned) is Passed else get_args(returned)
    parts = [get_args(kind) if get_origin(kind) is Passed else (kind,) for kind in kinds]
    records = [record for part in parts for record in part]
    _, components = msgspec.json.schema_components(records)
    tops = {record: components.pop(record.__name__) for record in records}
    needed = [{name for record in part for name in tops[record].get("required", ())} for part in parts]
    properties = {name: field for top in tops.values() for name, field in top["properties"].items()}
    top: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if all(name in names for names in needed)],
    }
    if len(parts) > 1:
        top["oneOf"] = [{"required": [name for name in properties if name in names]} for names in needed]
    if not any(issubclass(record, CloudRecord) for record in records):
        top["additionalProperties"] = False
    for component in components.values():
        component.pop("title", None)  # the record's name
        component.pop("description", None)  # its docstring, where Python keeps those
    return {**top, "$defs": components} if components else top
