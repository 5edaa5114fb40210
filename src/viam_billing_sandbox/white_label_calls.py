"""The calls of AppService about white-labelled billing: an organization that bills others under its own name."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from google.protobuf.json_format import MessageToDict
from grpclib.const import Status
from viam.gen.app.v1 import app_pb2

from viam_billing_sandbox.cloud import Refused, require_owner

if TYPE_CHECKING:
    from viam_billing_sandbox.cloud import Call, Cloud
    from viam_billing_sandbox.scenario import Organization

_LARGEST_LOGO_BYTES: Final = 200_000


def get_billing_service_config(
    cloud: Cloud, call: Call, request: app_pb2.GetBillingServiceConfigRequest
) -> app_pb2.GetBillingServiceConfigResponse:
    """Returns how an organization bills others; without an address where it does not."""
    found = _owned(cloud, call, request.org_id)
    answer = app_pb2.GetBillingServiceConfigResponse(support_email=found.support_email, logo_url=found.logo_url)
    if found.billing_address is not None:
        answer.billing_address.CopyFrom(found.billing_address)
        answer.billing_dashboard_url = f"https://sandbox.invalid/billing/{found.id}"
    return answer


def enable_billing_service(
    cloud: Cloud, call: Call, request: app_pb2.EnableBillingServiceRequest
) -> app_pb2.EnableBillingServiceResponse:
    """Lets an organization bill others."""
    _set_address(cloud, _owned(cloud, call, request.org_id), request.billing_address)
    return app_pb2.EnableBillingServiceResponse()


def update_billing_service(
    cloud: Cloud, call: Call, request: app_pb2.UpdateBillingServiceRequest
) -> app_pb2.UpdateBillingServiceResponse:
    """Changes the address of one that does."""
    found = _owned(cloud, call, request.org_id)
    if found.billing_address is None:
        raise Refused(Status.FAILED_PRECONDITION, "the billing service is not enabled")
    _set_address(cloud, found, request.billing_address)
    return app_pb2.UpdateBillingServiceResponse()


def disable_billing_service(
    cloud: Cloud, call: Call, request: app_pb2.DisableBillingServiceRequest
) -> app_pb2.DisableBillingServiceResponse:
    """Ends it."""
    found = _owned(cloud, call, request.org_id)
    found.billing_address = None
    cloud.records.changes.append({"org_id": found.id, "billing_address": None})
    return app_pb2.DisableBillingServiceResponse()


def organization_set_support_email(
    cloud: Cloud, call: Call, request: app_pb2.OrganizationSetSupportEmailRequest
) -> app_pb2.OrganizationSetSupportEmailResponse:
    """Sets where customers find help."""
    found = _owned(cloud, call, request.org_id)
    found.support_email = request.email
    cloud.records.changes.append({"org_id": found.id, "email": request.email})
    return app_pb2.OrganizationSetSupportEmailResponse()


def organization_get_support_email(
    cloud: Cloud, call: Call, request: app_pb2.OrganizationGetSupportEmailRequest
) -> app_pb2.OrganizationGetSupportEmailResponse:
    """Returns where customers find help."""
    return app_pb2.OrganizationGetSupportEmailResponse(email=_owned(cloud, call, request.org_id).support_email)


def organization_set_logo(
    cloud: Cloud, call: Call, request: app_pb2.OrganizationSetLogoRequest
) -> app_pb2.OrganizationSetLogoResponse:
    """Sets the logo; keeps an address that its content makes, and not the content."""
    found = _owned(cloud, call, request.org_id)
    if len(request.logo) > _LARGEST_LOGO_BYTES or not request.logo.startswith(b"\x89PNG"):
        raise Refused(Status.INVALID_ARGUMENT, "the logo has to be a PNG of at most 200 KB")
    found.logo_url = f"https://sandbox.invalid/logos/{hashlib.sha256(request.logo).hexdigest()[:16]}.png"
    cloud.records.changes.append({"org_id": found.id, "logo_bytes": len(request.logo)})
    return app_pb2.OrganizationSetLogoResponse()


def organization_get_logo(
    cloud: Cloud, call: Call, request: app_pb2.OrganizationGetLogoRequest
) -> app_pb2.OrganizationGetLogoResponse:
    """Returns where the logo is."""
    return app_pb2.OrganizationGetLogoResponse(url=_owned(cloud, call, request.org_id).logo_url)


def _owned(cloud: Cloud, call: Call, org_id: str) -> Organization:
    require_owner(call)
    return cloud.owned(call, org_id)


def _set_address(cloud: Cloud, organization: Organization, address: app_pb2.BillingAddress) -> None:
    organization.billing_address = address
    shown = MessageToDict(address, preserving_proto_field_name=True)
    cloud.records.changes.append({"org_id": organization.id, "billing_address": shown})
