"""An answer of each command as the module may give it, in JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

ORG: Final = "6f1c2d3e-4b5a-4c69-9d78-1a2b3c4d5e6f"
CUSTOMER: Final = "a27b41c8-3d5f-4e02-b6a9-7c8d9e0f1a2b"
LOCATION: Final = "wh1north01"
_AS_OF: Final = {"as_of": "2026-11-21T12:00:00Z", "stale": False}
_MONTH: Final = {"start_date": "2026-11-01T00:00:00Z", "end_date": "2026-12-01T00:00:00Z"}
_PROJECTION: Final = {"total": 1926.0, "method": "straight_line", "elapsed_fraction": 0.683333}
_COSTS: Final = {"binary_data_upload": 332.1, "per_machine": 984.0}
_BUDGET: Final = {
    "status": "warning",
    "monthly_budget": 2500.0,
    "used_fraction": 0.52644,
    "projected_status": "warning",
}

ENTRY: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "idempotency_key": "visit-1",
        "command": "charge_organization",
        "state": "succeeded",
        "org_id": CUSTOMER,
        "total": 43.3,
        "invoice_id": "in_1",
        "created_at": "2026-11-21T12:00:00Z",
        "sent_at": "2026-11-21T12:00:00Z",
        "attempts": 1,
        "reconcilable": True,
    }
)
"""A charge that has succeeded."""

SAMPLES: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    {
        "get_location_usage": {
            "location_id": LOCATION,
            "billing_organization_id": ORG,
            "month_to_date": 1316.1,
            "projection": _PROJECTION,
            "cost_by_type": _COSTS,
            "budget": _BUDGET,
            **_MONTH,
            **_AS_OF,
        },
        "get_fleet_usage": {
            "organizations": [
                {"org_id": ORG, "location_ids": [LOCATION], "month_to_date": 1316.1, "projection": _PROJECTION}
            ],
            "locations": [
                {"location_id": LOCATION, "name": "North", "machine_count": 12, "billing_organization_id": ORG}
            ],
            "total_month_to_date": 1316.1,
            "failed_count": 0,
            "complete": True,
            "out_of_scope_count": 0,
            **_AS_OF,
        },
        "check_budget": {
            "location_id": LOCATION,
            "billing_organization_id": ORG,
            "month_to_date": 1316.1,
            **_BUDGET,
            "thresholds_crossed": [0.5],
            "newly_crossed": [0.5],
            "projected_thresholds_crossed": [0.5],
            "newly_projected": [],
            **_AS_OF,
        },
        "get_usage_history": {
            "org_id": ORG,
            "points": [
                {"time": "2026-11-20T23:59:00Z", "month_to_date": 1250.5},
                {"time": "2026-11-21T12:00:00Z", "month_to_date": 1316.1, "delta": 65.6},
            ],
        },
        "compare_usage": {
            "org_id": ORG,
            "month_to_date": 1316.1,
            "previous_month_to_date": 1250.0,
            "change": 66.1,
            "change_fraction": 0.05288,
            "previous_total": 1822.37,
            "by_type": [{"type": "per_machine", "now": 984.0, "before": 940.0, "change": 44.0}],
            **_AS_OF,
        },
        "get_current_month_usage": {
            "org_id": ORG,
            "subtotal": 1316.1049999999998,
            "resource_usage_costs_by_source": [
                {
                    "source_type": "SOURCE_TYPE_ORG",
                    "tier_name": "",
                    "resource_usage_costs": {
                        "usage_costs": [{"resource_type": "USAGE_COST_TYPE_PER_MACHINE", "cost": 1316.1049999999998}],
                        "discount": 0.0,
                        "total_with_discount": 1316.1049999999998,
                        "total_without_discount": 1316.1049999999998,
                    },
                }
            ],
            "cost_by_type": {"per_machine": 1316.1},
            "projection": _PROJECTION,
            **_MONTH,
            **_AS_OF,
        },
        "get_org_billing_information": {
            "org_id": ORG,
            "type": "PAYMENT_METHOD_TYPE_CARD",
            "billing_email": "b***@fleetworks.example",
            "method": {"brand": "visa", "last_four_digits": "4242"},
            "billing_tier": "enterprise",
            **_AS_OF,
        },
        "get_invoices_summary": {
            "org_id": ORG,
            "outstanding_balance": 166.1,
            "invoices": [
                {
                    "id": "FW-2026-09",
                    "invoice_date": "2026-09-01T00:00:00Z",
                    "invoice_amount": 166.1,
                    "status": "outstanding",
                    "due_date": "2026-09-15T00:00:00Z",
                    "last_payment_failure_reason": "card_declined",
                    "last_payment_failure_at": "2026-09-06T00:00:00Z",
                }
            ],
            "total_invoices": 1,
            "overdue_count": 1,
            "overdue_balance": 166.1,
            "aging": {"not_due": 0.0, "days_1_30": 0.0, "days_31_60": 0.0, "days_61_90": 166.1, "over_90": 0.0},
            "failed_payment_count": 1,
            **_AS_OF,
        },
        "get_invoice_pdf": {
            "invoice_id": "FW-2026-09",
            "org_id": ORG,
            "size_bytes": 15,
            "sha256": "14bcd090baf31edba64e9cbd8cdfc15f943344aa72cb3675ad8e91bfcbce03ad",
            "content_base64": "JVBERi0xLjQKJSVFT0YK",
            **_AS_OF,
        },
        "get_available_billing_tiers": {"tiers": ["standard", "fleet", "enterprise"], **_AS_OF},
        "get_location_billing_organization": {"location_id": LOCATION, "billing_organization_id": ORG, **_AS_OF},
        "send_payment_required_email": {"customer_org_id": CUSTOMER, "billing_owner_org_id": ORG, "sent": True},
        "update_organization_billing_tier": {
            "organization_id": CUSTOMER,
            "billing_tier": "enterprise",
            "previous_billing_tier": "fleet",
            "changed": True,
        },
        "update_location_billing_organization": {
            "location_id": LOCATION,
            "billing_organization_id": CUSTOMER,
            "previous_billing_organization_id": ORG,
            "changed": True,
        },
        "test_alert": {"sent": 1, "failed": [{"position": 2, "why": "the connection was refused"}]},
        "charge_organization": {**ENTRY, "replayed": False},
        "create_invoice_and_charge_immediately": {
            **ENTRY,
            "command": "create_invoice_and_charge_immediately",
            "replayed": False,
        },
        "get_charge": {**ENTRY, "payment_status": "paid", **_AS_OF},
        "list_charges": {"charges": [dict(ENTRY)]},
        "reconcile_charges": {"settled": [dict(ENTRY)], "still_unknown": []},
        "resolve_charge": {**ENTRY, "note": "Kim: seen in the app"},
        "get_audit_log": {
            "entries": [
                {
                    "time": "2026-11-21T12:00:00Z",
                    "command": "charge_organization",
                    "parameters": {"org_id_to_charge": CUSTOMER, "subtotal": 43.3, "idempotency_key": "visit-1"},
                    "allowed": True,
                    "idempotency_key": "visit-1",
                }
            ]
        },
        "check_access": {
            "api_key_id": "0b3f7d5e-9c1a-4f62-8e57-2d4c6a8b9e10",
            "app_address": "https://app.viam.com",
            "authenticated": True,
            "calls": {"get_current_month_usage": "ok", "get_invoices_summary": "key_lacks_permission"},
            **_AS_OF,
        },
        "get_status": {
            "version": "0.1.0",
            "connected": True,
            "last_success": "2026-11-21T12:00:00Z",
            "cloud_calls": 2,
            "logins": 1,
            "retries": 0,
            "cache_hits": 0,
            "cache_misses": 2,
            "stale_answers": 0,
            "unknown_charges": 0,
            "charged_last_24h": 43.3,
            "journal": {"id": "5f0c9a1e7b3d2468", "created": "2026-11-02T09:30:00Z", "entries": 1},
            "allowed_commands": ["charge", "read"],
        },
        "help": {
            "version": "0.1.0",
            "commands": {
                "check_access": {
                    "summary": "Whether the API key works and what it may read.",
                    "effect": "read",
                    "allowed": True,
                    "parameters": {
                        "type": "object",
                        "properties": {},
                        "required": [],
                        "additionalProperties": False,
                    },
                    "answer": {"type": "object"},
                }
            },
        },
    }
)
