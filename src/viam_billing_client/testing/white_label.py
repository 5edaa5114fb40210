"""An answer of each command about white-labelled billing, in JSON values and without its `org_id`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

_AS_OF: Final = {"as_of": "2026-11-21T12:00:00Z", "stale": False}
_EMAIL: Final = "help@fleetworks.example"
_LOGO: Final = "https://fleetworks.example/logo.png"
_ADDRESS: Final = {
    "address_line_1": "1 Main Street",
    "city": "Springfield",
    "state": "IL",
    "zipcode": "62701",
    "country": "US",
}

WHITE_LABEL: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "get_billing_service_config": {
            "billing_address": _ADDRESS,
            "support_email": _EMAIL,
            "logo_url": _LOGO,
            "billing_dashboard_url": "https://app.viam.com/billing",
            **_AS_OF,
        },
        "organization_get_support_email": {"email": _EMAIL, **_AS_OF},
        "organization_get_logo": {"url": _LOGO, **_AS_OF},
        "enable_billing_service": {"billing_address": _ADDRESS, "changed": True},
        "update_billing_service": {"billing_address": _ADDRESS, "changed": True},
        "disable_billing_service": {"changed": True},
        "organization_set_support_email": {"email": _EMAIL, "changed": True},
        "organization_set_logo": {"size_bytes": 67, "url": _LOGO},
    }
)
