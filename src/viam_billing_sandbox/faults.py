"""Faults of calls: what a test or a developer can have go wrong, and which call it falls on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal

import grpc

from viam_billing_sandbox.reader import ScenarioError

if TYPE_CHECKING:
    from collections.abc import Container

    from viam_billing_sandbox.reader import Reader

When = Literal["before", "after"]
Truncate = Literal["", "status", "silent"]

ANY_RPC: Final = "*"
_WHEN: Final[dict[str, When]] = {"before": "before", "after": "after"}
_TRUNCATE: Final[dict[str, Truncate]] = {"": "", "status": "status", "silent": "silent"}


@dataclass(frozen=True)
class Fault:
    """What happens to the calls of one RPC, or of all.

    A call meets every fault that is set for it: latencies add up, and the first of `status`, `never_answer` and
    `drop_connection` ends it, `when` says on which side of the work. `only_for` is an ID that the request has to name.
    A fault lets its first `skip` calls pass and ends after `count` further ones (None: never).
    """

    rpc: str = ANY_RPC
    latency_before_s: float = 0.0
    latency_after_s: float = 0.0
    status: str = ""
    message: str = ""
    never_answer: bool = False
    drop_connection: bool = False
    when: When = "before"
    truncate_pdf: Truncate = ""
    pdf_size_bytes: int = 0
    only_for: str = ""
    skip: int = 0
    count: int | None = None

    def __post_init__(self) -> None:
        if self.status and (self.status not in grpc.StatusCode.__members__ or self.status == "OK"):
            raise ScenarioError(f"fault.status: {self.status!r} is no gRPC status that a fault can have")
        if sum((bool(self.status), self.never_answer, self.drop_connection)) > 1:
            raise ScenarioError("fault: at most one of status, never_answer and drop_connection")
        if self.count is not None and self.count < 1:
            raise ScenarioError("fault.count: expected at least 1, or none for ever")

    @property
    def ends_call(self) -> bool:
        """Whether the call gets no proper answer."""
        return bool(self.status) or self.never_answer or self.drop_connection

    @property
    def code(self) -> grpc.StatusCode:
        """The status to answer with; only where `status` is set."""
        return grpc.StatusCode[self.status]

    def to_request(self) -> dict[str, object]:
        """Writes the fault as `SetFault` takes it."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def read_fault(reader: Reader) -> Fault:
    """Reads a fault from a request of the control service.

    Raises:
        ScenarioError: Something in it is wrong.
    """
    fault = Fault(
        rpc=reader.text("rpc"),
        latency_before_s=reader.number("latency_before_s", 0.0),
        latency_after_s=reader.number("latency_after_s", 0.0),
        status=reader.text("status", ""),
        message=reader.text("message", ""),
        never_answer=reader.flag("never_answer", default=False),
        drop_connection=reader.flag("drop_connection", default=False),
        when=reader.choice("when", _WHEN, "before"),
        truncate_pdf=reader.choice("truncate_pdf", _TRUNCATE, ""),
        pdf_size_bytes=reader.integer("pdf_size_bytes", 0),
        only_for=reader.text("only_for", ""),
        skip=reader.integer("skip", 0),
        count=reader.integer("count", at_least=1) if "count" in reader else None,
    )
    reader.end()
    return fault


@dataclass(frozen=True)
class Plan:
    """What one call is in for."""

    latency_before_s: float = 0.0
    latency_after_s: float = 0.0
    before: Fault | None = None
    after: Fault | None = None
    truncate_pdf: Truncate = ""
    pdf_size_bytes: int = 0


@dataclass
class _Armed:
    fault: Fault
    met: int = 0

    def meet(self, rpc: str, ids: Container[str]) -> bool:
        fault = self.fault
        if fault.rpc not in (ANY_RPC, rpc) or (fault.only_for and fault.only_for not in ids):
            return False
        self.met += 1
        spent = self.fault.count is not None and self.met > self.fault.skip + self.fault.count
        return self.met > self.fault.skip and not spent


class Faults:
    """The faults that are set."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def add(self, fault: Fault) -> None:
        """Sets one more."""
        self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """Ends them all."""
        self._armed.clear()

    def plan(self, rpc: str, ids: Container[str] = ()) -> Plan:
        """Counts a call that names these IDs, and answers what it meets."""
        met = [armed.fault for armed in self._armed if armed.meet(rpc, ids)]
        ends = [fault for fault in met if fault.ends_call]
        return Plan(
            latency_before_s=sum(fault.latency_before_s for fault in met),
            latency_after_s=sum(fault.latency_after_s for fault in met),
            before=next((fault for fault in ends if fault.when == "before"), None),
            after=next((fault for fault in ends if fault.when == "after"), None),
            truncate_pdf=next((fault.truncate_pdf for fault in met if fault.truncate_pdf), ""),
            pdf_size_bytes=max((fault.pdf_size_bytes for fault in met), default=0),
        )
