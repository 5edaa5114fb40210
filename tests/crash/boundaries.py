"""The boundaries of the charging protocol, in the order in which a charge comes to them.

examine | read the invoices | audit begin | reserve | mark as sent | send | the cloud | answer | settle | audit end
`---- each write: before BEGIN, before COMMIT, after COMMIT, returned; each send: before, handed over, on the way ----'

The module announces its fault points as audit events (PEP 578), which cost nothing while no hook listens:

| event, after `viam_billing.` | arguments | when |
|---|---|---|
| `storage.begin`, `.before_commit`, `.after_commit`, `.returned` | file, transaction | on the disk thread |
| `cloud.about_to_send`, `.answered` | RPC | right before it is sent; answer read |
| `cloud.handed_over` | its path | given to the connection |
| `charging.examined` | key | key, limits and block are checked |
| `charging.invoices_asked`, `.invoices_read` | key | around reading the invoices |
| `charging.reserved`, `.sent` | key | the reservation, the mark as sent is on the disk |
| `charging.settling`, `.settled` | key | around writing the outcome |

Transactions have the names of the methods of `Journal`, and `begin_attempt` and `end_attempt` of the audit log, whose
`note_attempts` writes what was not sent.
"""

from __future__ import annotations

from dataclasses import dataclass

from viam_billing_sandbox.control import Fault

RPC = "ChargeOrganization"
PATH = f"/viam.app.v1.BillingService/{RPC}"
_JOURNAL = "journal.db"


@dataclass(frozen=True)
class Boundary:
    """Where a module is killed: at a fault point by itself, or from outside while the cloud holds its answer.

    `event` is the fault point's name and its first arguments; None for a kill from outside. `worked` tells whether the
    cloud has charged by then; None where the request is under way. `holds` is what keeps the cloud at this boundary.
    `unnoted`: between the cloud's charge and the journal's note of it.
    """

    name: str
    event: tuple[str, ...] | None
    worked: bool | None
    holds: Fault | None = None
    unnoted: bool = False


def _write(what: str, transaction: str, *, worked: bool, unnoted: bool = False) -> list[Boundary]:
    def at(point: str, *, unnoted: bool = False) -> Boundary:
        event = (f"viam_billing.storage.{point}", _JOURNAL, transaction)
        return Boundary(f"{what}: {point.replace('_', ' ')}", event, worked, unnoted=unnoted)

    return [
        at("begin", unnoted=unnoted),
        at("before_commit", unnoted=unnoted),
        at("after_commit"),
        at("returned"),
    ]


def _cloud(name: str, point: str, *, worked: bool | None, unnoted: bool = False) -> Boundary:
    return Boundary(name, (f"viam_billing.cloud.{point}", RPC), worked, unnoted=unnoted)


def _step(name: str, point: str, *, worked: bool, unnoted: bool = False) -> Boundary:
    return Boundary(name, (f"viam_billing.charging.{point}",), worked, unnoted=unnoted)


BOUNDARIES = (
    _step("key, limits, block examined", "examined", worked=False),
    _step("invoices: asked for", "invoices_asked", worked=False),
    _step("invoices: read", "invoices_read", worked=False),
    *_write("audit entry", "begin_attempt", worked=False),
    *_write("reservation", "reserve", worked=False),
    _step("reserved", "reserved", worked=False),
    *_write("mark as sent", "mark_sent", worked=False),
    _step("marked as sent", "sent", worked=False),
    _cloud("request: about to be sent", "about_to_send", worked=False),
    Boundary("request: handed over", ("viam_billing.cloud.handed_over", PATH), worked=None),
    Boundary("cloud: has it, works", None, worked=None, holds=Fault(RPC, latency_before_s=0.4)),
    Boundary("cloud: has worked, answers", None, worked=True, holds=Fault(RPC, latency_after_s=3), unnoted=True),
    _cloud("answer: read", "answered", worked=True, unnoted=True),
    _step("answer: about to be noted", "settling", worked=True, unnoted=True),
    *_write("outcome", "settle", worked=True, unnoted=True),
    _step("settled", "settled", worked=True),
    *_write("audit end", "end_attempt", worked=True),
)
