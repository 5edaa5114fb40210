"""How the client reads answers: those of a newer module, and those of something else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timezone
from decimal import Decimal
from typing import Any

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError
from viam.proto.common import DoCommandRequest, DoCommandResponse
from viam.services.generic import Generic

from viam_billing_client import (
    Billing,
    CloudUnimplementedError,
    InvalidRequestError,
    NoConnectionError,
    UnreadableAnswerError,
)
from viam_billing_client.testing.samples import SAMPLES


class Resource(Generic):
    """The SDK's client of a service, without a connection."""

    def __init__(self, answer: Mapping[str, Any] | Exception) -> None:
        super().__init__("billing")
        self.client = self
        self._answer = answer
        self.asked: list[DoCommandRequest] = []

    async def DoCommand(self, request: DoCommandRequest, *, timeout: float) -> DoCommandResponse:  # noqa: N802 - the stub's
        """Answer or fail."""
        assert timeout > 0
        self.asked.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        response = DoCommandResponse()
        response.result.update(dict(self._answer))
        return response

    async def do_command(self, command: Mapping[str, Any], *, timeout: float | None = None, **_: Any) -> Any:  # noqa: ANN401 - the SDK's
        """Never used."""
        raise NotImplementedError


def billing(answer: Mapping[str, Any] | Exception) -> Billing:
    """The client as a module makes it of its dependency."""
    return Billing.from_resource(Resource(answer))


async def test_what_a_newer_module_adds_is_ignored() -> None:
    sample = SAMPLES["get_location_usage"]
    newer = {
        **sample,
        "currency": "USD",
        "cost_by_type": {"unknown_31": 2.5},
        "projection": {**sample["projection"], "method": "oracle", "spread": [1, None]},
    }
    usage = await billing(newer).get_location_usage()
    assert usage.cost_by_type == {"unknown_31": Decimal("2.5")}
    assert usage.projection is not None
    assert (usage.projection.method, usage.projection.total) == ("oracle", Decimal(1926))


async def test_an_enums_unknown_value_is_its_number() -> None:
    info = await billing({**SAMPLES["get_org_billing_information"], "type": 9}).get_org_billing_information()
    assert info.type == 9


async def test_an_amount_is_the_decimal_that_the_module_has_written() -> None:
    usage = await billing({**SAMPLES["get_current_month_usage"], "subtotal": 0.1 + 0.2}).get_current_month_usage()
    assert usage.subtotal == Decimal("0.30000000000000004")


@pytest.mark.parametrize("answer", [{}, {"echo": 1}, {**SAMPLES["get_location_usage"], "month_to_date": "much"}])
async def test_what_is_no_answer_of_the_service_is_told(answer: dict[str, Any]) -> None:
    with pytest.raises(UnreadableAnswerError, match='the answer of "billing" cannot be read'):
        await billing(answer).get_location_usage()


@pytest.mark.parametrize("number", [math.nan, math.inf])
async def test_a_number_that_is_none_is_an_unreadable_answer(number: float) -> None:
    """Not an amount, and not a JSON value either."""
    asked = billing({**SAMPLES["get_location_usage"], "month_to_date": number})
    for ask in (asked.get_location_usage(), asked.do_command({"get_location_usage": {}})):
        with pytest.raises(UnreadableAnswerError, match="cannot be read"):
            await ask


async def test_times_are_utc_whatever_their_offset() -> None:
    """And one without an offset cannot be read."""
    sample = SAMPLES["get_location_usage"]
    usage = await billing({**sample, "as_of": "2026-11-21T14:00:00+02:00"}).get_location_usage()
    assert usage.as_of is not None
    assert (usage.as_of.isoformat(), usage.as_of.tzinfo) == ("2026-11-21T12:00:00+00:00", timezone.utc)
    with pytest.raises(UnreadableAnswerError, match="without a time zone"):
        await billing({**sample, "as_of": "2026-11-21T14:00:00"}).get_location_usage()


@pytest.mark.parametrize("value", [object(), "\ud800", 10**400])
async def test_a_value_that_json_does_not_have_is_an_invalid_request(value: object) -> None:
    with pytest.raises(InvalidRequestError, match="JSON does not have"):
        await billing({}).do_command({"help": {"name": value}})


async def test_a_message_that_the_sdk_drops_is_read() -> None:
    """Its own client makes a NotImplementedError without words of every UNIMPLEMENTED."""
    error = GRPCError(Status.UNIMPLEMENTED, "cloud_unimplemented: no such call. Update the module.")
    with pytest.raises(CloudUnimplementedError, match="Update the module"):
        await billing(error).get_location_usage()


@pytest.mark.parametrize("error", [OSError("reset"), StreamTerminatedError("connection lost")])
async def test_a_lost_connection_is_told(error: Exception) -> None:
    with pytest.raises(NoConnectionError, match=str(error)):
        await billing(error).get_location_usage()


async def test_what_is_left_out_is_not_sent() -> None:
    """And a Decimal is sent as the number that it is."""
    resource = Resource(SAMPLES["charge_organization"])
    await Billing.from_resource(resource).charge_organization(
        org_id_to_charge="a", subtotal=Decimal("40.10"), idempotency_key="k"
    )
    (request,) = resource.asked
    assert dict(request.command) == {
        "command": "charge_organization",
        "org_id_to_charge": "a",
        "subtotal": 40.1,
        "idempotency_key": "k",
    }
