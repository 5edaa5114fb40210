"""Every record of an answer. They are loaded at the first use of one: the library behind them takes 10 ms to import."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from viam_billing_client.answers.base import Answer, CloudAnswer, Costs, DryRun, RowError
    from viam_billing_client.answers.charges import (
        AuditEntry,
        AuditLog,
        Charge,
        ChargeFound,
        ChargeMade,
        Charges,
        Reconciliation,
    )
    from viam_billing_client.answers.organizations import (
        Aging,
        BankAccount,
        BankVerification,
        BillingInformation,
        BillingTiers,
        Card,
        EmailSent,
        Invoice,
        InvoicePdf,
        InvoicesSummary,
        LocationPayer,
        PayerChange,
        TierChange,
    )
    from viam_billing_client.answers.service import (
        AccessCheck,
        AlertFailure,
        AlertsSent,
        CommandHelp,
        Help,
        JournalStatus,
        ServiceStatus,
    )
    from viam_billing_client.answers.usage import (
        Budget,
        BudgetCheck,
        FleetLocation,
        FleetOrganization,
        FleetUsage,
        LocationUsage,
        MonthUsage,
        Projection,
        ResourceUsageCosts,
        SourceCosts,
        TypeComparison,
        UsageComparison,
        UsageCost,
        UsageHistory,
        UsagePoint,
    )

__all__ = [
    "AccessCheck",
    "Aging",
    "AlertFailure",
    "AlertsSent",
    "Answer",
    "AuditEntry",
    "AuditLog",
    "BankAccount",
    "BankVerification",
    "BillingInformation",
    "BillingTiers",
    "Budget",
    "BudgetCheck",
    "Card",
    "Charge",
    "ChargeFound",
    "ChargeMade",
    "Charges",
    "CloudAnswer",
    "CommandHelp",
    "Costs",
    "DryRun",
    "EmailSent",
    "FleetLocation",
    "FleetOrganization",
    "FleetUsage",
    "Help",
    "Invoice",
    "InvoicePdf",
    "InvoicesSummary",
    "JournalStatus",
    "LocationPayer",
    "LocationUsage",
    "MonthUsage",
    "PayerChange",
    "Projection",
    "Reconciliation",
    "ResourceUsageCosts",
    "RowError",
    "ServiceStatus",
    "SourceCosts",
    "TierChange",
    "TypeComparison",
    "UsageComparison",
    "UsageCost",
    "UsageHistory",
    "UsagePoint",
]


if not TYPE_CHECKING:  # a type checker would take any name for one of this module

    def __getattr__(name: str) -> object:
        """Load all records when one is asked for."""
        if name not in __all__:
            raise AttributeError(f"module {__name__} has no attribute {name}")
        for family in ("base", "usage", "organizations", "charges", "service"):
            loaded = import_module(f"{__name__}.{family}")
            globals().update({each: value for each, value in vars(loaded).items() if each in __all__})
        return globals()[name]
