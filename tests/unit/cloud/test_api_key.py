from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from viam_billing.cloud.api_key import ApiKey
from viam_billing.core.errors import NotConfiguredError
from viam_billing.core.secrets import Secrets
from viam_billing.storage.disk import DiskThread

KEY = "the-key-of-the-owner"


def put(path: Path, key: str) -> Path:
    """Write a key into a file for its owner alone."""
    path.touch(0o600)
    path.write_text(key)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with a key."""
    return put(tmp_path / "owner.key", KEY)


async def test_a_key_that_is_given_is_a_secret_at_once() -> None:
    secrets = Secrets()
    assert await ApiKey(secrets, KEY).read() == KEY
    assert secrets.redact(f"a {KEY}") == "a ***"


async def test_what_a_file_has_had_stays_a_secret(file: Path) -> None:
    secrets = Secrets()
    key = ApiKey(secrets, "", str(file))
    assert await key.read() == KEY
    put(file, "another-key")
    assert await key.read(newest=True) == "another-key"
    assert secrets.redact(f"{KEY}, another-key") == "***, ***"


async def test_a_disk_that_hangs_holds_nobody_up_twice(file: Path) -> None:
    """The first caller waits for a while; the others do not, until the disk answers."""
    thread, go_on = DiskThread("hangs"), threading.Event()
    hanging = thread.begin(go_on.wait)
    key = ApiKey(Secrets(), "", str(file), thread)
    for _ in range(3):
        with pytest.raises(NotConfiguredError, match="did not answer in time"):
            await key.read()
    go_on.set()
    await hanging
    assert await key.known() == KEY


async def test_that_a_file_cannot_be_used_is_logged_once(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And again after it could be: a login may go on for days without it."""
    key = ApiKey(Secrets(), "", str(file))
    for _ in range(2):
        os.chmod(file, 0o644)
        for _ in range(3):
            with pytest.raises(NotConfiguredError):
                await key.read(newest=True)
        os.chmod(file, 0o600)
        await key.read(newest=True)
    assert caplog.text.count("others than its owner") == 2


async def test_whoever_waits_for_the_key_gets_it_when_it_can_be_read(file: Path) -> None:
    """Without asking again and again: whoever needs the key reads it."""
    key = ApiKey(Secrets(), "", str(file))
    os.chmod(file, 0o644)
    waiting = asyncio.create_task(key.known())
    with pytest.raises(NotConfiguredError, match="others than its owner"):
        await key.read()
    assert not waiting.done()
    os.chmod(file, 0o600)
    assert await key.read(newest=True) == KEY
    assert await waiting == KEY
