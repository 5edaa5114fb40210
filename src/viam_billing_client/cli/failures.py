"""What went wrong, in plain words with what to do: on the way to a machine, and with a charge."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Final

from grpclib import GRPCError, Status

from viam_billing_client import errors
from viam_billing_client.address import is_loopback
from viam_billing_client.cli.places import Place

SETTLE: Final = (
    "`viam-billing charges reconcile` looks for its invoice. If it stays unknown, find out whether the customer was "
    "charged and write that down: `viam-billing charges resolve KEY --outcome succeeded --invoice INVOICE-ID --note "
    "TEXT`, or with --outcome failed."
)
"""What to do about an unknown charge."""
_ADVICE: Final = {
    "charge_outcome_unknown": SETTLE,
    "charge_blocked": f"Settle that charge first, then charge again. {SETTLE}",
}
_REFUSED: Final = frozenset(
    (
        *("invalid_request", "unknown_command", "command_not_allowed", "out_of_scope", "not_configured"),
        *("state_unavailable", "key_rejected", "key_lacks_permission", "charge_limit_exceeded", "charge_blocked"),
        *("idempotency_conflict", "not_found", "cloud_rejected", "cloud_unimplemented"),
    )
)
"""Errors of a charge that has charged nobody, and of which the same command would be refused again."""
_UNDONE: Final = ("Nothing was sent", "Nothing was charged")
"""The module's own words where a fault has passed before anything was done."""
_NEEDS_KEY: Final = (
    "needs an API key. Give the machine's own, which the Viam app shows, in VIAM_BILLING_API_KEY_ID and "
    "VIAM_BILLING_API_KEY, or as api_key_id and api_key of a profile."
)


def advice(code: str) -> str | None:
    """The commands that help after an error, whichever command met it."""
    return _ADVICE.get(code)


def after_charge(code: str, words: str, key: str) -> str | None:
    """What holds of a charge that ended in an error: whether it can have charged, and whether to repeat it."""
    if code in _REFUSED:
        return "this command charged nobody."
    if code in errors.CLASSES and any(each in words for each in _UNDONE):
        return f"this command charged nobody. The same command with --key {key} tries again."
    if code == errors.NoServiceError.__name__:
        return None
    return repeat(key)


def repeat(key: str) -> str:
    """How to go on where it is not known whether a charge was made."""
    return f"Whatever happened, repeat the same command with --key {key}: it charges at most once."


def of_connecting(error: errors.MachineError, place: Place) -> str:
    """Why there is no connection to a machine."""
    if words := _of_key(error, place):
        return words
    causes = list(_causes(error))
    if any(isinstance(each, (TimeoutError, asyncio.TimeoutError)) for each in causes):
        why = "it did not answer in time"
    elif any(isinstance(each, socket.gaierror) for each in causes):
        why = "its name is not known here"
    elif any(isinstance(each, ConnectionRefusedError) or "Connect call failed" in str(each) for each in causes):
        why = "nothing listens there"
    else:
        why = "there is no connection"
    if why == "its name is not known here":
        todo = "Is the address right, and is this computer online?"
    elif place.insecure:
        todo = "Does viam-server run there, without TLS, and is the port right, such as localhost:8080?"
    elif is_loopback(place.address):
        todo = "Does viam-server run there? If it has no TLS, as is usual on this computer, add --insecure."
    else:
        todo = "Is it online, and are its address and the machine key right?"
        todo += "" if place.api_key else f" A machine in Viam's cloud {_NEEDS_KEY}"
    return f"the machine at {place.address} cannot be reached: {why}. {todo}"


def of_call(error: errors.MachineError, place: Place) -> str:
    """Why a machine that is connected has no answer."""
    if words := _of_key(error, place):
        return words
    service = f'the service "{place.service}"'
    if isinstance(error, errors.NoServiceError):
        return (
            f'the machine has no service "{place.service}". Look at its configuration (--service takes another name); '
            "if it is configured, it may not have started: look at the machine's log."
        )
    if isinstance(error, errors.NoAnswerError):
        return f"{service} did not answer in time. Ask again; --timeout waits longer."
    if isinstance(error, errors.NoConnectionError):
        return (
            f"the connection to {service} was lost, or its module is not running. Try again in a minute; "
            "if it stays so, look at the machine's log."
        )
    said = [each.message for each in _causes(error) if isinstance(each, GRPCError) and each.message]
    if type(error) is errors.MachineError and said:
        return f'the machine could not ask {service}: "{said[0]}". Look at the machine\'s log.'
    return error.text


def _of_key(error: errors.MachineError, place: Place) -> str | None:
    """Where the machine wants a key, or another one."""
    for each in _causes(error):
        if isinstance(each, GRPCError) and each.status in (Status.UNAUTHENTICATED, Status.PERMISSION_DENIED):
            if place.api_key:
                return f"the machine at {place.address} refused the API key. Take the machine's own, from the Viam app."
            return f"the machine at {place.address} {_NEEDS_KEY}"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
