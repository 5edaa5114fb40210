"""Requests and answers of the cloud that are made to take as much time and memory as they can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from viam.gen.app.v1 import app_pb2, billing_pb2
from viam.gen.common.v1 import common_pb2

from support.raw_request import DO_COMMAND, request

_MIB: Final = 2**20
_STATUS: Final = "/viam.service.generic.v1.GenericService/GetStatus"
_READINGS: Final = "/viam.component.sensor.v1.SensorService/GetReadings"


def requests() -> Mapping[str, tuple[str, bytes]]:
    """Paths of RPCs and messages, by what is odd about them."""
    flood, long, nulls, wide, ids = Struct(), Struct(), Struct(), Struct(), Struct()
    for number in range(19_990):
        flood.fields["charge_organization"].struct_value.fields[f"p{number}"].SetInParent()
    for letter in "abcdefghijklmnopqrstuvwxy":
        long.fields["charge_organization"].struct_value.fields[10_000 * letter].SetInParent()
    many = nulls.fields["help"].struct_value.fields[100_000 * "n"].list_value.values
    for _ in range(70_000):
        many.add()
    inner = wide.fields["help"].struct_value
    for _ in range(30):
        inner = inner.fields["d"].struct_value
        for number in range(600):
            inner.fields[f"{number}"].number_value = 1.5
    ids.update({"get_fleet_usage": {"location_ids": [f"location-{number}" for number in range(10_000)]}})
    commands: dict[str, dict[str, object] | Struct] = {
        "an unknown command of 32 MB": {32_000_000 * "x": {}},
        "an unknown command of 250 KB": {14_000 * "get_location_usage": {}},
        "a text of 32 MB": {"help": {"name": 32_000_000 * "x"}},
        "8 million nulls": {"help": {"a": [None] * 8_000_000}},
        "a long name over 70,000 nulls": nulls,
        "20,000 unknown parameters": flood,
        "25 unknown parameters with long names": long,
        "nested and wide": wide,
        "10,000 location_ids": ids,
    }
    name = common_pb2.DoCommandRequest(name=32_000_000 * "n").SerializeToString()
    return {
        **{what: (DO_COMMAND, request(command)) for what, command in commands.items()},
        "a resource's name of 32 MB": (DO_COMMAND, name),
        "GetStatus of 32 MB": (_STATUS, name),
        "GetReadings of 32 MB": (_READINGS, name),
        "32 MiB that are no protobuf": (DO_COMMAND, 32 * _MIB * b"\xff"),
    }


def answers() -> Mapping[str, tuple[dict[str, Any], Mapping[str, bytes]]]:
    """Questions and the messages of RPCs that answer them, by what is odd about those."""
    date = Timestamp(seconds=1_760_000_000)
    invoice = billing_pb2.InvoiceSummary(id="invoice", invoice_amount=12.5, status="outstanding", due_date=date)
    location = app_pb2.Location(id="location", name="a location", created_on=date)
    tiers, usage, invoices = "GetAvailableBillingTiers", "GetCurrentMonthUsage", "GetInvoicesSummary"
    long_text = billing_pb2.GetAvailableBillingTiersResponse(tiers=[16_000_000 * "t"]).SerializeToString()
    costs = _counted(1, 1_000_000 * b"\x0a\x02\x08\x09")
    pdf = billing_pb2.GetInvoicePdfResponse(chunk=4 * _MIB * b"x").SerializeToString()
    ask_tiers: dict[str, Any] = {"command": "get_available_billing_tiers", "max_age_s": 0}
    ask_invoices = {**ask_tiers, "command": "get_invoices_summary"}
    ask_fleet = {**ask_tiers, "command": "get_fleet_usage"}
    return {
        "5 million tiers": (ask_tiers, {tiers: 5_000_000 * b"\x0a\x01a"}),
        "8 million empty tiers": (ask_tiers, {tiers: 8_000_000 * b"\x0a\x00"}),
        "5,000 tiers of 800 bytes": (ask_tiers, {tiers: 5_000 * _counted(1, 800 * b"t")}),
        "5,000 tiers of 3,000 bytes": (ask_tiers, {tiers: 5_000 * _counted(1, 3_000 * b"t")}),
        "a tier of 16 MB": (ask_tiers, {tiers: long_text}),
        "an unknown field of 16 MB": (ask_tiers, {tiers: _counted(2_000, bytes(16_000_000))}),
        "more than 16 MiB": (ask_tiers, {tiers: 30 * _MIB * b"\x0a\x01a"}),
        "16 MB of invoices": (ask_invoices, {invoices: _many(2, invoice, 16_000_000)}),
        "12,000 invoices": (ask_invoices, {invoices: _many(2, invoice, 12_000 * 49)}),
        "8 million empty invoices": (ask_invoices, {invoices: 8_000_000 * b"\x12\x00"}),
        "16 MB of locations": (ask_fleet, {"ListLocations": _many(1, location, 16_000_000)}),
        "8 million empty locations": (ask_fleet, {"ListLocations": 8_000_000 * b"\x0a\x00"}),
        "a million costs": ({**ask_tiers, "command": "get_current_month_usage"}, {usage: _counted(14, costs)}),
        "a piece of 4 MiB of a PDF": ({"command": "get_invoice_pdf", "invoice_id": "i"}, {"GetInvoicePdf": pdf}),
    }


def _many(number: int, message: Message, size_bytes: int) -> bytes:
    """So many bytes of a field of messages."""
    entry = _counted(number, message.SerializeToString())
    return size_bytes // len(entry) * entry


def _counted(number: int, content: bytes) -> bytes:
    """A field of bytes, a text or a message."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
