"""A call that ends with a status other than OK, as direct callers and those over WebRTC see it."""

from __future__ import annotations

from typing import Literal

import grpc

ErrorStyle = Literal["direct", "webrtc"]


class Refused(Exception):  # noqa: N818 - an answer of the machine, not an error in it
    """A call ends with a status other than OK."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def number(self) -> int:
        """The status as a number."""
        return int(self.code.value[0])

    def in_style(self, style: ErrorStyle) -> Refused:
        """Returns the refusal as a caller sees it: over WebRTC the status is lost, the message stays."""
        return self if style == "direct" else Refused(grpc.StatusCode.UNKNOWN, self.message)
