"""Which journal was charged with: an empty or an older one in its place is refused, for reading and charging alike.

A journal that was used leaves a mark outside `state_dir`, a file in `VIAM_MODULE_DATA` with the journal's id, so that a
start on an empty folder is noticed as well.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Final

from viam import logging

from viam_billing.core.digest import digest
from viam_billing.core.errors import StateUnavailableError, quoted
from viam_billing.storage.disk import NewFile
from viam_billing.storage.strict_folder import open_in, opened

LOGGER: Final = logging.getLogger(__name__)


class Identity:
    """The journal of one folder and cloud as it was used last. Its methods block: call them from a disk thread."""

    def __init__(self, state_dir: str, app_address: str, marks_dir: str | None) -> None:
        self._state_dir = state_dir
        self._marks_dir = marks_dir
        name = digest(f"{state_dir}\n{app_address}")
        self._mark = f"journal-{name}"
        self._marked: str | None = None  # the id in the mark, once that is read
        self._id = ""
        self._entries = 0
        """The journal that was charged with, empty for none, and how many entries it had."""
        self.accepted: set[str | None] = set()
        """Ids of journals that the owner knows to be lost for good: charging begins again with another one."""
        self.lost = ""
        """The id of the journal that was charged with, as long as it is gone."""
        self.when_lost: list[Callable[[], None]] = []
        """Called on the disk's thread when the journal is found gone."""

    def check(self, journal_id: str | None = None, entries: int = 0) -> None:
        """Refuse a journal that is not the one that was charged with, or an older copy; no arguments: none is there."""
        if self._marked is None:
            self._marked = ""
            with contextlib.suppress(OSError, UnicodeDecodeError):
                self._marked = self._read_mark()
            self._id = self._id or self._marked
        if self._id and (journal_id != self._id or entries < self._entries):
            if self._id not in self.accepted:
                raise self._lost(journal_id)
            self._id, self._entries = "", 0
        self.lost = ""

    def note(self, journal_id: str, entries: int) -> None:
        """The journal has so many entries on the disk."""
        if entries:
            self._entries = max(entries, self._entries if journal_id == self._id else 0)
            self._id = journal_id

    def _read_mark(self) -> str:
        if self._marks_dir is None:
            return ""
        with opened(self._marks_dir, make=False) as folder:
            mark = open_in(folder, self._mark, os.O_RDONLY)
        with open(mark, encoding="ascii") as file:
            return file.read(64).strip()

    def write_mark(self, journal_id: str) -> None:
        """Leave the journal's id outside of its folder. Where that cannot be written, charging goes on without."""
        if self._marks_dir is None or self._marked == journal_id:
            return
        self._marked = journal_id
        try:
            with contextlib.ExitStack() as stack:
                folder = stack.enter_context(opened(self._marks_dir, make=False))
                file = NewFile(folder)
                stack.callback(file.discard)
                file.write(journal_id.encode("ascii"))
                file.put(folder, self._mark)
        except OSError as error:
            LOGGER.warning("a loss of the charge journal would not be noticed at the next start: %s", error.strerror)

    def _lost(self, found_id: str | None) -> StateUnavailableError:
        what = "there is none in its place"
        if found_id is not None:
            other = "an older copy of it" if found_id == self._id else f"another one, {found_id}"
            what = f"{other}, which does not know what was charged, is in its place"
        text = (
            f"the charge journal {self._id} in state_dir {quoted(self._state_dir)} is gone, and {what}. Nothing is "
            "charged or read. Put the folder back; or, if it is lost for good, look at the invoices in the Viam app "
            f'and set the attribute accept_lost_journal to "{self._id}".'
        )
        if self.lost != self._id:
            LOGGER.error("the charge journal is gone: %s", text)
            self.lost = self._id
            for listener in list(self.when_lost):
                listener()
        return StateUnavailableError(text)
