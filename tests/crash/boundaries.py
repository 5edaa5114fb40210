"""The boundaries of the charging protocol, in the order in which a charge comes to them.

audit begin | examine | read the invoices | reserve | mark as sent | send | the cloud | answer | settle | audit end
`---- each write: before BEGIN, before COMMIT, after COMMIT, returned; each send: before, handed over, on the way ----'
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from viam_billing_sandbox.control import Fault

RPC = "ChargeOrganization"


@dataclass(frozen=True)
class Place:
    """A place in the module's own course: an event of the interpreter's profiler in a function of a file.

    `transaction` is the function whose step `Store._transaction` runs; with `nth_execute` its BEGIN (1) or COMMIT (2).
    `returns` is the type of what is returned; `after` a function that has to be called first.
    """

    file: str
    function: str
    event: str
    transaction: str | None = None
    nth_execute: int = 0
    returns: str | None = None
    after: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As the launcher takes it."""
        return asdict(self)


@dataclass(frozen=True)
class Boundary:
    """Where a module is killed: at a place by itself, or from outside while the cloud holds its answer.

    `worked` says what the cloud has done by then: False nothing, True its work, None either (the request is under way).
    `unnoted`: between the cloud's work and the journal's note of it.
    """

    name: str
    place: Place | None
    worked: bool | None
    holds: Fault | None = None
    """What keeps the cloud at this boundary, for a kill from outside."""

    unnoted: bool = False


def _write(what: str, transaction: str, *, worked: bool, unnoted: bool = False) -> list[Boundary]:
    store = ("storage/database.py", "_transaction")
    return [
        Boundary(f"{what}: begins", Place(*store, "call", transaction), worked, unnoted=unnoted),
        Boundary(f"{what}: before COMMIT", Place(*store, "c_call", transaction, 2), worked, unnoted=unnoted),
        Boundary(f"{what}: after COMMIT", Place(*store, "c_return", transaction, 2), worked),
        Boundary(f"{what}: returned", Place(*store, "return", transaction), worked),
    ]


BOUNDARIES = (
    *_write("audit entry", "State.begin_attempt", worked=False),
    Boundary(
        "key, limits, block examined",
        Place("storage/database.py", "_transaction", "return", "Journal.examine"),
        worked=False,
    ),
    Boundary("invoices: asked for", Place("charging/desk.py", "invoices", "call"), worked=False),
    Boundary("invoices: read", Place("cloud/decoding.py", "seen_invoices", "return"), worked=False),
    *_write("reservation", "Journal.reserve", worked=False),
    *_write("mark as sent", "Journal.mark_sent", worked=False),
    Boundary("request: about to be sent", Place("cloud/cloud_client.py", "call", "call"), worked=False),
    Boundary("request: stream opened", Place("cloud/calls.py", "before_send", "call"), worked=False),
    Boundary(
        "request: handed over", Place("grpclib/client.py", "recv_message", "call", after="before_send"), worked=None
    ),
    Boundary("cloud: has it, works", None, worked=None, holds=Fault(RPC, latency_before_s=0.4)),
    Boundary("cloud: has worked, answers", None, worked=True, holds=Fault(RPC, latency_after_s=3), unnoted=True),
    Boundary(
        "answer: read",
        Place("cloud/cloud_client.py", "call", "return", returns="ChargeOrganizationResponse"),
        worked=True,
        unnoted=True,
    ),
    Boundary("answer: about to be noted", Place("charging/outcomes.py", "settle", "call"), worked=True, unnoted=True),
    *_write("outcome", "Journal.settle", worked=True, unnoted=True),
    *_write("audit end", "State.end_attempt", worked=True),
)
