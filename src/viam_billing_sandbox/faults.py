"""The faults that tests and developers can set, and the calls that they apply to."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from grpclib.const import Status
from h2.errors import ErrorCodes

from viam_billing_sandbox.strict import Amount, Count, Record, ScenarioError

_T = TypeVar("_T")
When = Literal["before", "after"]
Pdf = Literal["", "half", "cut", "short", "page", "empty", "other_start"]
Answer = Literal[
    "",
    "gzip",
    "broken_gzip",
    "unknown_encoding",
    "not_protobuf",
    "not_utf8",
    "too_short",
    "too_long",
    "no_message",
    "two_messages",
    "no_trailers",
    "left_open",
    "cut_off",
    "refusal_after_message",
]
Frame = Literal["", "unknown", "origin", "altsvc", "priority_update", "early_hints"]
GoAway = Literal["", "graceful", "last", "refused"]

ANY_RPC: Final = "*"
_HTTP_STATUSES: Final = range(200, 1000)


class Fault(Record, frozen=True, omit_defaults=True):
    """What happens to the calls of one RPC, or of all. docs/sandbox.md describes each.

    Every fault that is set for a call applies to it: latencies add up, and the first fault that ends the call ends it,
    before or after the work (`when`). With `only_for` a fault applies only to requests that name this ID.
    A fault lets `skip` calls pass and then applies to `count` of them (None: to all).
    """

    rpc: str = ANY_RPC
    latency_before_s: Amount = 0.0
    latency_after_s: Amount = 0.0
    # Each of these ends the call, and so does goaway="refused".
    status: str = ""
    http_status: int = 0
    reset: str = ""
    never_answer: bool = False
    drop_connection: bool = False
    mute_connection: bool = False
    when: When = "before"
    message: str = ""
    # These change how an answer is sent.
    answer: Answer = ""
    answer_size_bytes: Count = 0
    chunk_bytes: Count = 0
    chunk_delay_s: Amount = 0.0
    frame: Frame = ""
    goaway: GoAway = ""
    ignore_pings: bool = False
    pdf: Pdf = ""
    pdf_size_bytes: Count = 0
    token: str = ""
    token_size_bytes: Count = 0
    only_for: str = ""
    skip: Count = 0
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None

    def __post_init__(self) -> None:
        if self.status and (self.status not in Status.__members__ or self.status == "OK"):
            raise ScenarioError(f"fault.status: {self.status!r} is no gRPC status that a fault can have")
        if self.reset and self.reset not in ErrorCodes.__members__:
            raise ScenarioError(f"fault.reset: {self.reset!r} is none of {', '.join(ErrorCodes.__members__)}")
        if self.http_status and self.http_status not in _HTTP_STATUSES:
            raise ScenarioError("fault.http_status: expected 200 to 999, or 0 for none")
        if sum(self._ends()) > 1:
            raise ScenarioError("fault: at most one way to end the call")

    @property
    def ends_call(self) -> bool:
        """Whether the fault takes the place of the answer."""
        return any(self._ends())

    @property
    def outcome(self) -> str:
        """How the call ends, in a word or two for the log; only where `ends_call` holds."""
        return self.status or self.reset or (f"HTTP {self.http_status}" if self.http_status else "no answer")

    def to_request(self) -> dict[str, object]:
        """Returns the fault as `SetFault` takes it."""
        return {"rpc": self.rpc, **msgspec.to_builtins(self)}

    def _ends(self) -> tuple[bool, ...]:
        return (
            bool(self.status),
            bool(self.http_status),
            bool(self.reset),
            self.never_answer,
            self.drop_connection,
            self.mute_connection,
            self.goaway == "refused",
        )


@dataclass(frozen=True)
class Plan:
    """All faults that apply to one call."""

    faults: tuple[Fault, ...] = ()

    @property
    def latency_before_s(self) -> float:
        """Seconds to wait before the work."""
        return sum(fault.latency_before_s for fault in self.faults)

    @property
    def latency_after_s(self) -> float:
        """Seconds to wait after the work."""
        return sum(fault.latency_after_s for fault in self.faults)

    def end(self, when: When) -> Fault | None:
        """Returns the fault that ends the call before or after the work."""
        return next((fault for fault in self.faults if fault.ends_call and fault.when == when), None)

    def first(self, get: Callable[[Fault], _T]) -> _T:
        """Returns what `get` reads of the first fault that sets it, else its default."""
        return next((value for fault in self.faults if (value := get(fault))), get(Fault()))


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
    """The faults that are set in a sandbox."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def add(self, fault: Fault) -> None:
        """Adds a fault."""
        self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """Removes all faults."""
        self._armed.clear()

    def plan(self, rpc: str, ids: Container[str] = ()) -> Plan:
        """Counts a call that names these IDs. Returns the faults that apply to it."""
        return Plan(tuple([armed.fault for armed in self._armed if armed.meet(rpc, ids)]))
