"""Where an invoice's PDF goes: into the answer, or into a file that is complete or not there at all."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, TypeVar

from viam_billing.core.errors import CloudError, ResultTooLargeError, StateUnavailableError, quoted
from viam_billing.settings.attributes import MIB
from viam_billing.storage.database import make_folder

T = TypeVar("T")

FOLDER_BYTES: Final = 256 * MIB
_TAIL_BYTES: Final = 1024
"""Within its last 1,024 bytes a PDF has its end marker (ISO 32000-1, annex H.3.4.4)."""
_LEFT_BEHIND_S: Final = 3600.0
_ONE_AT_A_TIME: Final = threading.Lock()


class _Pdf:
    """What both kinds share: size, hash, and whether the end arrived."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.size_bytes = 0
        self._hash = hashlib.sha256()
        self._head = b""
        self._tail = b""

    @property
    def sha256(self) -> str:
        """The hash of all bytes, in hexadecimal."""
        return self._hash.hexdigest()

    def _note(self, chunk: bytes) -> None:
        self.size_bytes += len(chunk)
        self._hash.update(chunk)
        if len(self._head) < _TAIL_BYTES:
            self._head = (self._head + chunk)[:_TAIL_BYTES]
        self._tail = (self._tail + chunk)[-_TAIL_BYTES:]

    def _check_complete(self) -> None:
        """A stream that ends early can still end well for gRPC: a PDF with objects and no end marker was cut.

        Raises:
            CloudError: if it was, or if nothing came.
        """
        cut = self._head.startswith(b"%PDF-") and b" obj" in self._head and b"%%EOF" not in self._tail
        if cut or not self.size_bytes:
            raise CloudError(f"the cloud sent only a part of the PDF ({self.size_bytes} bytes). Try again later.")

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class InlinePdf(_Pdf):
    """A PDF kept in memory, up to a limit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__()
        self._limit_bytes = limit_bytes
        self._encoded: list[bytes] = []
        self._rest = b""

    async def restart(self) -> None:
        """Forget what came so far."""
        self._begin()
        self._encoded.clear()
        self._rest = b""

    async def take(self, chunk: bytes) -> None:
        """Raises: ResultTooLargeError: beyond the limit."""
        self._note(chunk)
        if self.size_bytes > self._limit_bytes:
            raise ResultTooLargeError(
                f"the PDF is larger than max_pdf_bytes ({self._limit_bytes}). "
                "Use the parameter save_as, or raise the attribute max_pdf_bytes."
            )
        part = self._rest + chunk
        whole = len(part) - len(part) % 3
        self._encoded.append(base64.b64encode(part[:whole]))
        self._rest = part[whole:]

    async def finish(self) -> None:
        """Raises: CloudError: if the PDF is not whole."""
        self._check_complete()

    @property
    def content_base64(self) -> str:
        """All bytes in base64, which was made chunk by chunk: 22 MiB at once would stop the event loop."""
        return b"".join((*self._encoded, base64.b64encode(self._rest))).decode("ascii")


class SavedPdf(_Pdf):
    """A PDF written to `<state_dir>/invoices/<name>`; until it is whole it lies in `<state_dir>/incoming`.

    Every method raises `StateUnavailableError` where the disk does not let it.
    """

    def __init__(self, state_dir: str | None, name: str) -> None:
        super().__init__()
        if state_dir is None:
            raise StateUnavailableError("there is no folder to save to. Set the attribute state_dir.")
        self._state_dir = state_dir
        self._folder = os.path.join(state_dir, "invoices")
        self.path = os.path.join(self._folder, name)
        self._temporary = ""
        self._file = -1
        self._room_bytes = 0
        self._in_use = threading.Lock()
        self._abandoned = False

    async def __aenter__(self) -> None:
        try:
            await self._on_disk(self._open)
        except asyncio.CancelledError:
            # The thread goes on. Whichever of the two comes second cleans up; no await here, it may be cancelled too.
            self._abandoned = True
            asyncio.get_running_loop().run_in_executor(None, self._clean_up)
            raise

    async def restart(self) -> None:
        """Forget what came so far."""
        if self.size_bytes:
            await self._on_disk(self._empty)
        self._begin()

    async def take(self, chunk: bytes) -> None:
        """Raises: ResultTooLargeError: when the folder would pass its 256 MiB."""
        self._note(chunk)
        if self.size_bytes > self._room_bytes:
            raise self._too_large()
        await self._on_disk(lambda: self._write(chunk))

    async def finish(self) -> None:
        """Put the file in its place.

        Raises:
            CloudError: if the PDF is not whole.
            ResultTooLargeError: if another one took the room meanwhile.
        """
        self._check_complete()
        await self._on_disk(self._move_into_place)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(asyncio.to_thread(self._clean_up))

    def _open(self) -> None:
        make_folder(self._state_dir)
        incoming = os.path.join(self._state_dir, "incoming")
        make_folder(self._folder)
        make_folder(incoming)
        _remove_left_behind(incoming)
        self._room_bytes = FOLDER_BYTES - self._other_files_bytes()
        with self._in_use:
            self._file, self._temporary = tempfile.mkstemp(dir=incoming)
        if self._abandoned:
            self._clean_up()

    def _empty(self) -> None:
        with self._in_use:
            if self._file >= 0:
                os.ftruncate(self._file, 0)
                os.lseek(self._file, 0, os.SEEK_SET)

    def _other_files_bytes(self) -> int:
        with os.scandir(self._folder) as entries:
            return sum(e.stat(follow_symlinks=False).st_size for e in entries if e.path != self.path)

    def _move_into_place(self) -> None:
        with self._in_use:
            if self._file < 0:
                return  # the caller has left
            os.fsync(self._file)
        with _ONE_AT_A_TIME:
            if self.size_bytes > FOLDER_BYTES - self._other_files_bytes():
                raise self._too_large()
            os.replace(self._temporary, self.path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _write(self, chunk: bytes) -> None:
        """A caller that leaves closes the file; the lock keeps that apart from a write that is still under way."""
        with self._in_use:
            view = memoryview(chunk)
            while view and self._file >= 0:
                view = view[os.write(self._file, view) :]

    def _clean_up(self) -> None:
        with self._in_use:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1
            if self._temporary:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._temporary)

    async def _on_disk(self, work: Callable[[], T]) -> T:
        """Disk errors get their name here: an `OSError` that left a call would be taken for a broken connection."""
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise StateUnavailableError(
                f"the PDF could not be written below state_dir {quoted(self._state_dir)}: "
                f"{error.strerror or type(error).__name__}. Make the folder writable or free disk space."
            ) from None

    def _too_large(self) -> ResultTooLargeError:
        return ResultTooLargeError(
            f"the folder {quoted(self._folder)} would hold more than {FOLDER_BYTES // MIB} MiB. "
            "Move files away from it."
        )


def _remove_left_behind(folder: str) -> None:
    """What a killed process left; what another one is writing is younger."""
    oldest_s = time.time() - _LEFT_BEHIND_S
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.stat(follow_symlinks=False).st_mtime < oldest_s:
                    os.unlink(entry.path)
