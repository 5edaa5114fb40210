from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from viam.gen.app.v1 import billing_pb2

from viam_billing.commands import COMMANDS, EFFECTS
from viam_billing.commands.context import Command
from viam_billing.settings.attributes import Attributes, Budget, ChargeLimits
from viam_billing.settings.records import Record, expected, schema

CONTRACT: dict[str, tuple[str, str]] = {
    "get_current_month_usage": ("read", "org_id? max_age_s?"),
    "get_org_billing_information": ("read", "org_id? max_age_s?"),
    "get_invoices_summary": ("read", "org_id? status? since? limit? max_age_s?"),
    "get_invoice_pdf": ("read", "invoice_id|id org_id? save_as?"),
    "send_payment_required_email": ("notify", "customer_org_id billing_owner_org_id? dry_run?"),
    "get_available_billing_tiers": ("read", "org_id? max_age_s?"),
    "update_organization_billing_tier": ("change", "organization_id|org_id billing_tier dry_run?"),
    "get_location_billing_organization": ("read", "location_id? max_age_s?"),
    "update_location_billing_organization": ("change", "location_id billing_organization_id dry_run?"),
    "get_billing_service_config": ("read", "org_id? max_age_s?"),
    "enable_billing_service": ("change", "org_id billing_address dry_run?"),
    "update_billing_service": ("change", "org_id billing_address dry_run?"),
    "disable_billing_service": ("change", "org_id dry_run?"),
    "organization_get_support_email": ("read", "org_id? max_age_s?"),
    "organization_get_logo": ("read", "org_id? max_age_s?"),
    "organization_set_support_email": ("change", "org_id email dry_run?"),
    "organization_set_logo": ("change", "org_id content_base64 dry_run?"),
    "charge_organization": (
        "charge",
        (
            "org_id_to_charge|org_id subtotal|amount_owed tax? description? org_id_for_branding? "
            "disable_confirmation_email? idempotency_key dry_run?"
        ),
    ),
    "create_invoice_and_charge_immediately": (
        "charge",
        "org_id_to_charge|org_id amount description? org_id_for_branding? disable_email? idempotency_key dry_run?",
    ),
    "get_charge": ("read", "idempotency_key max_age_s?"),
    "list_charges": ("read", "state? limit?"),
    "reconcile_charges": ("charge", ""),
    "resolve_charge": ("by_name", "idempotency_key outcome invoice_id? note"),
    "get_audit_log": ("read", "since? limit?"),
    "get_location_usage": ("read", "location_id? max_age_s?"),
    "get_fleet_usage": ("read", "org_id? location_ids? max_age_s?"),
    "check_budget": ("read", "location_id? org_id? max_age_s?"),
    "get_usage_history": ("read", "org_id? location_id? since? until? step? by? max_age_s?"),
    "compare_usage": ("read", "org_id? location_id? max_age_s?"),
    "check_access": ("read", ""),
    "test_alert": ("notify", ""),
    "get_status": ("always", ""),
    "help": ("always", "name?"),
}
"""Effect and parameters as the contract has them: `?` optional, `a|b` where b is another name of a."""

ROWS = pytest.mark.parametrize("row", COMMANDS.values(), ids=COMMANDS)


def parameters(row: Command) -> set[str]:
    """A row's parameters in the contract's notation."""
    shape = schema(row.parameters)
    aliases = {field: alias for alias, field in row.parameters.aliases.items()}
    needed = {*shape["required"], *aliases}
    return {
        (f"{name}|{aliases[name]}" if name in aliases else name) + ("" if name in needed else "?")
        for name in row.parameters.__struct_fields__
    }


def test_the_table_has_the_contracts_commands() -> None:
    """A command that is added or dropped shows here."""
    assert set(COMMANDS) == set(CONTRACT)


@ROWS
def test_a_command_has_the_contracts_effect_and_parameters(row: Command) -> None:
    """Names, aliases, and what may be left out."""
    effect, names = CONTRACT[row.name]
    assert row.effect == EFFECTS[row.name] == effect
    assert parameters(row) == set(names.split())


def test_every_call_of_the_billing_service_is_a_command() -> None:
    """By the API's name in snake case; a call that a new SDK brings shows here."""
    service = billing_pb2.DESCRIPTOR.services_by_name["BillingService"]
    calls = {"".join(f"_{c.lower()}" if c.isupper() else c for c in method.name)[1:] for method in service.methods}
    assert len(calls) == 11
    assert calls <= set(COMMANDS)


@ROWS
def test_a_name_is_its_rows(row: Command) -> None:
    assert COMMANDS[row.name] is row


@ROWS
def test_a_summary_is_one_sentence(row: Command) -> None:
    assert row.summary.endswith(".")
    assert "\n" not in row.summary
    assert len(row.summary) <= 120


@ROWS
def test_a_schema_is_self_contained(row: Command) -> None:
    """Good JSON Schema with an object at its top, and nothing referred to that is not in it."""
    shape = schema(row.parameters)
    Draft202012Validator.check_schema(shape)
    assert shape["type"] == "object"
    assert shape["additionalProperties"] is False
    assert "$ref" not in str(shape) or "$defs" in shape


@pytest.mark.parametrize(
    "record",
    [*dict.fromkeys(row.parameters for row in COMMANDS.values()), Attributes, Budget, ChargeLimits],
    ids=lambda r: r.__name__,
)
def test_every_field_says_what_it_expects(record: type[Record]) -> None:
    """An error has words for each of them, and checks and aliases name fields that are there."""
    fields = set(record.__struct_fields__)
    assert all(expected(record, field) for field in fields)
    assert {*record.checks, *record.aliases.values(), *record.secrets} <= fields
    assert not set(record.aliases) & fields


@ROWS
def test_help_says_which_key_it_means(row: Command) -> None:
    """The API key or an idempotency key, also in a sentence that is read alone."""
    told = json.dumps([row.summary, schema(row.parameters), row.answer_schema()])
    assert re.findall(r"(?<!\bAPI )(?<!\bidempotency )\bkeys?\b[^\"]*", told, re.IGNORECASE) == []


def test_the_table_cannot_be_changed() -> None:
    table: Any = COMMANDS
    with pytest.raises(TypeError):
        table["help"] = None
