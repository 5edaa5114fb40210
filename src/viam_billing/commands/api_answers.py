"""What is known of the answers of Viam's API, in protobuf's JSON mapping; a test holds it to the protos of the SDK.

Fields without presence are always there, and deprecated ones, which are not described, where they are not zero. A value
of an enum that the SDK does not know is its number.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, UnsetType

from viam_billing.commands.address import Address
from viam_billing.settings.answers import CloudRecord, api_usd, says, utc


class UsageCost(CloudRecord, frozen=True, kw_only=True):
    """What one kind of usage has cost."""

    resource_type: Annotated[str | int, says("The kind of usage, such as USAGE_COST_TYPE_PER_MACHINE")]
    cost: Annotated[float, api_usd("Its cost")]


class SourceCosts(CloudRecord, frozen=True, kw_only=True):
    """What the usage of one source has cost."""

    usage_costs: Annotated[list[UsageCost], says("By kind of usage")]
    discount: Annotated[float, api_usd("The discount on all of it")]
    total_with_discount: Annotated[float, api_usd("What it has cost")]
    total_without_discount: Annotated[float, api_usd("What it would have cost without the discount")]


class UsageSource(CloudRecord, frozen=True, kw_only=True):
    """A source of usage: the organization itself, or a fragment."""

    source_type: Annotated[str | int, says("What the source is: SOURCE_TYPE_ORG or SOURCE_TYPE_FRAGMENT")]
    tier_name: Annotated[str, says("The source's tier, may be empty")]
    resource_usage_costs: Annotated[SourceCosts, says("What its usage has cost")] | UnsetType = UNSET


class MonthUsageOfApi(CloudRecord, frozen=True, kw_only=True):
    """`GetCurrentMonthUsageResponse`, without its deprecated fields."""

    start_date: Annotated[str, utc("When the month begins, as the API has it")] | UnsetType = UNSET
    end_date: Annotated[str, utc("When the month ends, as the API has it")] | UnsetType = UNSET
    resource_usage_costs_by_source: Annotated[list[UsageSource], says("What usage has cost, by its source")]
    subtotal: Annotated[float, api_usd("What the month has cost so far")]


class Invoice(CloudRecord, frozen=True, kw_only=True):
    """One invoice, as the API has it."""

    id: Annotated[str, says("The invoice's ID")]
    invoice_date: Annotated[str, utc("When it was made")] | UnsetType = UNSET
    invoice_amount: Annotated[float, api_usd("What it is of; a credit note's is not above 0")]
    status: Annotated[str, says("outstanding, paid, payment_processing, or a word of a newer API")]
    due_date: Annotated[str, utc("When it is to be paid")] | UnsetType = UNSET
    paid_date: Annotated[str, utc("When it was paid")] | UnsetType = UNSET
    last_payment_failure_reason: Annotated[str, says("Why its last payment failed; empty where none did")]
    last_payment_failure_at: Annotated[str, utc("When that was")] | UnsetType = UNSET


class InvoicesOfApi(CloudRecord, frozen=True, kw_only=True):
    """`GetInvoicesSummaryResponse`; `invoices` are those that were asked for."""

    outstanding_balance: Annotated[float, api_usd("What is outstanding, as Viam tells it")]
    invoices: Annotated[list[Invoice], says("Those that status, since and limit choose, newest first")]


class PaymentCard(CloudRecord, frozen=True, kw_only=True):
    """A card, as the API has it."""

    brand: Annotated[str, says("The card's brand")]
    last_four_digits: Annotated[str, says("The last four digits of its number")]


class AccountVerification(CloudRecord, frozen=True, kw_only=True):
    """How a bank account is verified, as the API has it."""

    arrival_date: Annotated[str, says("When the bank's micro-deposits arrive, in Unix seconds as text")]
    hosted_verification_page_url: Annotated[str, says("The page that verifies it, if revealed")] | UnsetType = UNSET


class BankAccount(CloudRecord, frozen=True, kw_only=True):
    """A US bank account, as the API has it."""

    bank_name: Annotated[str, says("The bank's name")]
    last_four_digits_account_number: Annotated[str, says("The last four digits of the account's number")]
    routing_number: Annotated[str, says("The bank's routing number, masked unless revealed")]
    account_type: Annotated[str, says("The account's type, such as checking")]
    verification_info: Annotated[AccountVerification, says("Only of an account not verified yet")] | UnsetType = UNSET


class BillingInformationOfApi(CloudRecord, frozen=True, kw_only=True):
    """`GetOrgBillingInformationResponse`; `reveal_payment_details` decides what is masked."""

    type: Annotated[str | int, says("How it pays, such as PAYMENT_METHOD_TYPE_CARD")]
    billing_email: Annotated[str, says("Where invoices are sent, masked unless revealed")]
    method: Annotated[PaymentCard, says("The card, where it pays by card")] | UnsetType = UNSET
    method_us_bank_account: Annotated[BankAccount, says("The account, where it pays by bank")] | UnsetType = UNSET
    billing_tier: Annotated[str, says("Its tier, told to billing dashboard admins only")] | UnsetType = UNSET


class TiersOfApi(CloudRecord, frozen=True, kw_only=True):
    """`GetAvailableBillingTiersResponse`."""

    tiers: Annotated[list[str], says("The tiers that an organization can be put on")]


class BillingServiceOfApi(CloudRecord, frozen=True, kw_only=True):
    """`GetBillingServiceConfigResponse`."""

    billing_address: Annotated[Address, says("Its address, where it bills others")] | UnsetType = UNSET
    support_email: Annotated[str, says("Where its customers find help; may be empty")]
    logo_url: Annotated[str, says("Where its logo is; may be empty")]
    billing_dashboard_url: Annotated[str, says("Its billing dashboard; may be empty")]


class SupportEmailOfApi(CloudRecord, frozen=True, kw_only=True):
    """`OrganizationGetSupportEmailResponse`."""

    email: Annotated[str, says("Where its customers find help; may be empty")]


class LogoOfApi(CloudRecord, frozen=True, kw_only=True):
    """`OrganizationGetLogoResponse`."""

    url: Annotated[str, says("Where its logo is; may be empty")]


class PayerOfApi(CloudRecord, frozen=True, kw_only=True):
    """`GetLocationBillingOrganizationResponse`."""

    billing_organization_id: Annotated[str, says("The organization that pays, if any is named")] | UnsetType = UNSET
