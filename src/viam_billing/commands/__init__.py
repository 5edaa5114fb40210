"""The table of commands: name, effect, parameters, what runs, one sentence."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from viam_billing.commands import (
    budget,
    charges,
    fleet,
    history,
    invoices,
    journal,
    locations,
    meta,
    organizations,
    usage,
)
from viam_billing.commands.context import Command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from viam_billing.settings.policy import Effect

_ROWS: Final = (
    Command(
        "get_current_month_usage",
        "read",
        "What an organization has cost this month, by kind of usage and with an estimate of the month's total.",
        usage.OrgUsageParameters,
        usage.get_current_month_usage,
    ),
    Command(
        "get_org_billing_information",
        "read",
        "How an organization pays and the tier that it is on; payment details are masked.",
        organizations.BillingInformationParameters,
        organizations.get_org_billing_information,
    ),
    Command(
        "get_invoices_summary",
        "read",
        "An organization's invoices, newest first, what is outstanding and what is overdue.",
        invoices.InvoicesParameters,
        invoices.get_invoices_summary,
    ),
    Command(
        "get_invoice_pdf",
        "read",
        "An invoice's PDF, in the answer or saved to a file in state_dir.",
        invoices.PdfParameters,
        invoices.get_invoice_pdf,
    ),
    Command(
        "send_payment_required_email",
        "notify",
        "Have Viam write to a customer's owners that a payment is due; once in 24 hours for each customer.",
        invoices.EmailParameters,
        invoices.send_payment_required_email,
    ),
    Command(
        "get_available_billing_tiers",
        "read",
        "The tiers that an organization can be put on.",
        organizations.TiersParameters,
        organizations.get_available_billing_tiers,
    ),
    Command(
        "update_organization_billing_tier",
        "change",
        "Put an organization on another tier.",
        organizations.UpdateTierParameters,
        organizations.update_organization_billing_tier,
    ),
    Command(
        "get_location_billing_organization",
        "read",
        "Which organization pays for a location.",
        locations.LocationPayerParameters,
        locations.get_location_billing_organization,
    ),
    Command(
        "update_location_billing_organization",
        "change",
        "Have another organization pay for a location.",
        locations.UpdateLocationPayerParameters,
        locations.update_location_billing_organization,
    ),
    Command(
        "charge_organization",
        "charge",
        "Charge an organization, at most once for each idempotency_key.",
        charges.ChargeParameters,
        charges.charge_organization,
    ),
    Command(
        "create_invoice_and_charge_immediately",
        "charge",
        "The same by a call that Viam has deprecated and that answers up to two minutes later.",
        charges.CreateInvoiceParameters,
        charges.create_invoice_and_charge_immediately,
    ),
    Command(
        "get_charge",
        "read",
        "One charge of the journal by its idempotency_key, and whether its invoice is paid.",
        journal.ChargeKeyParameters,
        journal.get_charge,
    ),
    Command(
        "list_charges",
        "read",
        "The charges of the journal, newest first.",
        journal.ListChargesParameters,
        journal.list_charges,
    ),
    Command(
        "reconcile_charges",
        "charge",
        "Look for the invoices of charges whose answer was lost.",
        journal.ReconcileParameters,
        journal.reconcile_charges,
    ),
    Command(
        "resolve_charge",
        "by_name",
        "Write down what a person has found out about an unknown charge.",
        journal.ResolveParameters,
        journal.resolve_charge,
    ),
    Command(
        "get_audit_log",
        "read",
        "Attempts to notify, change or charge, newest first, the refused ones too.",
        journal.AuditParameters,
        journal.get_audit_log,
    ),
    Command(
        "get_location_usage",
        "read",
        "Who pays for a location and what that organization has cost this month.",
        usage.LocationUsageParameters,
        usage.get_location_usage,
    ),
    Command(
        "get_fleet_usage",
        "read",
        "What all locations of an organization, or those listed, cost this month, by the organization that pays.",
        fleet.FleetUsageParameters,
        fleet.get_fleet_usage,
    ),
    Command(
        "check_budget",
        "read",
        "Where the month stands in the configured budget, and which thresholds it has newly crossed.",
        budget.CheckBudgetParameters,
        budget.check_budget,
    ),
    Command(
        "get_usage_history",
        "read",
        "How an organization's cost went, by hour or day, from what this machine has seen.",
        history.UsageHistoryParameters,
        history.get_usage_history,
    ),
    Command(
        "check_access",
        "read",
        "Whether the API key works and what it may read.",
        meta.AccessParameters,
        meta.check_access,
    ),
    Command(
        "help",
        "always",
        "The commands, what each takes, and whether this service's configuration allows it.",
        meta.HelpParameters,
        meta.help_,
    ),
)

COMMANDS: Final[Mapping[str, Command]] = MappingProxyType({row.name: row for row in _ROWS})

EFFECTS: Final[Mapping[str, Effect]] = MappingProxyType({row.name: row.effect for row in _ROWS})
