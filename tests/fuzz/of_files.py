"""The files in state_dir as a failing disk leaves them: bytes changed, parts missing, files mixed up."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st
from typing_extensions import Self

from fuzz.mangled import change_one
from fuzz.world import World, ends_well
from support.charging import CHARGING, charge
from support.faulty_cloud import attributes
from support.module_process import ModuleProcess
from support.sandbox_process import SandboxProcess

_NAMES: Final = ("cache.db", "usage.db", "journal.db", "cache.db-wal", "usage.db-wal", "journal.db-wal")
_KINDS: Final = ("flip", "flip", "set", "cut", "delete", "insert", "repeat")
_CHANGES: Final = st.lists(
    st.tuples(
        st.sampled_from(_NAMES),
        st.sampled_from(_KINDS),
        st.one_of(st.floats(0, 1, exclude_max=True), st.floats(0, 0.01)),
        st.one_of(st.binary(min_size=1, max_size=8), st.just(bytes(512)), st.just(b"\xff" * 64)),
    ),
    min_size=1,
    max_size=8,
)
_QUESTIONS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("get_current_month_usage", {}),
    ("get_location_usage", {}),
    ("get_usage_history", {}),
    ("get_usage_history", {"step": "hour", "by": "type"}),
    ("compare_usage", {}),
    ("check_budget", {}),
    ("get_invoices_summary", {}),
    ("list_charges", {}),
    ("get_charge", {"idempotency_key": "stopped"}),
    ("get_audit_log", {}),
    ("reconcile_charges", {}),
    ("charge_organization", {"org_id": CHARGING["allowed_org_ids"][1], "amount_owed": 1, "idempotency_key": "another"}),
    (
        "charge_organization",
        {"org_id": CHARGING["allowed_org_ids"][0], "amount_owed": 12.5, "idempotency_key": "stopped"},
    ),
    ("resolve_charge", {"idempotency_key": "killed", "outcome": "failed", "note": "a person"}),
)


class Files(World):
    """A folder that a service has used, copied for each example and changed before a service starts with it."""

    examples = _CHANGES

    async def __aenter__(self) -> Self:
        self._sandbox = SandboxProcess("--quiet").__enter__()
        self._folder = tempfile.TemporaryDirectory()
        self._number = itertools.count()
        await super().__aenter__()
        for end in ("stopped", "killed"):  # what the first leaves is in the files, what the second leaves in their logs
            async with ModuleProcess() as before:
                await before.add(self._block("good"))
                for command, parameters in _QUESTIONS[:7]:
                    await before.ask(command, **parameters)
                await before.do(charge(end))
                if end == "killed":
                    before.kill()
        await self.warmed_up()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        try:
            await super().__aexit__(*exc_info)
        finally:
            self._sandbox.__exit__()
            self._folder.cleanup()

    def _block(self, folder: str) -> dict[str, Any]:
        path = Path(self._folder.name, folder)
        return {**attributes(self._sandbox.address, path), **CHARGING, "budget": {"monthly": 5}}

    async def judge(self, example: list[tuple[str, str, float, bytes]]) -> None:
        """Start a service with the changed files, and ask all that it keeps there."""
        name = f"changed-{next(self._number)}"
        folder = Path(self._folder.name, name)
        shutil.copytree(Path(self._folder.name, "good"), folder)
        for file, kind, where, new in example:
            path = folder / file
            if path.exists():
                path.write_bytes(change_one(path.read_bytes(), kind, where, new))
        await self.module.add(self._block(name))
        try:
            for command, parameters in _QUESTIONS:
                await ends_well(self.module.ask(command, **parameters))
            assert (await self.module.status())["version"]
        finally:
            await self.module.remove()
            shutil.rmtree(folder, ignore_errors=True)  # the service's files are still being closed
