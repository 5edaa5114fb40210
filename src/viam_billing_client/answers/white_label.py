"""Records of organizations that bill others under their own name: address, support e-mail, logo, and changes."""

from __future__ import annotations

from viam_billing_client.answers.base import Answer, CloudAnswer


class Address(Answer, frozen=True, kw_only=True):
    """The address of an organization that bills others; a parameter too."""

    address_line_1: str
    address_line_2: str | None = None
    city: str
    state: str
    zipcode: str
    country: str


class BillingService(CloudAnswer, frozen=True, kw_only=True):
    """How an organization bills others. Texts are empty where nothing was set."""

    org_id: str
    billing_address: Address | None = None
    """None where it bills nobody under its own name."""
    support_email: str
    logo_url: str
    billing_dashboard_url: str


class SupportEmail(CloudAnswer, frozen=True, kw_only=True):
    """Where the customers of an organization find help. Empty where nothing was set."""

    org_id: str
    email: str


class Logo(CloudAnswer, frozen=True, kw_only=True):
    """Where the logo of an organization is. Empty where none was set."""

    org_id: str
    url: str


class BillingServiceChange(Answer, frozen=True, kw_only=True):
    """The end of billing others. `changed` is None where Viam tells no address, neither before nor after."""

    org_id: str
    changed: bool | None = None


class AddressChange(BillingServiceChange, frozen=True, kw_only=True):
    """The address after a change."""

    billing_address: Address


class SupportEmailChange(BillingServiceChange, frozen=True, kw_only=True):
    """The support e-mail after a change."""

    email: str


class LogoChange(Answer, frozen=True, kw_only=True):
    """The logo after a change."""

    org_id: str
    size_bytes: int
    url: str | None = None
    """Where it is now; None where Viam does not tell it."""
