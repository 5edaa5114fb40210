"""The secret of an API key: given in the configuration, or in a file that is read at need and heard when it changes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import stat
import time
from functools import partial
from typing import Final

from viam import logging

from viam_billing.core.errors import NotConfiguredError, quoted
from viam_billing.core.secrets import Secrets
from viam_billing.core.tasks import wait_shared
from viam_billing.storage.disk import DiskThread
from viam_billing.storage.strict_folder import check_parents

LOGGER: Final = logging.getLogger(__name__)

_LARGEST_BYTES: Final = 4096
_READ_S: Final = 2.0
_AT_MOST_EVERY_S: Final = 1.0
_KEY: Final = re.compile(r"[!#-&(-~]+")  # ASCII without blanks and quotes
_NO_LINK: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NOCTTY | os.O_NONBLOCK  # else a pipe would hang


class ApiKey:
    """One key, or one file with a key; whatever it has been is taken out of all texts."""

    def __init__(self, secrets: Secrets, key: str, file: str | None = None, thread: DiskThread | None = None) -> None:
        """`key` is not looked at where there is a file, which is read on the thread. Does no I/O."""
        self.secrets = secrets
        self._file = file
        self.in_file = file is not None
        self._key = key
        self._thread = thread or DiskThread("api_key_file")
        self._reading: asyncio.Future[str] | None = None
        self._begun_s = 0.0
        self._known = asyncio.Event()
        self._told = False
        if file is None:
            secrets.add(key)

    async def read(self, *, newest: bool = False) -> str:
        """The key; that of a file is at most a second old, or as new as the file.

        Raises: NotConfiguredError: the file cannot be used, or was not read in time.
        """
        if self._file is None:
            return self._key
        now_s = time.monotonic()
        if self._reading is None or (self._reading.done() and (newest or now_s - self._begun_s >= _AT_MOST_EVERY_S)):
            self._begun_s = now_s
            self._reading = self._thread.begin(partial(_content, self._file))
            self._reading.add_done_callback(self._take)
        try:
            return await wait_shared(self._reading, max(0.0, self._begun_s + _READ_S - now_s))
        except asyncio.TimeoutError:
            raise _unusable(self._file, "the disk did not answer in time") from None

    def _take(self, reading: asyncio.Future[str]) -> None:
        """Know what was read, whether or not anybody still waits for it."""
        if reading.cancelled():
            return
        if isinstance(error := reading.exception(), NotConfiguredError):
            if not self._told:
                LOGGER.warning("no API key can be read: %s", error.text)
            self._told = True
        elif error is None:
            self._told = False
            if self._key != reading.result():
                self._key = reading.result()
                self.secrets.add(self._key)
            self._known.set()

    async def known(self) -> str:
        """The key, as soon as one could be read."""
        with contextlib.suppress(NotConfiguredError):
            return await self.read()
        await self._known.wait()
        return self._key


def _content(path: str) -> str:
    """The key in a file. Raises: NotConfiguredError."""
    try:
        check_parents(path)
        descriptor = os.open(path, _NO_LINK)
        try:
            found = os.fstat(descriptor)
            content = os.read(descriptor, _LARGEST_BYTES + 1) if stat.S_ISREG(found.st_mode) else b""
        finally:
            os.close(descriptor)
    except OSError as error:
        why = "it is a link" if error.errno == errno.ELOOP else error.strerror or type(error).__name__
        raise _unusable(path, why) from None
    key = content.rstrip(b"\r\n").decode("latin-1")
    faults = {
        "it is not a regular file": not stat.S_ISREG(found.st_mode),
        "it belongs to another user": found.st_uid != os.geteuid(),
        "others than its owner may use it": bool(found.st_mode & 0o077),
        f"it has more than {_LARGEST_BYTES} bytes": len(content) > _LARGEST_BYTES,
        "it does not hold an API key, and nothing else, on one line": not _KEY.fullmatch(key),
    }
    for why, is_so in faults.items():
        if is_so:
            raise _unusable(path, why)
    return key


def _unusable(path: str, why: str) -> NotConfiguredError:
    return NotConfiguredError(
        f"the attribute api_key_file names {quoted(path)}, which cannot be used: {why}. "
        "Name a file of the module's user, with mode 0600, that holds an organization owner's API key and nothing else."
    )
