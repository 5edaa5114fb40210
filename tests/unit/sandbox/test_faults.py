from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from viam_billing_sandbox.faults import Answer, Fault, Faults, Pdf
from viam_billing_sandbox.strict import ScenarioError, read


@pytest.fixture
def faults() -> Faults:
    """None is set."""
    return Faults()


def test_a_fault_falls_on_its_rpc_only(faults: Faults) -> None:
    """Another RPC's call meets nothing."""
    faults.add(Fault("GetInvoicePdf", status="UNAVAILABLE"))
    assert faults.plan("GetInvoicePdf").end("before") is not None
    assert faults.plan("Authenticate").end("before") is None


def test_a_star_falls_on_every_rpc(faults: Faults) -> None:
    """`*` is any RPC, logging in too."""
    faults.add(Fault(latency_before_s=1))
    assert faults.plan("Authenticate").latency_before_s == 1


def test_a_fault_skips_and_ends(faults: Faults) -> None:
    """`skip` calls pass first, `count` calls meet it."""
    faults.add(Fault("X", never_answer=True, skip=1, count=2))
    assert [faults.plan("X").end("before") is not None for _ in range(5)] == [False, True, True, False, False]


def test_a_fault_may_fall_on_calls_that_name_an_id_only(faults: Faults) -> None:
    """Others neither meet it nor count for `skip` and `count`."""
    faults.add(Fault("X", status="ABORTED", only_for="a", skip=1, count=1))
    assert [faults.plan("X", ids).end("before") is not None for ids in ({"b"}, {"a"}, (), {"a", "b"}, {"a"})] == [
        *(False, False, False),
        *(True, False),
    ]


def test_faults_add_up(faults: Faults) -> None:
    """Latencies are summed, and the end before the work stands beside the one after it."""
    faults.add(Fault("X", latency_before_s=1, latency_after_s=2, status="ABORTED"))
    faults.add(Fault("*", latency_before_s=3, drop_connection=True, when="after"))
    plan = faults.plan("X")
    assert (plan.latency_before_s, plan.latency_after_s) == (4, 2)
    before, after = plan.end("before"), plan.end("after")
    assert before is not None
    assert before.status == "ABORTED"
    assert after is not None
    assert after.drop_connection


def test_cleared_faults_are_gone(faults: Faults) -> None:
    """After `clear` a call meets nothing."""
    faults.add(Fault(never_answer=True))
    faults.clear()
    assert faults.plan("X").end("before") is None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"status": "OK"}, "fault.status: 'OK' is no gRPC status that a fault can have"),
        ({"status": "unavailable"}, "fault.status: 'unavailable' is no gRPC status"),
        ({"reset": "REFUSED"}, "fault.reset: 'REFUSED' is none of"),
        ({"http_status": 103}, "fault.http_status: expected 200 to 999"),
        ({"answer": "zip"}, "fault.answer: 'zip' is none of gzip, broken_gzip,"),
        ({"pdf": "silent"}, "fault.pdf: 'silent' is none of half, cut, short, page, empty, other_start"),
        ({"frame": "GOAWAY"}, "fault.frame: 'GOAWAY' is none of unknown, origin,"),
        ({"count": 0}, "fault: Expected `int` >= 1 - at `$.count`"),
        ({"status": "ABORTED", "drop_connection": True}, "fault: at most one way to end the call"),
        ({"never_answer": True, "goaway": "refused"}, "fault: at most one way to end the call"),
    ],
)
def test_a_wrong_fault_is_explained(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read({"rpc": "X", **values}, Fault, "fault")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(),
        Fault("X", latency_before_s=0.5, latency_after_s=1.5, never_answer=True, when="after", count=3, skip=2),
        Fault("X", status="INTERNAL", message="oh", pdf="cut", pdf_size_bytes=9, only_for="a"),
        Fault("X", reset="CANCEL", answer="gzip", frame="altsvc", goaway="graceful", token="\u00fc", chunk_delay_s=0.5),
    ],
)
def test_a_fault_survives_the_way_to_the_sandbox(fault: Fault) -> None:
    """What the client writes is what the service reads."""
    assert read(fault.to_request(), Fault, "fault") == fault


DOCUMENTED = (Path(__file__).parents[3] / "docs/sandbox.md").read_text()
REQUESTS = [json.loads(text) for text in re.findall(r'`(\{"rpc".*?\})`', DOCUMENTED)]


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_the_documented_faults_exist(request_: dict[str, object]) -> None:
    assert read(request_, Fault, "fault") != Fault()


@pytest.mark.parametrize("name", Fault.__struct_fields__)
def test_every_fault_is_documented(name: str) -> None:
    assert f'"{name}"' in DOCUMENTED or f"`{name}`" in DOCUMENTED


@pytest.mark.parametrize("answer", [*get_args(Answer)[1:], *get_args(Pdf)[1:]])
def test_every_form_of_answer_is_documented(answer: str) -> None:
    assert f"`{answer}`" in DOCUMENTED
