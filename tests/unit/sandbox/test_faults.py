from __future__ import annotations

import pytest

from viam_billing_sandbox.faults import Fault, Faults, read_fault
from viam_billing_sandbox.reader import Reader, ScenarioError


@pytest.fixture
def faults() -> Faults:
    """None is set."""
    return Faults()


def test_a_fault_falls_on_its_rpc_only(faults: Faults) -> None:
    """Another RPC's call meets nothing."""
    faults.add(Fault("GetInvoicePdf", status="UNAVAILABLE"))
    assert faults.plan("GetInvoicePdf").before is not None
    assert faults.plan("Authenticate").before is None


def test_a_star_falls_on_every_rpc(faults: Faults) -> None:
    """`*` is any RPC, logging in too."""
    faults.add(Fault(latency_before_s=1))
    assert faults.plan("Authenticate").latency_before_s == 1


def test_a_fault_skips_and_ends(faults: Faults) -> None:
    """`skip` calls pass first, `count` calls meet it."""
    faults.add(Fault("X", never_answer=True, skip=1, count=2))
    assert [faults.plan("X").before is not None for _ in range(5)] == [False, True, True, False, False]


def test_a_fault_may_fall_on_calls_that_name_an_id_only(faults: Faults) -> None:
    """Others neither meet it nor count for `skip` and `count`."""
    faults.add(Fault("X", status="ABORTED", only_for="a", skip=1, count=1))
    assert [faults.plan("X", ids).before is not None for ids in ({"b"}, {"a"}, (), {"a", "b"}, {"a"})] == [
        *(False, False, False),
        *(True, False),
    ]


def test_faults_add_up(faults: Faults) -> None:
    """Latencies are summed, and the end before the work stands beside the one after it."""
    faults.add(Fault("X", latency_before_s=1, latency_after_s=2, status="ABORTED"))
    faults.add(Fault("*", latency_before_s=3, drop_connection=True, when="after"))
    plan = faults.plan("X")
    assert (plan.latency_before_s, plan.latency_after_s) == (4, 2)
    assert plan.before is not None
    assert plan.before.status == "ABORTED"
    assert plan.after is not None
    assert plan.after.drop_connection


def test_cleared_faults_are_gone(faults: Faults) -> None:
    """After `clear` a call meets nothing."""
    faults.add(Fault(never_answer=True))
    faults.clear()
    assert faults.plan("X").before is None


@pytest.mark.parametrize("status", ["OK", "GONE", "unavailable"])
def test_a_fault_has_a_real_status(status: str) -> None:
    """What gRPC does not know, or what is no fault, is refused."""
    with pytest.raises(ScenarioError, match="no gRPC status"):
        Fault("X", status=status)


def test_a_fault_ends_a_call_in_one_way() -> None:
    """A status and a drop at once would be a riddle."""
    with pytest.raises(ScenarioError, match="at most one"):
        Fault("X", status="ABORTED", drop_connection=True)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(),
        Fault("X", latency_before_s=0.5, latency_after_s=1.5, never_answer=True, when="after", count=3, skip=2),
        Fault("X", status="INTERNAL", message="oh", truncate_pdf="silent", pdf_size_bytes=9, only_for="a"),
    ],
)
def test_a_fault_survives_the_way_to_the_sandbox(fault: Fault) -> None:
    """What the client writes is what the service reads."""
    assert read_fault(Reader(fault.to_request(), "fault")) == fault
