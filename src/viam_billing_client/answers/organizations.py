"""Records of organizations: invoices, how they pay, their tiers, who pays for a location, and changes of these."""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime
from decimal import Decimal

from viam_billing_client.answers.base import Answer, CloudAnswer


class Invoice(Answer, frozen=True, kw_only=True):
    """One invoice, as Viam's API has it."""

    id: str
    invoice_date: datetime | None = None
    invoice_amount: Decimal
    """US dollars; not above 0 for a credit note."""
    status: str
    """Viam uses `outstanding`, `paid` and `payment_processing`; other words may come."""
    due_date: datetime | None = None
    paid_date: datetime | None = None
    last_payment_failure_reason: str
    """Empty where no payment failed."""
    last_payment_failure_at: datetime | None = None


class Aging(Answer, frozen=True, kw_only=True):
    """US dollars outstanding by days past `due_date`, in whole cents."""

    not_due: Decimal
    days_1_30: Decimal
    days_31_60: Decimal
    days_61_90: Decimal
    over_90: Decimal


class InvoicesSummary(CloudAnswer, frozen=True, kw_only=True):
    """An organization's invoices, newest first. The other figures count all its invoices, whatever the parameters."""

    org_id: str
    outstanding_balance: Decimal
    """US dollars; Viam's own figure."""
    invoices: tuple[Invoice, ...]
    total_invoices: int
    overdue_count: int
    overdue_balance: Decimal
    """US dollars in whole cents."""
    aging: Aging
    failed_payment_count: int
    """Outstanding invoices whose payment failed."""


class InvoicePdf(CloudAnswer, frozen=True, kw_only=True):
    """An invoice's PDF, in the answer or in a file on the machine that runs the module."""

    invoice_id: str
    org_id: str
    size_bytes: int
    sha256: str
    content_base64: str | None = None
    """None where it was saved; `content` has the bytes."""
    path: str | None = None
    """Where `save_as` has saved it, on the machine that runs the module."""

    @property
    def content(self) -> bytes | None:
        """The PDF; None where it was saved to `path`."""
        return None if self.content_base64 is None else b64decode(self.content_base64)


class Card(Answer, frozen=True, kw_only=True):
    """The card that an organization pays with."""

    brand: str
    last_four_digits: str


class BankVerification(Answer, frozen=True, kw_only=True):
    """How a bank account is verified."""

    arrival_date: str
    """Unix seconds as text, as the API has it."""
    hosted_verification_page_url: str | None = None
    """None unless the service reveals payment details."""


class BankAccount(Answer, frozen=True, kw_only=True):
    """The bank account that an organization pays with."""

    bank_name: str
    last_four_digits_account_number: str
    routing_number: str
    """Masked unless the service reveals payment details."""
    account_type: str
    verification_info: BankVerification | None = None


class BillingInformation(CloudAnswer, frozen=True, kw_only=True):
    """How an organization pays."""

    org_id: str
    type: str | int
    """Such as `PAYMENT_METHOD_TYPE_CARD`; the number of one that the module does not know."""
    billing_email: str
    """Masked unless the service reveals payment details."""
    method: Card | None = None
    method_us_bank_account: BankAccount | None = None
    billing_tier: str | None = None
    """None if Viam does not say: it does so to billing dashboard admins only."""


class BillingTiers(CloudAnswer, frozen=True, kw_only=True):
    """The tiers that an organization can be put on."""

    tiers: tuple[str, ...]


class LocationPayer(CloudAnswer, frozen=True, kw_only=True):
    """Who pays for a location."""

    location_id: str
    billing_organization_id: str | None = None
    """None where the API names nobody."""


class EmailSent(Answer, frozen=True, kw_only=True):
    """A reminder to pay that Viam has sent."""

    customer_org_id: str
    billing_owner_org_id: str
    sent: bool


class TierChange(Answer, frozen=True, kw_only=True):
    """An organization's tier after a change. `changed` is None if Viam did not say what the tier was."""

    organization_id: str
    billing_tier: str
    previous_billing_tier: str | None = None
    changed: bool | None = None


class PayerChange(Answer, frozen=True, kw_only=True):
    """Who pays for a location after a change."""

    location_id: str
    billing_organization_id: str
    previous_billing_organization_id: str | None = None
    """None if the API named nobody."""
    changed: bool
