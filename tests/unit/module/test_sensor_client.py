from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from grpclib import GRPCError, Status
from grpclib.exceptions import StreamTerminatedError

from support.fake_billing import USAGE, FakeBilling
from viam_billing.core.errors import BillingError
from viam_billing.core.times import Deadline
from viam_billing.module import sensor_client
from viam_billing.module.sensor_client import ServiceClient
from viam_billing.version import BILLING_MODEL


async def usage(billing: FakeBilling, within_s: float = 5.0) -> sensor_client.Usage:
    """Ask for the usage."""
    dependency = ServiceClient(billing, "office:billing")
    return await dependency.ask(sensor_client.Usage, Deadline(within_s), "get_location_usage", location_id="wh1north01")


async def failure(answer: BaseException | Mapping[str, Any]) -> BillingError:
    """The error that an answer becomes."""
    billing = FakeBilling()
    billing.answers["get_location_usage"] = answer
    with pytest.raises(BillingError) as caught:
        await usage(billing)
    return caught.value


async def test_a_question_goes_to_the_resource_by_the_name_that_viam_server_knows() -> None:
    """In the flat spelling; the name of a remote is not in it."""
    billing = FakeBilling()
    found = await usage(billing)
    assert billing.names == {"billing"}
    assert billing.asked == {"get_location_usage": {"location_id": "wh1north01"}}
    assert (found.month_to_date, found.cost_by_type) == (12.5, {"per_machine": 10.0, "logs_upload": 2.5})


async def test_the_stub_of_a_new_connection_is_used() -> None:
    """The SDK gives a client a new one when the connection to viam-server was lost."""
    billing, other = FakeBilling(), FakeBilling()
    dependency = ServiceClient(billing, "billing")
    billing.client = other
    await dependency.ask(sensor_client.Status, Deadline(5), None)
    assert other.asked.keys() == {"get_status"}


@pytest.mark.parametrize(
    "error",
    [
        GRPCError(Status.FAILED_PRECONDITION, "key_lacks_permission: the key may not. Use an owner's."),
        GRPCError(Status.UNIMPLEMENTED, "cloud_unimplemented: the cloud does not have it. Update."),
        GRPCError(Status.UNAVAILABLE, "cloud_unreachable: no connection. Try later."),
        GRPCError(Status.NOT_FOUND, "not_found: there is no such location. Check the ID."),
    ],
)
async def test_the_services_own_error_comes_back_unchanged(error: GRPCError) -> None:
    """Status and message, also where the SDK's client would lose them."""
    billing = FakeBilling()
    billing.answers["get_location_usage"] = error
    with pytest.raises(GRPCError) as caught:
        await usage(billing)
    assert (caught.value.status, caught.value.message) == (error.status, error.message)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.UNKNOWN, "not_configured"),
        (Status.NOT_FOUND, "not_configured"),
        (Status.UNIMPLEMENTED, "not_configured"),
        (Status.UNAVAILABLE, "cloud_unreachable"),
        (Status.CANCELLED, "cloud_unreachable"),
        (Status.DEADLINE_EXCEEDED, "cloud_timeout"),
        (Status.RESOURCE_EXHAUSTED, "cloud_rate_limited"),
    ],
)
async def test_what_viam_server_says_itself_gets_the_form_of_the_contract(status: Status, code: str) -> None:
    """With the service's name as it is configured, and what was said, on one line."""
    error = await failure(GRPCError(status, "resource not\nfound"))
    assert error.code == code
    assert '"office:billing"' in error.message
    assert f'{status.name}: "resource not\\nfound"' in error.message


async def test_a_code_with_another_status_is_not_the_services() -> None:
    assert (await failure(GRPCError(Status.INTERNAL, "not_found: x"))).code == "not_configured"
    assert (await failure(GRPCError(Status.INTERNAL))).code == "not_configured"


@pytest.mark.parametrize("error", [StreamTerminatedError("lost"), ConnectionRefusedError(), BrokenPipeError()])
async def test_a_lost_connection_is_worth_another_try(error: Exception) -> None:
    """UNAVAILABLE, as for a cloud that is away; the words say that it is viam-server."""
    found = await failure(error)
    assert found.status is Status.UNAVAILABLE
    assert "viam-server" in found.message


async def test_no_answer_in_time_is_a_timeout() -> None:
    billing = FakeBilling()
    billing.hold["get_location_usage"] = asyncio.Event()
    with pytest.raises(BillingError) as caught:
        await usage(billing, within_s=0.01)
    assert caught.value.code == "cloud_timeout"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"command": "get_location_usage"},
        {**USAGE, "month_to_date": "12"},
        {**USAGE, "as_of": "yesterday"},
        {**USAGE, "as_of": "2026-11-21T12:00:00"},
        {**USAGE, "stale": 0},
        {**USAGE, "month_to_date": float("nan")},
    ],
)
async def test_another_services_answer_is_not_taken(answer: Mapping[str, Any]) -> None:
    error = await failure(answer)
    assert error.code == "not_configured"
    assert BILLING_MODEL in error.message
