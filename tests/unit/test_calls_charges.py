"""How a charge is sent: once, and marked before."""

from __future__ import annotations

import asyncio

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError
from viam.gen.app.v1 import billing_pb2

from support.fake_parts import FakeClient, FakeLink, Script, answering, failing, fresh_session, used_session
from viam_billing.cloud.call_attempts import Counters
from viam_billing.cloud.calls import Calls
from viam_billing.cloud.gateway import CloudGateway
from viam_billing.core.errors import BillingError, CloudUnreachableError, Outcome, StateUnavailableError
from viam_billing.core.times import Deadline

REQUEST = billing_pb2.ChargeOrganizationRequest(org_id_to_charge="a", subtotal=10)
ANSWER = billing_pb2.ChargeOrganizationResponse(invoice_id="inv")


class Marks:
    """Notes when it is called, among the calls of a client."""

    def __init__(self, client: FakeClient, error: BillingError | None = None) -> None:
        self.client = client
        self.error = error
        self.after_calls: list[int] = []

    async def __call__(self) -> None:
        """The mark."""
        self.after_calls.append(len(self.client.asked))
        if self.error is not None:
            raise self.error


async def failed(
    *scripts: Script, connects: bool = True, fresh: bool = False, mark: BillingError | None = None
) -> tuple[BillingError, FakeClient, FakeLink]:
    """The error of a charge, its client, and the link."""
    client = FakeClient(*scripts, connects=connects)
    session = fresh_session(client) if fresh else used_session(client)
    link = FakeLink(session, fresh_session(FakeClient(answering(ANSWER))))
    with pytest.raises(BillingError) as caught:
        await Calls(link, Counters(), 20.0).charge("ChargeOrganization", REQUEST, Deadline(20), Marks(client, mark))
    return caught.value, client, link


async def test_a_charge_is_marked_and_then_sent() -> None:
    """Once each."""
    client = FakeClient(answering(ANSWER))
    marks = Marks(client)
    calls = Calls(FakeLink(used_session(client)), Counters(), 20.0)
    assert await calls.charge("ChargeOrganization", REQUEST, Deadline(20), marks) == ANSWER
    assert (marks.after_calls, client.asked) == ([0], ["ChargeOrganization"])


async def test_without_its_mark_a_charge_is_not_sent() -> None:
    """The disk said no."""
    error, client, _ = await failed(answering(ANSWER), mark=StateUnavailableError("full"))
    assert (error.code, error.outcome, client.asked) == ("state_unavailable", Outcome.NEVER_SENT, [])


@pytest.mark.parametrize(
    "error",
    [
        GRPCError(Status.UNAVAILABLE),
        GRPCError(Status.INTERNAL),
        StreamTerminatedError("gone"),
        TimeoutError(),
        OSError(),
    ],
    ids=repr,
)
async def test_a_charge_is_never_repeated(error: Exception) -> None:
    """And nobody knows what became of it."""
    found, client, _ = await failed(failing(error))
    assert (found.outcome, client.asked) == (Outcome.UNKNOWN, ["ChargeOrganization"])


@pytest.mark.parametrize("error", [OSError(111, "refused"), TimeoutError(), StreamTerminatedError("gone")], ids=repr)
async def test_what_failed_before_the_request_was_handed_over_was_never_sent(error: Exception) -> None:
    """It was connecting."""
    found, client, _ = await failed(failing(error), connects=False)
    assert (found.outcome, client.asked) == (Outcome.NEVER_SENT, ["ChargeOrganization"])


async def test_a_login_that_fails_sends_nothing() -> None:
    """Nor does it mark."""
    client = FakeClient(answering(ANSWER))
    marks = Marks(client)
    calls = Calls(FakeLink(used_session(client), error=CloudUnreachableError("no")), Counters(), 20.0)
    with pytest.raises(CloudUnreachableError) as caught:
        await calls.charge("ChargeOrganization", REQUEST, Deadline(20), marks)
    assert (caught.value.outcome, marks.after_calls, client.asked) == (Outcome.NEVER_SENT, [], [])


async def test_an_expired_token_is_renewed_and_the_charge_left_to_the_caller() -> None:
    """The message says to repeat; what is repeated is the caller's decision."""
    error, client, link = await failed(failing(GRPCError(Status.UNAUTHENTICATED)))
    assert (error.outcome, link.logins, client.asked) == (Outcome.REFUSED, 0, ["ChargeOrganization"])
    assert "repeat" in error.text
    while not link.logins:  # noqa: ASYNC110 - the refusal is not told later for it
        await asyncio.sleep(0.001)


async def test_a_fresh_token_that_is_rejected_means_the_key() -> None:
    """And nothing was charged."""
    error, _, link = await failed(failing(GRPCError(Status.UNAUTHENTICATED)), fresh=True)
    assert (error.code, error.outcome, link.logins) == ("key_rejected", Outcome.REFUSED, 0)


async def test_a_charge_whose_time_is_over_before_it_connects_was_never_sent() -> None:
    """The mark took all of it."""

    async def never() -> billing_pb2.ChargeOrganizationResponse:
        await asyncio.Event().wait()
        raise AssertionError

    client = FakeClient(never, connects=False)
    with pytest.raises(BillingError) as caught:
        await Calls(FakeLink(used_session(client)), Counters(), 20.0).charge(
            "ChargeOrganization", REQUEST, Deadline(0), Marks(client)
        )
    assert (caught.value.code, caught.value.outcome) == ("cloud_timeout", Outcome.NEVER_SENT)


@pytest.mark.parametrize(
    ("command", "parameters", "rpc"),
    [
        ("charge_organization", {"org_id_to_charge": "a", "subtotal": 1.5, "tax": 0.5}, "ChargeOrganization"),
        (
            "create_invoice_and_charge_immediately",
            {"org_id_to_charge": "a", "amount": 2.0, "disable_email": True},
            "CreateInvoiceAndChargeImmediately",
        ),
    ],
)
async def test_the_gateway_makes_either_call(command: str, parameters: dict[str, object], rpc: str) -> None:
    """And answers the invoice's id."""
    client = FakeClient(answering(ANSWER))
    gateway = CloudGateway(Calls(FakeLink(used_session(client)), Counters(), 20.0))
    assert await gateway.charge(command, parameters, Deadline(20), Marks(client)) == "inv"
    assert client.asked == [rpc]
