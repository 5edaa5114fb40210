"""HTTP/1.1 on a connection: reads bounded requests, one after the other, and writes their answers."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from viam_billing.core.tasks import within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

LONGEST_BODY: Final = 32 * 1024 * 1024 + 5
"""Bytes: a message of gRPC-web as long as viam-server takes it, with its prefix."""

_IDLE_S: Final = 120.0
_TRANSFER_S: Final = 60.0
_LOOK_S: Final = 0.2
"""How often it is looked whether the client of a call that is under way has left."""


@dataclass(frozen=True)
class Request:
    """A request; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """An answer with the headers that it needs besides the length."""

    status: HTTPStatus
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class BadRequestError(Exception):
    """A request that gets no other answer than this status; its connection ends."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


def text(status: HTTPStatus, words: str = "") -> Answer:
    """Returns an answer in words."""
    return Answer(status, {"content-type": "text/plain; charset=utf-8"}, f"{words or status.phrase}\n".encode())


class Web:
    """Serves connections; `answer` is asked for every request."""

    def __init__(self, answer: Callable[[Request], Awaitable[Answer]]) -> None:
        self._answer = answer

    async def serve(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves a connection whose first bytes have been read already, until it ends."""
        goes_on = True
        while goes_on:
            try:
                request = await _read(first, reader, writer)
            except BadRequestError as error:
                await _write(writer, text(error.status), goes_on=False, with_body=True)
                return
            answering = asyncio.ensure_future(self._answer(request))
            try:
                while not (await asyncio.wait({answering}, timeout=_LOOK_S))[0]:
                    if reader.at_eof():
                        return
            finally:
                answering.cancel()
            goes_on = request.headers.get("connection", "").lower() != "close"
            try:
                answer = answering.result()
            except Exception as error:  # noqa: BLE001 - one request's defect is not the others'
                sys.stderr.write(f"{request.method} {request.path!r}: {error!r}\n")
                answer = text(HTTPStatus.INTERNAL_SERVER_ERROR)
            await _write(writer, answer, goes_on=goes_on, with_body=request.method != "HEAD")
            first = b""


async def _read(first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    try:
        head = first + await within(_IDLE_S, reader.readuntil(b"\r\n\r\n"))
    except asyncio.LimitOverrunError:
        raise BadRequestError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from None
    line, *lines = head.decode("latin-1").split("\r\n")[:-2]
    words = line.split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0") or not words[1].startswith("/"):  # noqa: PLR2004 - method, path, version
        raise BadRequestError(HTTPStatus.BAD_REQUEST)
    headers: dict[str, str] = {}
    for each in lines:
        name, colon, value = each.partition(":")
        if not colon or name != name.strip() or name.lower() in headers:
            raise BadRequestError(HTTPStatus.BAD_REQUEST)
        headers[name.lower()] = value.strip()
    if words[2] == "HTTP/1.0":
        headers["connection"] = "close"
    return Request(words[0], words[1], headers, await _body(headers, reader, writer))


async def _body(headers: Mapping[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    if "transfer-encoding" in headers:
        raise BadRequestError(HTTPStatus.LENGTH_REQUIRED)
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdecimal()):
        raise BadRequestError(HTTPStatus.BAD_REQUEST)
    if len(length) > len(str(LONGEST_BODY)) or int(length) > LONGEST_BODY:
        raise BadRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return await within(_TRANSFER_S, reader.readexactly(int(length)))


async def _write(writer: asyncio.StreamWriter, answer: Answer, *, goes_on: bool, with_body: bool) -> None:
    lines = [f"HTTP/1.1 {answer.status.value} {answer.status.phrase}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    lines += ["x-content-type-options: nosniff"]
    if answer.status is not HTTPStatus.NO_CONTENT:
        lines += [f"content-length: {len(answer.body)}"]
    if not goes_on:
        lines += ["connection: close"]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + (answer.body if with_body else b""))
    await within(_TRANSFER_S, writer.drain())
