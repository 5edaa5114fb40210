"""The machine's calls over gRPC-web, with CORS, as a page in a browser makes them."""

from __future__ import annotations

import asyncio
import re
import struct
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import grpc

from viam_billing.core.tasks import within
from viam_billing_sandbox.machine.calls import DEFAULT_TIMEOUT_S, Calls
from viam_billing_sandbox.machine.refused import ErrorStyle, Refused
from viam_billing_sandbox.machine.web import Answer, Request, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TYPE: Final = "application/grpc-web+proto"
_TYPES: Final = (_TYPE, "application/grpc-web")
_CORS: Final[Mapping[str, str]] = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "grpc-status, grpc-message",
}
_PREFIX: Final = struct.Struct(">BI")
_TRAILERS: Final = 0x80
_TIMEOUT: Final = re.compile(r"(\d{1,8})([HMSmun])")
_UNIT_S: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def preflight(request: Request) -> Answer:
    """Answers a browser's question whether a page may call; every page may, as at viam-server."""
    asked = request.headers.get("access-control-request-headers", "*")
    return Answer(
        HTTPStatus.NO_CONTENT,
        {
            **_CORS,
            "access-control-allow-methods": "GET, POST, OPTIONS",
            "access-control-allow-headers": asked if asked.isascii() and asked.isprintable() else "*",
            "access-control-max-age": "600",
        },
    )


class GrpcWeb:
    """Answers POST requests."""

    def __init__(self, calls: Calls, style: Callable[[], ErrorStyle]) -> None:
        self._calls = calls
        self._style = style

    async def answer(self, request: Request) -> Answer:
        """Returns the answer: a message and its trailers, or trailers that say why there is none."""
        if request.headers.get("content-type", "").split(";")[0].strip().lower() not in _TYPES:
            return text(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{_TYPE} is what this port takes")
        try:
            message = await self._call(request)
        except Refused as refused:
            seen = refused.in_style(self._style())
            # In trailers as in headers: percent-encoded UTF-8.
            words = quote(seen.message, safe=" !#$&'()*+,-./:;<=>?@[]^_`{|}~\"\\")
            return _answered(_trailers(f"grpc-status: {seen.number}\r\ngrpc-message: {words}\r\n"))
        return _answered(_PREFIX.pack(0, len(message)) + message + _trailers("grpc-status: 0\r\n"))

    async def _call(self, request: Request) -> bytes:
        answer = self._calls.find(request.path)
        if len(request.body) < _PREFIX.size or _PREFIX.unpack_from(request.body) != (
            0,
            len(request.body) - _PREFIX.size,
        ):
            raise Refused(grpc.StatusCode.INTERNAL, "the body is not one uncompressed message")
        timeout_s = _timeout_s(request.headers.get("grpc-timeout", ""))
        try:
            return await within(timeout_s, answer(request.body[_PREFIX.size :], timeout_s))
        except asyncio.TimeoutError:
            raise Refused(grpc.StatusCode.DEADLINE_EXCEEDED, "context deadline exceeded") from None


def _timeout_s(header: str) -> float:
    found = _TIMEOUT.fullmatch(header)
    return min(int(found[1]) * _UNIT_S[found[2]], DEFAULT_TIMEOUT_S) if found else DEFAULT_TIMEOUT_S


def _trailers(lines: str) -> bytes:
    return _PREFIX.pack(_TRAILERS, len(lines)) + lines.encode("ascii")


def _answered(body: bytes) -> Answer:
    return Answer(HTTPStatus.OK, {**_CORS, "content-type": _TYPE}, body)
