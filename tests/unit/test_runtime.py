"""How a service's parts are put together."""

from __future__ import annotations

from pathlib import Path

from viam_billing import config
from viam_billing.commands import EFFECTS
from viam_billing.runtime import Runtime


async def test_the_journal_survives_a_power_cut(tmp_path: Path) -> None:
    """Every commit of it is synced in full: what was tried, and the cooldowns."""
    runtime = Runtime(config.parse({"state_dir": str(tmp_path)}, {}, EFFECTS))
    store = runtime.context.state._store  # noqa: SLF001 - the setting is the connection's own and not in the file
    assert store is not None
    synchronous = await store.run(lambda db: db.execute("PRAGMA synchronous").fetchone()[0])
    await runtime.close()
    assert synchronous == 2
    assert (tmp_path / "journal.db").exists()
