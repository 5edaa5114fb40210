"""Where an invoice's PDF goes: into the answer, or into a file that is complete or not there at all."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from viam_billing.commands.context import Answer
from viam_billing.core.errors import CloudError, ResultTooLargeError, StateUnavailableError, quoted
from viam_billing.core.memory import return_small_blocks
from viam_billing.settings.attributes import MIB
from viam_billing.storage.disk import Disk, NewFile
from viam_billing.storage.strict_folder import advice, look, opened, opened_below

FOLDER_BYTES: Final = 256 * MIB
_TAIL_BYTES: Final = 1024
"""A PDF has its header within its first 1,024 bytes, its end marker within its last (ISO 32000-1, annex H.3.4)."""
_ENCODED_AT_ONCE_BYTES: Final = 3 * 2**16
"""22 MiB at once would stop the event loop."""
_LEFT_BEHIND_S: Final = 3600.0
_FOLDERS: Final = "invoices", "incoming"


class _Pdf:
    """What both kinds share. Use a PDF in an `async with`: stream into it, then `finish`."""

    def __init__(self, room_bytes: int, too_large: str) -> None:
        self._room_bytes = room_bytes
        self._too_large = too_large

    async def restart(self) -> None:
        """Forget what came so far."""
        self.size_bytes = 0
        import hashlib  # noqa: PLC0415 - a megabyte, see core.digest

        self._hash = hashlib.sha256()
        self._head = self._tail = b""

    async def __aenter__(self) -> None:
        await self.restart()

    async def __aexit__(self, *_: object) -> None:
        """Nothing has to be closed."""

    def _note(self, chunk: bytes) -> None:
        self.size_bytes += len(chunk)
        self._hash.update(chunk)
        self._head = (self._head + chunk[:_TAIL_BYTES])[:_TAIL_BYTES]
        self._tail = (self._tail + chunk[-_TAIL_BYTES:])[-_TAIL_BYTES:]
        self._check_room()

    def _check_room(self) -> None:
        if self.size_bytes > self._room_bytes:
            raise ResultTooLargeError(self._too_large)

    def _complete(self) -> Answer:
        """Size and hash. A stream that ends early can end well for gRPC: a PDF without its end marker was cut.

        Raises: CloudError: if it was, or if it is no PDF.
        """
        size = f"({self.size_bytes} bytes). Try again later."
        if self.size_bytes and b"%PDF-" not in self._head:
            raise CloudError(f"the cloud sent something else in place of the PDF {size}")
        if b"%%EOF" not in self._tail:
            raise CloudError(f"the cloud sent only a part of the PDF {size}")
        return {"size_bytes": self.size_bytes, "sha256": self._hash.hexdigest()}


class InlinePdf(_Pdf):
    """A PDF kept in memory, up to a limit, as base64: many megabytes are not to be there twice."""

    def __init__(self, limit_bytes: int) -> None:
        way_out = "Use the parameter save_as, or raise the attribute max_pdf_bytes."
        super().__init__(limit_bytes, f"the PDF is larger than max_pdf_bytes ({limit_bytes}). {way_out}")

    async def restart(self) -> None:
        """Forget what came so far."""
        await super().restart()
        self._encoded: list[str] = []
        self._rest = b""

    async def take(self, chunk: bytes) -> None:
        """Raises: ResultTooLargeError: beyond the limit."""
        for start in range(0, len(chunk), _ENCODED_AT_ONCE_BYTES):
            part = chunk[start : start + _ENCODED_AT_ONCE_BYTES]
            self._note(part)
            part = self._rest + part
            whole = len(part) - len(part) % 3  # only the last part of base64 may be padded
            self._encoded.append(base64.b64encode(part[:whole]).decode("ascii"))
            self._rest = part[whole:]
            if len(chunk) > _ENCODED_AT_ONCE_BYTES:
                await asyncio.sleep(0)

    async def finish(self) -> Answer:
        """The fields of the answer. Raises: CloudError: if the PDF is not complete."""
        facts, rest = self._complete(), base64.b64encode(self._rest).decode("ascii")
        content = "".join([*self._encoded, rest])
        self._encoded.clear()
        if self.size_bytes > MIB:
            await asyncio.to_thread(return_small_blocks)
        return {**facts, "content_base64": content}


class SavedPdf(_Pdf):
    """A PDF written to `<state_dir>/invoices/<name>`; until it is complete it lies in `<state_dir>/incoming`.

    All PDFs of a folder are written on one thread, one step after the other. Every method raises
    `StateUnavailableError` if the folder cannot be used.
    """

    def __init__(self, disk: Disk, state_dir: str | None, name: str) -> None:
        if state_dir is None:
            raise StateUnavailableError("there is no folder to save to. Set the attribute state_dir.")
        self._state_dir = state_dir
        self._name = name
        folder = os.path.join(state_dir, _FOLDERS[0])
        full = f"the folder {quoted(folder)} would hold more than {FOLDER_BYTES // MIB} MiB. Move files away from it."
        super().__init__(0, full)
        self.path = os.path.join(folder, name)
        self._thread = disk.thread(folder)
        self._opened = contextlib.ExitStack()

    async def __aenter__(self) -> None:
        await super().restart()
        try:
            await self._on_disk(self._open)
        except BaseException:
            self._thread.submit(self._opened.close)  # after the opening, which goes on when its caller is cancelled
            raise

    async def __aexit__(self, *_: object) -> None:
        await asyncio.shield(asyncio.wrap_future(self._thread.submit(self._opened.close)))

    async def restart(self) -> None:
        """Forget what came so far."""
        if self.size_bytes:
            await self._on_disk(self._file.truncate)
        await super().restart()

    async def take(self, chunk: bytes) -> None:
        """Raises: ResultTooLargeError: when the folder would pass its 256 MiB."""
        self._note(chunk)
        await self._on_disk(partial(self._file.write, chunk))

    async def finish(self) -> Answer:
        """Put it in its place; else like `InlinePdf`. Raises: ResultTooLargeError: if another one took the room."""
        facts = self._complete()
        await self._on_disk(self._put)
        return {**facts, "path": self.path}

    def _open(self) -> None:
        state = self._opened.enter_context(opened(self._state_dir))
        self._invoices, incoming = (self._opened.enter_context(opened_below(state, name)) for name in _FOLDERS)
        # A killed process left what is older; what is being written is younger.
        NewFile.remove_older(incoming, time.time() - _LEFT_BEHIND_S)
        self._measure_room()
        self._file = NewFile(incoming)
        self._opened.callback(self._file.discard)

    def _put(self) -> None:
        self._measure_room()
        self._check_room()
        if not os.path.samestat(os.fstat(self._invoices), look(self._state_dir, _FOLDERS[0])):
            raise OSError(errno.ESTALE, "the folder was replaced meanwhile")
        self._file.put(self._invoices, self._name)

    def _measure_room(self) -> None:
        with os.scandir(self._invoices) as entries:
            others = (entry.stat(follow_symlinks=False) for entry in entries if entry.name != self._name)
            self._room_bytes = FOLDER_BYTES - sum(other.st_size for other in others)

    async def _on_disk(self, work: Callable[[], None]) -> None:
        """Disk errors get their name here: an `OSError` that left a call would be taken for a broken connection."""
        try:
            await self._thread.run(work)
        except OSError as error:
            todo = advice(error, " Make the folder writable for the module's user alone, or free disk space.")
            raise StateUnavailableError(
                f"the PDF could not be written below state_dir {quoted(self._state_dir)}: "
                f"{error.strerror or type(error).__name__}.{todo}"
            ) from None
