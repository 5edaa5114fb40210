"""From the cloud's protobuf answers to native values: the standard JSON mapping, and what is read out of it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Final

from google.protobuf.json_format import Error as JsonFormatError
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from msgspec import Struct
from viam.gen.app.v1 import app_pb2, billing_pb2

from viam_billing.core import money
from viam_billing.core.errors import CloudError
from viam_billing.core.tasks import off_loop
from viam_billing.core.times import from_rfc3339

_COST_TYPE_PREFIX: Final = "USAGE_COST_TYPE_"
_LONG_BYTES: Final = 4096


class SeenInvoice(Struct, frozen=True):
    """An invoice as far as a charge is recognized by it; None for an amount or a date that is none."""

    id: str
    amount: money.Cents | None
    date_s: float | None
    status: str


class Debt(Struct, frozen=True):
    """An outstanding invoice of more than 0 dollars; credit notes are none. `failure`: why its last payment failed."""

    id: str
    amount: float
    due_s: float | None
    failure: str
    failed_at: str

    def overdue_s(self, now_s: float) -> float:
        """How long it is past its due date, in seconds; at most 0 where it is not, or has none."""
        return 0.0 if self.due_s is None else now_s - self.due_s


def to_native(message: Message) -> dict[str, Any]:
    """The standard protobuf JSON mapping of an answer.

    The proto's own field names, enum names as text (an unknown one as its number), fields without presence even when
    zero, deprecated fields only when they are not.

    Raises: CloudError: for values that JSON has no form for, such as a date after the year 9999.
    """
    try:
        native: dict[str, Any] = MessageToDict(
            message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
    except (JsonFormatError, ValueError, OverflowError):
        raise CloudError("the cloud's answer holds a value that has no JSON form. Ask Viam's support.") from None
    for field in message.DESCRIPTOR.fields:
        if field.GetOptions().deprecated and not native.get(field.name):
            native.pop(field.name, None)
    return native


async def native(message: Message) -> dict[str, Any]:
    """The same, without holding up other callers where the answer is long."""
    return await off_loop(partial(to_native, message), long=message.ByteSize() > _LONG_BYTES)


def masked_payment_details(information: dict[str, Any]) -> dict[str, Any]:
    """Billing information without what a stranger could misuse: e-mail, routing number, the verification link."""
    shown = {**information, "billing_email": _masked_email(information.get("billing_email", ""))}
    account = information.get("method_us_bank_account")
    if account is not None:
        account = {**account, "routing_number": _masked_number(account.get("routing_number", ""))}
        if "verification_info" in account:
            account["verification_info"] = {
                name: value
                for name, value in account["verification_info"].items()
                if name != "hosted_verification_page_url"
            }
        shown["method_us_bank_account"] = account
    return shown


def _masked_email(email: str) -> str:
    name, at, domain = email.rpartition("@")
    if not at:
        return "***" if email else ""
    return f"{name[:1] if len(name) > 1 else ''}***@{domain}"


def _masked_number(number: str) -> str:
    return "*" * (len(number) - 2) + number[-2:] if len(number) > 4 else "*" * len(number)  # noqa: PLR2004 - too short to show any


def cost_by_type(usage: Mapping[str, Any]) -> dict[str, float]:
    """Dollars in whole cents by kind of usage, summed over sources, of a native `GetCurrentMonthUsageResponse`.

    Raises: CloudError: for a cost that is no amount.
    """
    return {name: money.rounded(cost) for name, cost in _costs(usage).items()}


def known_costs(usage: Mapping[str, Any]) -> dict[str, float] | None:
    """The same unrounded; None where a cost is no amount, or where the month has cost something and none is told."""
    try:
        costs = {name: float(cost) for name, cost in _costs(usage).items()}
    except CloudError:
        return None
    return costs if costs or not subtotal(usage) else None


def _costs(usage: Mapping[str, Any]) -> dict[str, float | Decimal]:
    parts: dict[str, list[float]] = {}
    for source in usage.get("resource_usage_costs_by_source", ()):
        for cost in source.get("resource_usage_costs", {}).get("usage_costs", ()):
            parts.setdefault(_cost_type_name(cost["resource_type"]), []).append(amount(cost["cost"]))
    return {name: costs[0] if len(costs) == 1 else money.total(costs) for name, costs in sorted(parts.items())}


def _cost_type_name(resource_type: str | int) -> str:
    if isinstance(resource_type, int):
        return f"unknown_{resource_type}"
    return resource_type.removeprefix(_COST_TYPE_PREFIX).lower()


def moment_s(native: Mapping[str, Any], name: str) -> float | None:
    """A timestamp of a native answer in Unix seconds, None where there is none."""
    text = native.get(name)
    return from_rfc3339(text) if text else None


def amount(value: object) -> float:
    """A figure of the cloud that is an amount of dollars; protobuf's JSON writes NaN and infinity as text.

    Raises: CloudError: for anything else.
    """
    if isinstance(value, (int, float)) and abs(value) < money.TOO_LARGE:
        return float(value)
    raise CloudError("the cloud's answer holds an amount that is no number. Ask again later, or ask Viam's support.")


def subtotal(usage: Mapping[str, Any]) -> float:
    """What a month has cost so far, in dollars and unrounded; the older total fields are no longer filled.

    Raises: CloudError: for a cost that is no amount.
    """
    return amount(usage.get("subtotal"))


def month_to_date(usage: Mapping[str, Any]) -> float:
    """The same in whole cents."""
    return money.rounded(subtotal(usage))


def debts(summary: Mapping[str, Any]) -> list[Debt]:
    """What an organization owes, of its invoices. Raises: CloudError: for an amount that is none."""
    return [
        Debt(
            invoice["id"],
            dollars,
            moment_s(invoice, "due_date"),
            invoice["last_payment_failure_reason"],
            invoice.get("last_payment_failure_at", ""),
        )
        for invoice in summary["invoices"]
        if invoice["status"] == "outstanding" and (dollars := amount(invoice["invoice_amount"])) > 0
    ]


def told_tier(information: billing_pb2.GetOrgBillingInformationResponse) -> str | None:
    """The billing tier, or None where the cloud does not tell it (it does to billing dashboard admins only)."""
    return information.billing_tier if information.HasField("billing_tier") else None


async def location_rows(answer: app_pb2.ListLocationsResponse) -> list[list[str | int]]:
    """ID, name and count of machines of each location: a fleet has thousands, so nothing else is kept of them."""

    def rows() -> list[list[str | int]]:
        return [[location.id, location.name, location.robot_count] for location in answer.locations]

    return await off_loop(rows, long=answer.ByteSize() > _LONG_BYTES)


async def seen_invoices(summary: billing_pb2.GetInvoicesSummaryResponse) -> list[SeenInvoice]:
    """The invoices of an organization, read field by field: a charge waits for it, and may have thousands before it."""
    return await off_loop(partial(_seen, summary), long=summary.ByteSize() > _LONG_BYTES)


def _seen(summary: billing_pb2.GetInvoicesSummaryResponse) -> list[SeenInvoice]:
    return [
        SeenInvoice(
            invoice.id,
            _cents(invoice.invoice_amount),
            invoice.invoice_date.seconds if invoice.HasField("invoice_date") else None,
            invoice.status,
        )
        for invoice in summary.invoices
    ]


def _cents(dollars: float) -> money.Cents | None:
    try:
        return money.to_cents(dollars)
    except ValueError:
        return None
