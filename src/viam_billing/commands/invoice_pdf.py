"""Where an invoice's PDF goes: into the answer, or into a file that is complete or not there at all."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, TypeVar

from viam_billing.core.errors import CloudError, ResultTooLargeError, StateUnavailableError, quoted
from viam_billing.settings.attributes import MIB
from viam_billing.storage.disk import Disk, NewFile, make_folder

T = TypeVar("T")

FOLDER_BYTES: Final = 256 * MIB
_TAIL_BYTES: Final = 1024
"""A PDF has its end marker within its last 1,024 bytes (ISO 32000-1, annex H.3.4.4)."""
_LEFT_BEHIND_S: Final = 3600.0


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
            CloudError: if it was, or if it is empty.
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
        """Raises: CloudError: if the PDF is not complete."""
        self._check_complete()

    @property
    def content_base64(self) -> str:
        """All bytes in base64, encoded chunk by chunk: 22 MiB at once would stop the event loop."""
        return b"".join((*self._encoded, base64.b64encode(self._rest))).decode("ascii")


class SavedPdf(_Pdf):
    """A PDF written to `<state_dir>/invoices/<name>`; until it is complete it lies in `<state_dir>/incoming`.

    All PDFs of a folder are written on one thread, one step after the other. Every method raises
    `StateUnavailableError` if the folder cannot be used.
    """

    def __init__(self, disk: Disk, state_dir: str | None, name: str) -> None:
        super().__init__()
        if state_dir is None:
            raise StateUnavailableError("there is no folder to save to. Set the attribute state_dir.")
        self._state_dir = state_dir
        self._folder = os.path.join(state_dir, "invoices")
        self.path = os.path.join(self._folder, name)
        self._thread = disk.thread(self._folder)
        self._room_bytes = 0
        self._file: NewFile | None = None

    async def __aenter__(self) -> None:
        try:
            await self._on_disk(self._open)
        except BaseException:
            self._thread.submit(self._discard)  # after the opening, which goes on when its caller is cancelled
            raise

    async def restart(self) -> None:
        """Forget what came so far."""
        if self.size_bytes:
            await self._on_disk(self._opened().truncate)
        self._begin()

    async def take(self, chunk: bytes) -> None:
        """Raises: ResultTooLargeError: when the folder would pass its 256 MiB."""
        self._note(chunk)
        if self.size_bytes > self._room_bytes:
            raise self._too_large()
        file = self._opened()
        await self._on_disk(lambda: file.write(chunk))

    async def finish(self) -> None:
        """Put the file in its place.

        Raises:
            CloudError: if the PDF is not complete.
            ResultTooLargeError: if another one took the room meanwhile.
        """
        self._check_complete()
        await self._on_disk(self._put)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._thread.run(self._discard)

    def _open(self) -> None:
        incoming = os.path.join(self._state_dir, "incoming")
        for folder in (self._state_dir, self._folder, incoming):
            make_folder(folder)
        _remove_left_behind(incoming)
        self._room_bytes = FOLDER_BYTES - self._other_files_bytes()
        self._file = NewFile(incoming)

    def _opened(self) -> NewFile:
        if self._file is None:
            raise AssertionError("a PDF is written between __aenter__ and __aexit__")
        return self._file

    def _other_files_bytes(self) -> int:
        with os.scandir(self._folder) as entries:
            return sum(e.stat(follow_symlinks=False).st_size for e in entries if e.path != self.path)

    def _put(self) -> None:
        if self.size_bytes > FOLDER_BYTES - self._other_files_bytes():
            raise self._too_large()
        self._opened().put(self.path)

    def _discard(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.discard()

    async def _on_disk(self, work: Callable[[], T]) -> T:
        """Disk errors get their name here: an `OSError` that left a call would be taken for a broken connection."""
        try:
            return await self._thread.run(work)
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
    """Remove what a killed process left; what another one is writing is younger."""
    oldest_s = time.time() - _LEFT_BEHIND_S
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.stat(follow_symlinks=False).st_mtime < oldest_s:
                    os.unlink(entry.path)
