"""How a call fails: why, and whether its work may have been done. Money depends on this file.

gRPC core tells its own findings and the cloud's answers by the same error; only the words tell them apart.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import Final, TypeAlias

from grpclib.const import Status

from viam_billing.core.errors import Outcome

PAGE: Final = "Received http2 header with status: "
_REFUSED_STREAM: Final = "Stream removed (RST_STREAM (Received RST_STREAM with error code 7))"


class CallFailedError(Exception):
    """A call that ended with a status: the cloud's, or one that gRPC core found.

    `said_more` is whether the other side sent metadata besides; `sent` is the call's path and request.
    """

    def __init__(
        self, status: Status, words: str, *, said_more: bool = False, sent: tuple[str, bytes] = ("", b"")
    ) -> None:
        super().__init__(status, words)
        self.status = status
        self.words = words
        self.said_more = said_more
        self.sent = sent


class NotSentError(CallFailedError):
    """The channel was closed before the call began. A class, since the cloud can choose any words."""

    def __init__(self) -> None:
        super().__init__(Status.UNAVAILABLE, "the channel was closed")


class UnreadableAnswerError(Exception):
    """An answer came, and it is not one that can be read."""


CallError: TypeAlias = "CallFailedError | UnreadableAnswerError"
CALL_ERRORS: Final = (CallFailedError, UnreadableAnswerError)


class Cause(enum.Enum):
    """Why a call failed."""

    ANSWER = "the cloud's own answer"
    UNREADABLE = "an answer that cannot be read"
    NO_TRAILERS = "an answer without its end, or a page in its place"
    NOT_GRPC = "something in between answered, not the cloud"
    NOT_CONNECTED = "no connection came about"
    NOT_SENT = "the connection was closed before the call began"
    LOST = "the connection was lost"
    RESET = "the cloud, or something in between, reset this call alone"
    REFUSED_STREAM = "HTTP/2 says that nothing of it was processed"
    SILENCE = "no answer in time"


_BY_WORDS: Final = (
    ("Deadline Exceeded", Cause.SILENCE),
    ("Stream removed (Deadline Exceeded", Cause.SILENCE),
    ("failed to connect to all addresses", Cause.NOT_CONNECTED),
    ("errors resolving ", Cause.NOT_CONNECTED),
    (f"{PAGE}103", Cause.RESET),  # costs this call and no other
    (PAGE, Cause.NOT_GRPC),
    ("No status received", Cause.NO_TRAILERS),
    ("Stream removed (Data frame with END_STREAM flag received", Cause.NO_TRAILERS),
    ("Decompress", Cause.UNREADABLE),
    ("Stream removed (Decompress", Cause.UNREADABLE),
    ("Stream removed (CLIENT: Received message larger than max", Cause.UNREADABLE),
    ("Stream removed (Error parsing ", Cause.UNREADABLE),
    ("Stream removed (RST_STREAM ", Cause.RESET),
    ("Stream removed (", Cause.LOST),
)
"""How gRPC core words what it finds by itself; the first match counts."""

_CHARGE_REFUSALS: Final = frozenset(
    {Status.UNAUTHENTICATED, Status.PERMISSION_DENIED, Status.INVALID_ARGUMENT, Status.NOT_FOUND}
    | {Status.OUT_OF_RANGE, Status.UNIMPLEMENTED}
)
_CHANGE_REFUSALS: Final = _CHARGE_REFUSALS | {Status.FAILED_PRECONDITION, Status.ALREADY_EXISTS}
"""Answers that say that the work was not done. Narrow on purpose: a rate limit may strike after the work."""


def cause_of(error: CallError) -> Cause:
    """Why a call failed."""
    if isinstance(error, UnreadableAnswerError):
        return Cause.UNREADABLE
    if isinstance(error, NotSentError):
        return Cause.NOT_SENT
    # Nothing but core's own finding counts: the whole text to the letter, and nothing that the cloud sent besides.
    if error.words == _REFUSED_STREAM and error.status is Status.UNAVAILABLE and not error.said_more:
        return Cause.REFUSED_STREAM
    return next((cause for words, cause in _BY_WORDS if error.words.startswith(words)), Cause.ANSWER)


def outcome_of_change(error: CallError) -> Outcome:
    """What is known of a change or an e-mail that was sent and failed."""
    return _outcome(error, _CHANGE_REFUSALS)


def outcome_of_charge(error: CallError) -> Outcome:
    """What is known of a charge that was sent and failed.

    Decided here and nowhere else, and narrowly: what counts as REFUSED may be sent again, and a charge that is sent
    again after all charges twice. REFUSED is

    - an answer of the cloud itself that it gives before it works: who asks, what is asked, whether it has the call. Not
      among them: UNAVAILABLE, ABORTED, RESOURCE_EXHAUSTED and INTERNAL, which a proxy or a worker that died half-way
      gives too, and ALREADY_EXISTS, which may speak of this very charge.
    - REFUSED_STREAM, by which HTTP/2 says that nothing was processed.

    FAILED_PRECONDITION may be a card that was declined, with or without an invoice left behind: LOOK. A deadline or a
    lost connection says nothing: both can come after the work.
    """
    if cause_of(error) is Cause.ANSWER and error.args[0] is Status.FAILED_PRECONDITION:
        return Outcome.LOOK
    return _outcome(error, _CHARGE_REFUSALS)


def _outcome(error: CallError, refusals: Collection[Status]) -> Outcome:
    cause = cause_of(error)
    if cause is Cause.NOT_SENT:
        return Outcome.NEVER_SENT
    refused = cause is Cause.REFUSED_STREAM or (cause is Cause.ANSWER and error.args[0] in refusals)
    return Outcome.REFUSED if refused else Outcome.UNKNOWN
