r"""One charge as the journal keeps it: its states, and which may follow which.

the cloud refused it, or it was certainly never sent
.-----------------------------------------------------.
|  the module died before sending it                  v
--> reserved --------------------------------------------------> failed --> the same key again: reserved
|                                                           ^
| on disk before the first byte leaves                      |
v          refused                                          |
sent -------------------------------------------------------->|
|  \                                                        |
|   \  no answer tells the outcome; the module died         | a person says so
|    v                                                      |
|   unknown ------------------------------------------------'
|      |  exactly one invoice fits; a person says so
v      v
succeeded                 final: the same key is answered from here
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from viam_billing.cloud.decoding import SeenInvoice
from viam_billing.core.errors import BillingError, ChargeOutcomeUnknownError, CloudUnreachableError
from viam_billing.core.money import Cents
from viam_billing.core.times import DAY_S

State = Literal["reserved", "sent", "succeeded", "failed", "unknown"]

NEXT: Final[Mapping[State, frozenset[State]]] = {
    "reserved": frozenset({"sent", "failed"}),
    "sent": frozenset({"succeeded", "failed", "unknown"}),
    "unknown": frozenset({"succeeded", "failed"}),
    "failed": frozenset({"reserved"}),
    "succeeded": frozenset(),
}
"""What may follow each state."""

UNSETTLED: Final[tuple[State, ...]] = ("reserved", "sent", "unknown")
"""States in which money may have moved or may still move: they count in the limits, however old they are."""


class ChargeRequest(Struct, frozen=True):
    """A charge that a caller asks for. `parameters` is JSON: those that differ from their defaults, in one order."""

    key: str
    command: str
    org_id: str
    total: Cents
    parameters: str

    @classmethod
    def of(cls, command: str, org_id: str, total: Cents, key: str, parameters: Mapping[str, object]) -> ChargeRequest:
        """The request with these parameters, aliases resolved."""
        return cls(key, command, org_id, total, msgspec.json.encode(dict(sorted(parameters.items()))).decode())


class Entry(ChargeRequest, frozen=True):
    """A request as an entry of the journal. Times are Unix seconds.

    `times` are all the times at which the latest attempt may have been sent, the latest first, where the clock was set
    back in between; `journal_time` is the latest of them. See `Rows.charged`. `known_invoices` are the ids of the
    invoices read before sending, kept until the charge is settled; None where the API key may not read them.
    """

    state: State
    created_at: float
    journal_time: float
    attempts: int
    reconcilable: bool = True
    sent_at: float | None = None
    times: tuple[float, ...] = ()
    invoice_id: str | None = None
    error_code: str | None = None
    error_text: str | None = None
    note: str | None = None
    late_invoice: str | None = None
    candidates: tuple[str, ...] = ()
    checked_at: float | None = None
    known_invoices: tuple[str, ...] | None = None

    def becoming(self, state: State, **changes: Any) -> Entry:  # noqa: ANN401 - the fields' own types
        """The entry in its next state."""
        if state not in NEXT[self.state]:
            raise AssertionError(f"a charge that is {self.state} does not become {state}")
        return msgspec.structs.replace(self, state=state, **changes)

    def failed(self, error: BillingError) -> Entry:
        """The entry after an attempt that certainly charged nobody."""
        return self.becoming("failed", error_code=error.code, error_text=error.text, known_invoices=None)

    def succeeded(self, invoice_id: str | None) -> Entry:
        """The entry of a charge that was made."""
        invoice_id = invoice_id or None
        return self.becoming("succeeded", invoice_id=invoice_id, error_code=None, error_text=None, known_invoices=None)

    def unknown(self, error: BillingError) -> Entry:
        """The entry after an attempt that may or may not have charged."""
        return self.becoming("unknown", error_code=error.code, error_text=error.happened or error.text)

    def left_behind(self) -> Entry:
        """The entry of a process that died: reserved, nothing was sent; sent, the outcome is unknown."""
        if self.state == "reserved":
            return self.failed(CloudUnreachableError("the module ended before the charge was sent. Nothing was sent."))
        return self.unknown(ChargeOutcomeUnknownError("the module ended before the cloud's answer was noted."))


class Watched(Struct, frozen=True):
    """An attempt resolved as failed, watched for a late invoice until `until_s`; `found` are those reported."""

    key: str
    attempt: int
    org_id: str
    total: Cents
    sent_at: float
    until_s: float
    known_invoices: tuple[str, ...]
    found: tuple[str, ...] = ()


def fitting(charge: Entry | Watched, invoices: Sequence[SeenInvoice]) -> list[str]:
    """The ids of the invoices that may be a charge's own, whichever other charge they may belong to.

    They are not among those known before the sending, have the same amount in cents, and are dated no earlier than a
    day before it. Without a list of known ones, new cannot be told from old: none fits.
    """
    if charge.known_invoices is None or charge.sent_at is None:
        return []
    before, since_s = set(charge.known_invoices), charge.sent_at - DAY_S  # the clocks differ by less
    new = [invoice for invoice in invoices if invoice.id not in before and invoice.amount == charge.total]
    fits = [invoice.id for invoice in new if invoice.date_s is not None and invoice.date_s >= since_s]
    return list(dict.fromkeys(fits))  # one that is listed twice is one
