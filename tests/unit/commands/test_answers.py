"""The schemas of what commands answer: complete, self-contained, with words and units, and in step with Viam's API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from jsonschema import Draft202012Validator, ValidationError
from msgspec import structs, to_builtins
from viam.gen.app.v1 import app_pb2, billing_pb2

from support.answer_schemas import check, validator
from support.fake_parts import FakeClient, answering
from unit.charging.test_charge import entry
from unit.cloud_fakes import answer, make_context
from viam_billing.commands import COMMANDS, api_answers
from viam_billing.commands.charges import shown
from viam_billing.commands.context import Command
from viam_billing.settings.answers import CloudRecord

ROWS = pytest.mark.parametrize("row", COMMANDS.values(), ids=COMMANDS)

OF_API = {
    "UsageCost": "UsageCost",
    "SourceCosts": "ResourceUsageCosts",
    "UsageSource": "ResourceUsageCostsBySource",
    "MonthUsageOfApi": "GetCurrentMonthUsageResponse",
    "Invoice": "InvoiceSummary",
    "InvoicesOfApi": "GetInvoicesSummaryResponse",
    "PaymentCard": "PaymentMethodCard",
    "AccountVerification": "VerificationInfo",
    "BankAccount": "PaymentMethodUSBankAccount",
    "BillingInformationOfApi": "GetOrgBillingInformationResponse",
    "TiersOfApi": "GetAvailableBillingTiersResponse",
    "Address": "BillingAddress",
    "BillingServiceOfApi": "GetBillingServiceConfigResponse",
    "SupportEmailOfApi": "OrganizationGetSupportEmailResponse",
    "LogoOfApi": "OrganizationGetLogoResponse",
    "PayerOfApi": "GetLocationBillingOrganizationResponse",
}
"""Records of what the API answers, and their messages."""
LEFT_OUT = {"AccountVerification": {"hosted_verification_page_url"}, "PayerOfApi": {"billing_organization_id"}}
"""Fields without presence that the module leaves out: a masked one, and an organization that is not named."""


def values(shape: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every named value of an answer, the objects in it included."""
    for part in (shape, *shape.get("$defs", {}).values()):
        yield from part["properties"].items()


@ROWS
def test_an_answer_has_a_schema_of_its_own(row: Command) -> None:
    """Good JSON Schema with an object at its top, which tells more than that, and nothing outside of it is meant."""
    shape = row.answer_schema()
    Draft202012Validator.check_schema(shape)
    assert shape["type"] == "object"
    assert shape["properties"]
    assert "$ref" not in str(shape) or "$defs" in shape


@ROWS
def test_every_field_of_an_answer_has_words_and_a_unit(row: Command) -> None:
    """Dollars, or RFC 3339 in UTC; a number that is neither says what it counts."""
    for name, value in values(row.answer_schema()):
        assert value["description"].endswith("."), name
        amount, time = value.get("format") == "usd", value.get("format") == "date-time"
        assert amount == (value.get("type") == "number" and "US dollars" in value["description"]), name
        assert time == ("RFC 3339 in UTC" in value["description"]), name
        assert amount or value.get("type") != "number" or "fraction" in name, name


@ROWS
def test_only_answers_of_the_api_may_have_fields_that_are_not_described(row: Command) -> None:
    passes = {
        *("get_current_month_usage", "get_org_billing_information", "get_invoices_summary"),
        *("get_available_billing_tiers", "get_location_billing_organization", "get_billing_service_config"),
        *("organization_get_support_email", "organization_get_logo"),
    }
    assert (row.answer_schema().get("additionalProperties") is not False) == (row.name in passes)


def test_a_dry_run_answers_in_another_way() -> None:
    """Either the fields of what was done, or those of what would be."""
    changed = {"organization_id": "a", "billing_tier": "t"}
    dry = {"dry_run": True, "would_send": {}}
    held = validator("update_organization_billing_tier")
    assert held.is_valid(changed)
    assert held.is_valid(dry)
    assert not held.is_valid({**changed, **dry})
    assert not held.is_valid({"organization_id": "a"})


def test_an_answer_that_is_not_as_it_is_told_is_found() -> None:
    """In either spelling; the integration tests hold every answer so."""
    right = {"sent": 1, "failed": []}
    check({"test_alert": {}}, {"test_alert": right})
    for wrong in ({"sent": 1}, {**right, "sent": "1"}, {**right, "more": 1}, {**right, "failed": [{"position": 1}]}):
        with pytest.raises(ValidationError):
            check({"command": "test_alert"}, wrong)


def records_of_api() -> set[type[CloudRecord]]:
    """All that are declared."""
    declared = {value for value in vars(api_answers).values() if isinstance(value, type)}
    return {value for value in declared if issubclass(value, CloudRecord)} - {CloudRecord}


def test_every_record_of_the_api_has_its_message() -> None:
    assert {record.__name__ for record in records_of_api()} == set(OF_API)


@pytest.mark.parametrize("record", sorted(records_of_api(), key=str), ids=lambda record: record.__name__)
def test_what_is_known_of_the_api_is_all_that_the_sdk_knows(record: Any) -> None:  # noqa: ANN401 - a record's class
    """A field that a new SDK brings passes, and shows here; so does one that may be left out and need not be there."""
    name = OF_API[record.__name__]
    protos = next(each.DESCRIPTOR for each in (billing_pb2, app_pb2) if name in each.DESCRIPTOR.message_types_by_name)
    message: Descriptor = protos.message_types_by_name[name]
    fields = [field for field in message.fields if not field.GetOptions().deprecated]
    assert set(record.__struct_fields__) == {field.name for field in fields}
    optional = {field.name for field in fields if field.has_presence} | LEFT_OUT.get(record.__name__, set())
    assert {field.name for field in structs.fields(record) if not field.required} == optional


def of_newer_api(name: str, *changed: str) -> Message:
    """An answer of an API in which some messages have one more field, `carbon_kg`."""
    file = FileDescriptorProto()
    billing_pb2.DESCRIPTOR.CopyToProto(file)
    for message in file.message_type:
        if message.name in changed:
            message.field.add(name="carbon_kg", number=900, type="TYPE_DOUBLE", label="LABEL_OPTIONAL")
    pool = DescriptorPool()
    for known in billing_pb2.DESCRIPTOR.dependencies:
        pool.AddSerializedFile(known.serialized_pb)
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"viam.app.v1.{name}"))()


async def test_fields_that_a_newer_api_adds_pass() -> None:
    """Beside those that are known, and in the objects of a list."""
    summary: Any = of_newer_api("GetInvoicesSummaryResponse", "GetInvoicesSummaryResponse", "InvoiceSummary")
    summary.invoices.add(id="i", carbon_kg=2.5)
    summary.carbon_kg = 3.5
    found = await answer(make_context(FakeClient(answering(summary))), {"command": "get_invoices_summary"})
    assert (found["carbon_kg"], found["invoices"][0]["carbon_kg"], found["total_invoices"]) == (3.5, 2.5, 1)
    validator("get_invoices_summary").validate(found)


@pytest.mark.parametrize(
    ("command", "response"),
    [
        ("get_current_month_usage", "GetCurrentMonthUsageResponse"),
        ("get_org_billing_information", "GetOrgBillingInformationResponse"),
        ("get_available_billing_tiers", "GetAvailableBillingTiersResponse"),
    ],
)
async def test_a_field_that_a_newer_api_adds_passes(command: str, response: str) -> None:
    """Of every answer that is the API's own."""
    message: Any = of_newer_api(response, response)
    message.carbon_kg = 3.5
    found = await answer(make_context(FakeClient(answering(message))), {"command": command})
    assert found["carbon_kg"] == 3.5
    validator(command).validate(found)


def test_an_entry_of_the_journal_shows_what_is_known() -> None:
    assert to_builtins(shown(entry())) == {
        "idempotency_key": "k",
        "command": "charge_organization",
        "state": "sent",
        "org_id": "a",
        "total": 10.0,
        "created_at": "1970-01-01T00:00:00Z",
        "attempts": 1,
        "reconcilable": True,
    }
    full = to_builtins(
        shown(entry(error_code="c", error_text="t", candidates=("i",), sent_at=1.0, late_invoice="l", note="n"))
    )
    assert full["error"] == {"code": "c", "message": "t"}
    assert (full["candidates"], full["sent_at"], full["late_invoice"], full["note"]) == (
        ["i"],
        "1970-01-01T00:00:01Z",
        "l",
        "n",
    )
