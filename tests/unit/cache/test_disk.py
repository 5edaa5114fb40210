from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from support.fake_parts import NOON_S, Clock
from viam_billing.cache.disk import FILE_NAME, CacheFile, cloud_name
from viam_billing.cache.readings import FOREVER_S, Entry
from viam_billing.settings.app_address import AppAddress
from viam_billing.storage.disk import Disk

KEEP_S = 3600.0
OLDEST_S = NOON_S - KEEP_S
LOGGER = "viam_billing.cache.disk"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A state_dir that is not there yet."""
    return tmp_path / "state"


@pytest.fixture
async def opened(folder: Path) -> AsyncIterator[Callable[..., CacheFile]]:
    """Opens the folder's file as a process that starts does."""
    files: list[CacheFile] = []
    disk = Disk()

    def open_file(cloud: str = "cloud", keep_s: float = KEEP_S, clock: Clock | None = None) -> CacheFile:
        files.append(CacheFile(disk, str(folder), cloud, clock or Clock(NOON_S)))
        files[-1].keep_s = keep_s
        return files[-1]

    yield open_file
    for file in files:
        file.close()


async def saved(file: CacheFile, question: str = "q", as_of_s: float = NOON_S, **entry: Any) -> None:  # noqa: ANN401 - of Entry
    """Save an answer and wait until it is written."""
    value: dict[str, Any] = entry.get("value", {"subtotal": 12.5})
    await file.save(question, Entry(value, as_of_s, 0.0, entry.get("valid_until_s", FOREVER_S)), within_s=30)


async def loaded(file: CacheFile) -> dict[str, Any]:
    """What a process finds that starts at noon."""
    return {query: entry.value for query, entry in (await file.load()).items()}


def rows(folder: Path) -> list[tuple[Any, ...]]:
    """Clouds and questions on disk, as another program sees them."""
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as db:
        return sorted(db.execute("SELECT cloud, question FROM answers"))


def modes(folder: Path) -> set[int]:
    """The permissions of a folder and of all that is in it."""
    return {path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}


def all_bytes(folder: Path) -> bytes:
    """The content of every file below a folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_an_answer_outlives_its_process(opened: Callable[..., CacheFile]) -> None:
    """With its time and its end."""
    await saved(opened(), valid_until_s=NOON_S + 5)
    found = (await opened().load())["q"]
    assert (found.value, found.as_of_s, found.valid_until_s) == ({"subtotal": 12.5}, NOON_S, NOON_S + 5)


async def test_a_newer_answer_replaces_the_older(opened: Callable[..., CacheFile]) -> None:
    """There is one for each question."""
    file = opened()
    await saved(file)
    await saved(file, value={"subtotal": 13.0})
    assert await loaded(opened()) == {"q": {"subtotal": 13.0}}


async def test_answers_of_another_cloud_are_not_seen(opened: Callable[..., CacheFile]) -> None:
    """Nor lost."""
    await saved(opened("one"))
    assert await loaded(opened("two")) == {}
    assert await loaded(opened("one")) == {"q": {"subtotal": 12.5}}


async def test_old_answers_are_removed_when_it_is_read(opened: Callable[..., CacheFile], folder: Path) -> None:
    """Those older than `max_stale_s`, from the disk too."""
    file = opened()
    await saved(file, "old", as_of_s=OLDEST_S - 1)
    await saved(file, "young", as_of_s=OLDEST_S + 1)
    assert set(await loaded(opened())) == {"young"}
    assert rows(folder) == [("cloud", "young")]


async def test_a_smaller_limit_removes_old_answers_when_it_is_closed(opened: Callable[..., CacheFile]) -> None:
    await saved(opened(), as_of_s=NOON_S - 1000)
    strict = opened(keep_s=10)
    await strict.load()
    strict.close()
    assert await loaded(opened()) == {}


async def test_past_months_are_removed_when_it_is_read(opened: Callable[..., CacheFile], folder: Path) -> None:
    """Usage of a month that has ended is not an answer any more."""
    file = opened()
    await saved(file, "past", valid_until_s=NOON_S)
    await saved(file, "current", valid_until_s=NOON_S + 1)
    assert set(await loaded(opened())) == {"current"}
    assert rows(folder) == [("cloud", "current")]


async def test_another_cloud_s_answers_keep_their_own_age(opened: Callable[..., CacheFile]) -> None:
    """The service that is read first may have a small `max_stale_s`, the other one a large one."""
    await saved(opened("patient"), as_of_s=NOON_S - 1000)
    strict = opened("strict", keep_s=10)
    await strict.load()
    strict.close()
    assert set(await loaded(opened("patient"))) == {"q"}


YEARS_S = 10 * 366 * 86_400.0


async def test_a_start_with_a_clock_years_ahead_removes_nothing(opened: Callable[..., CacheFile]) -> None:
    """Also where the clock is set ahead while the module runs, or gets answers. The right clock's answers are back."""
    clock = Clock(NOON_S)
    for set_ahead_at_start in (True, False):
        await saved(opened(clock=clock))
        clock.now_s = NOON_S + YEARS_S * set_ahead_at_start
        wrong = opened(clock=clock)
        assert set(await loaded(wrong)) >= {"q"}
        clock.now_s = NOON_S + YEARS_S
        await saved(wrong, "r", as_of_s=clock.now_s)
        clock.now_s = NOON_S + 1
        assert set(await loaded(opened(clock=clock))) >= {"q"}


async def test_after_months_without_power_the_second_start_removes_what_is_old(
    opened: Callable[..., CacheFile], folder: Path
) -> None:
    clock = Clock(NOON_S)
    await saved(opened(clock=clock), valid_until_s=NOON_S + KEEP_S)
    clock.now_s += 100 * 86_400
    second = opened(clock=clock)
    await second.load()
    await saved(second, "r", as_of_s=clock.now_s)
    assert rows(folder) == [("cloud", "q"), ("cloud", "r")]
    await opened(clock=clock).load()
    assert rows(folder) == [("cloud", "r")]


async def test_removed_answers_are_gone(opened: Callable[..., CacheFile], folder: Path) -> None:
    """From the disk, and of this cloud only."""
    await saved(opened("other"))
    file = opened()
    for name in ("a", "b", "c"):
        await saved(file, name)
    file.delete("a")
    await saved(file, "d")
    assert rows(folder) == [("cloud", "b"), ("cloud", "c"), ("cloud", "d"), ("other", "q")]
    file.delete(None)
    await saved(file, "e")
    assert rows(folder) == [("cloud", "e"), ("other", "q")]


async def test_revealed_details_of_an_earlier_version_are_in_no_file_any_more(
    opened: Callable[..., CacheFile], folder: Path
) -> None:
    """Of another key; nor what the first versions had replaced, and did not overwrite. Other answers stay."""
    first = opened("other")
    await saved(first)
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as db:
        db.execute("PRAGMA secure_delete = OFF")
        for number in range(3):
            for length in (10, 9000):
                details = f"jane{number}@example.com" + "x" * length
                db.execute("REPLACE INTO answers VALUES ('other', ?, ?, 1, 9e9)", (f"revealed:{length}", details))
            db.commit()
    assert all(f"jane{number}@example.com".encode() in all_bytes(folder) for number in range(3))
    await opened().clean()
    assert b"@example.com" not in all_bytes(folder)
    assert rows(folder) == [("other", "q")]


async def test_what_is_removed_right_before_the_end_is_removed(
    opened: Callable[..., CacheFile], caplog: pytest.LogCaptureFixture
) -> None:
    """A change may be the last thing before its service is reconfigured."""
    file = opened()
    await saved(file)
    file.delete("q")
    file.close()
    file.close()
    assert await loaded(opened()) == {}
    assert caplog.records == []


def test_keys_and_addresses_have_names_of_their_own() -> None:
    """The same key at another address is another cloud, and so is another key with the same id."""
    here, there = AppAddress("https://here"), AppAddress("https://there")
    named = [cloud_name(*of) for of in [(here, "i", "k"), (there, "i", "k"), (here, "j", "k"), (here, "i", "l")]]
    assert len(set(named)) == 4


async def test_no_file_has_the_key(opened: Callable[..., CacheFile], folder: Path) -> None:
    """What keeps clouds apart does not give it away."""
    name = cloud_name(AppAddress("https://here"), "the-key-id", "the-key-itself")
    await saved(opened(name))
    assert all_bytes(folder)
    assert b"the-key" not in all_bytes(folder) + name.encode()


async def test_only_the_owner_may_read_it(opened: Callable[..., CacheFile], folder: Path) -> None:
    """The folder 0700, its files 0600."""
    await saved(opened())
    assert modes(folder) == {0o700, 0o600}


def broken_bytes(folder: Path) -> None:
    """No database at all."""
    (folder / FILE_NAME).write_bytes(b"this is no database" * 1000)


def cut_off(folder: Path) -> None:
    """The power went while the file was written."""
    content = (folder / FILE_NAME).read_bytes()
    (folder / FILE_NAME).write_bytes(content[: len(content) // 2])


def of_a_newer_version(folder: Path) -> None:
    """A newer module was there before."""
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as db:
        db.execute("PRAGMA user_version = 99")


def with_a_broken_value(folder: Path) -> None:
    """A value that is no JSON."""
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as db:
        db.execute("UPDATE answers SET value = '{'")


def with_another_value(folder: Path) -> None:
    """A value that is right in itself, and not what was written."""
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as db:
        changed = db.execute("UPDATE answers SET value = substr(value, 1, 8) || '{}'").rowcount
    assert changed


def with_another_age(folder: Path) -> None:
    """A time that makes an old answer a new one."""
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as db:
        changed = db.execute("UPDATE answers SET as_of = as_of + 60").rowcount
    assert changed


DAMAGES = [broken_bytes, cut_off, of_a_newer_version, with_a_broken_value, with_another_value, with_another_age]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_costs_the_old_answers(
    opened: Callable[..., CacheFile], folder: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """And one line in the log; what comes then is kept again."""
    first = opened()
    await saved(first)
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(folder)
    second = opened()
    with caplog.at_level(logging.INFO, LOGGER):
        assert await loaded(second) == {}
        await saved(second, "new")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert caplog.messages[0].startswith("remembered answers are lost: ")
    assert set(await loaded(opened())) == {"new"}


def no_parent(folder: Path) -> CacheFile:
    """A folder whose parent is not there."""
    return CacheFile(Disk(), str(folder / "missing" / "state"), "cloud")


def a_file_in_its_place(folder: Path) -> CacheFile:
    """Something else has the folder's name."""
    folder.write_text("")
    return CacheFile(Disk(), str(folder), "cloud")


def a_folder_in_the_file_s_place(folder: Path) -> CacheFile:
    """Something else has the file's name."""
    (folder / FILE_NAME).mkdir(parents=True)
    return CacheFile(Disk(), str(folder), "cloud")


@pytest.mark.parametrize("made", [no_parent, a_file_in_its_place, a_folder_in_the_file_s_place])
async def test_a_disk_that_cannot_be_used_costs_one_line(
    folder: Path, made: Callable[[Path], CacheFile], caplog: pytest.LogCaptureFixture
) -> None:
    """However often it is tried, and nothing raises."""
    file = made(folder)
    with caplog.at_level(logging.INFO, LOGGER):
        assert await loaded(file) == {}
        for name in ("a", "b"):
            await saved(file, name)
        file.delete("a")
        file.delete(None)
    file.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert caplog.messages[0].startswith("answers are kept in memory only: ")
