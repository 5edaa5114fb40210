"""Logging in, and the calls of AppService that lead from an organization to its locations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpclib.const import Status
from viam.gen.app.v1 import app_pb2
from viam.gen.proto.rpc.v1 import auth_pb2

from viam_billing_sandbox.cloud import Refused

if TYPE_CHECKING:
    from viam_billing_sandbox.cloud import Call, Cloud
    from viam_billing_sandbox.scenario import Location, Organization


def authenticate(cloud: Cloud, call: Call, request: auth_pb2.AuthenticateRequest) -> auth_pb2.AuthenticateResponse:
    """Exchanges an API key for a token."""
    token = None
    if request.credentials.type == "api-key":
        token = cloud.sessions.log_in(
            request.entity,
            request.credentials.payload,
            token=call.plan.first(lambda fault: fault.token),
            size_bytes=call.plan.first(lambda fault: fault.token_size_bytes),
        )
    if token is None:
        raise Refused(Status.UNAUTHENTICATED, "invalid credentials")
    cloud.records.logins += 1
    return auth_pb2.AuthenticateResponse(access_token=token)


def list_organizations(
    cloud: Cloud, call: Call, _request: app_pb2.ListOrganizationsRequest
) -> app_pb2.ListOrganizationsResponse:
    """Lists the organizations that the key belongs to."""
    everything = cloud.scenario.organizations.values()
    mine = [each for each in everything if call.key is not None and call.key.owns(each.id)]
    return app_pb2.ListOrganizationsResponse(organizations=[_organization(each) for each in mine])


def get_organization(
    cloud: Cloud, call: Call, request: app_pb2.GetOrganizationRequest
) -> app_pb2.GetOrganizationResponse:
    """Returns one of the organizations that the key belongs to."""
    found = cloud.owned(call, request.organization_id)
    return app_pb2.GetOrganizationResponse(organization=_organization(found))


def list_locations(cloud: Cloud, call: Call, request: app_pb2.ListLocationsRequest) -> app_pb2.ListLocationsResponse:
    """Lists the locations that an organization owns, whoever pays for them."""
    owner = cloud.owned(call, request.organization_id)
    mine = [each for each in cloud.scenario.locations.values() if each.organization_id == owner.id]
    return app_pb2.ListLocationsResponse(locations=[_location(each) for each in mine])


def get_location(cloud: Cloud, call: Call, request: app_pb2.GetLocationRequest) -> app_pb2.GetLocationResponse:
    """Returns a location of an organization that the key belongs to."""
    found = cloud.location(request.location_id)
    cloud.owned(call, found.organization_id)
    return app_pb2.GetLocationResponse(location=_location(found))


def _organization(found: Organization) -> app_pb2.Organization:
    return app_pb2.Organization(id=found.id, name=found.name)


def _location(found: Location) -> app_pb2.Location:
    owner = app_pb2.LocationOrganization(organization_id=found.organization_id, primary=True)
    return app_pb2.Location(id=found.id, name=found.name, organizations=[owner], robot_count=found.robot_count)
