"""Makes docs/quick-reference.md from the table of commands: run it as a program to renew the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec

from support.documentation import anchor, command_headings
from viam_billing.commands import COMMANDS
from viam_billing.commands.charges import ChargeEntry
from viam_billing.commands.context import Command

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "quick-reference.md"
RENEW: Final = "make quick-reference"

_HEAD: Final = f"""# Quick reference

Made from the code by `{RENEW}`. Each command links to its section, with all parameters and an example;
`{{"help": {{"name": "COMMAND"}}}}` answers the same as JSON Schema.

The smallest request has the required parameters only: IDs that are left out are those of the service's attributes. A
field with `?` is left out where it is not known; answers read from the cloud also have
[`as_of` and `stale`](billing.md#fields-of-every-answer), and an [entry](billing.md#fields-of-an-entry) is a charge in
the journal. A request with `"dry_run": true` is answered with `dry_run` and `would_send`. The effect is the group in
`allowed_commands` that opens the command: by default only `read`; `by_name` needs its own name, `always` nothing.

| Command | Effect | Smallest request | Answer |
|---------|--------|------------------|--------|
"""
_SAMPLES: Final[dict[str, Any]] = {
    "invoice_id": "INVOICE-ID",
    "location_id": "LOCATION-ID",
    "org_id": "ORG-ID",
    "organization_id": "ORG-ID",
    "customer_org_id": "ORG-ID",
    "org_id_to_charge": "ORG-ID",
    "billing_organization_id": "ORG-ID",
    "billing_tier": "TIER",
    "billing_address": {
        "address_line_1": "1 Main Street",
        "city": "Springfield",
        "state": "IL",
        "zipcode": "62701",
        "country": "US",
    },
    "email": "help@example.com",
    "content_base64": "iVBORw0KGgoAAA...",
    "subtotal": 40,
    "amount": 40,
    "idempotency_key": "visit-17",
    "outcome": "succeeded",
    "note": "Kim saw the invoice",
}
"""A value for each parameter that some command requires."""
_NOT_SHOWN: Final = {"as_of", "stale", "stale_reason", "dry_run", "would_send"}
_ENTRY: Final = set(ChargeEntry.__struct_fields__)


def smallest_request(command: Command) -> dict[str, Any]:
    """The request with the required parameters only. Raises: KeyError: a new one has no sample."""
    fields = msgspec.structs.fields(command.parameters)
    return {command.name: {field.name: _SAMPLES[field.name] for field in fields if field.required}}


def _answer(command: Command) -> str:
    """The fields of the answer, those that are always there first."""
    schema = command.answer_schema()
    fields = [name for name in schema["properties"] if name not in _NOT_SHOWN]
    own = schema["oneOf"][0]["required"] if "oneOf" in schema else schema["required"]
    words = []
    if set(fields) >= _ENTRY:
        words = ["an entry"]
        fields = [name for name in fields if name not in _ENTRY]
    fields.sort(key=lambda name: name not in own)
    for name in fields:
        entries = "ChargeEntry" in str(schema["properties"][name])
        words.append(f"`{name}{'' if name in own else '?'}`{' (entries)' if entries else ''}")
    return ", ".join(words)


def made() -> str:
    """The page as the code has it now."""
    headings = command_headings()
    rows = [
        f"| [`{name}`](billing.md#{anchor(headings[name])})<br>{command.summary.rstrip('.')} | {command.effect} "
        f"| `{json.dumps(smallest_request(command))}` | {_answer(command)} |\n"
        for name, command in COMMANDS.items()
    ]
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(made())
