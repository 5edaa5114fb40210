"""The errors of the contract by their codes: for those that come back from the disk or over the wire."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from viam_billing.core.errors import BillingError, CloudError

if TYPE_CHECKING:
    from grpclib.const import Status


def of_code(code: str) -> type[BillingError]:
    """The kind of error that has a code; `CloudError` for one that this version does not know."""
    return _kinds().get(code, CloudError)


def is_of_contract(status: Status, message: str | None) -> bool:
    """Whether an error that came over the wire is one of these, by its code and status."""
    code, colon, _ = (message or "").partition(": ")
    kind = _kinds().get(code)
    return colon != "" and kind is not None and kind.status is status


@cache
def _kinds() -> dict[str, type[BillingError]]:
    kinds: list[type[BillingError]] = [BillingError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return {kind.code: kind for kind in kinds if "code" in vars(kind)}
