"""The built page: files of one folder, at / and, as a Viam application has them, at /machine/ID/.

/start sets the cookie with the machine's address and key and leads to /machine/ID/, as `viam module local-app-testing`
does; without it /machine/ID/ is the page of somebody who has not logged in. HTML gets a <base href> there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import stat
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_plus, unquote_to_bytes

from viam_billing_sandbox.machine.web import Answer, Request, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LARGEST_FILE: Final = 32 * 1024 * 1024
_MACHINE: Final = re.compile(r"/machine/([A-Za-z0-9._-]{1,100})(/.*)?", re.DOTALL)
_HEAD: Final = re.compile(rb"<head[^>]*>", re.IGNORECASE)
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
    ".txt": "text/plain; charset=utf-8",
}


class Pages:
    """Answers GET and HEAD requests from a folder; without one it says how to give it."""

    def __init__(self, folder: Path | None, machine_id: str, cookie: Mapping[str, object]) -> None:
        self._folder = folder
        self._machine_id = machine_id
        self._cookie = quote_plus(json.dumps(cookie, separators=(",", ":")))

    async def answer(self, request: Request) -> Answer:
        """Returns a file, or the way to it."""
        path, _, query = request.path.partition("?")
        if self._folder is None:
            return text(HTTPStatus.NOT_FOUND, "There is no page here. The machine serves one with --page FOLDER.")
        if path == "/start":
            cookie = f"{self._machine_id}={self._cookie}; Path=/; SameSite=Lax"
            place = f"/machine/{self._machine_id}/" + (f"?{query}" if query else "")
            return Answer(HTTPStatus.FOUND, {"location": place, "set-cookie": cookie, "cache-control": "no-store"})
        base, found = None, _MACHINE.fullmatch(path)
        if found:
            base = f"/machine/{found[1]}/"
            if not found[2]:
                return Answer(HTTPStatus.FOUND, {"location": base})
            path = found[2]
        names = _names(path)
        if names is None:
            return text(HTTPStatus.NOT_FOUND)
        content = await asyncio.to_thread(_read, self._folder, names)
        if content is None:
            return text(HTTPStatus.NOT_FOUND)
        kind = _TYPES.get(os.path.splitext(names[-1])[1].lower(), "application/octet-stream")
        if base is not None and kind.startswith("text/html"):
            tag = f'<base href="{base}">'.encode()
            content = _HEAD.sub(lambda head: head[0] + tag, content, count=1)
        return Answer(HTTPStatus.OK, {"content-type": kind, "cache-control": "no-cache"}, content)


def _names(path: str) -> list[str] | None:
    """Returns the folders and the file that a path names; None for one that could leave the folder."""
    try:
        decoded = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return None
    if decoded.endswith("/"):
        decoded += "index.html"
    names = decoded.split("/")[1:]
    safe = all(name and not name.startswith(".") and name.isprintable() and "\\" not in name for name in names)
    return names if safe else None


def _read(folder: Path, names: list[str]) -> bytes | None:
    """Reads a regular file below a folder without following a link; None where there is none, or one too large."""
    with contextlib.ExitStack() as opened, contextlib.suppress(OSError, ValueError):
        here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        opened.callback(os.close, here)
        for name in names[:-1]:
            here = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            opened.callback(os.close, here)
        with open(os.open(names[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here), "rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST_FILE:
                return file.read(_LARGEST_FILE)
    return None
