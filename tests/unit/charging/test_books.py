"""What the services of one process share, and how it ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.fake_charges import FOR_EVER, ChargeCloud, request, settings
from support.fake_parts import Clock
from viam_billing.charging.books import Book, Books
from viam_billing.charging.desk import Desk
from viam_billing.core.errors import BillingError, StateUnavailableError
from viam_billing.settings.policy import Policy
from viam_billing.storage.disk import Disk


def desk(folder: Path, cloud: ChargeCloud) -> Desk:
    """A service."""
    return Desk(cloud, Policy(settings(str(folder), 1000.0, 500.0, ("a", "b"))))


async def charge(book: Book, desk: Desk, key: str = "k") -> str:
    """The state of a charge."""
    entry, _ = await book.charger.charge(request(key), desk, FOR_EVER)
    return entry.state


async def test_services_of_a_folder_share_a_book_for_each_cloud(tmp_path: Path) -> None:
    """And one database and one lock for all."""
    books = Books(Disk())
    one, same, other = (books.open(str(tmp_path), app) for app in ("x", "x", "y"))
    assert one is same
    assert other is not one
    assert other.store is one.store
    await one.charger.prepare()
    await other.charger.prepare()
    for book in (one, same, other):
        books.release(book)


async def test_the_last_release_closes(tmp_path: Path) -> None:
    """The database and the lock: the next to open finds both free."""
    books = Books(Disk())
    first, second = books.open(str(tmp_path), "x"), books.open(str(tmp_path), "x")
    await first.charger.prepare()
    books.release(first)
    await second.charger.prepare()
    books.release(second)
    with pytest.raises(StateUnavailableError):
        await second.charger.journal.find("k")
    third = books.open(str(tmp_path), "x")
    assert third is not first
    await third.charger.prepare()
    books.release(third)


async def test_stopping_waits_for_what_is_under_way(tmp_path: Path) -> None:
    """And begins nothing more, in no book, one opened later included."""
    books, cloud = Books(Disk()), ChargeCloud(Clock())
    book, service = books.open(str(tmp_path), "x"), desk(tmp_path, cloud)
    task = asyncio.ensure_future(charge(book, service))
    sending = await cloud.arrived()
    stopping = asyncio.ensure_future(books.stop(60))
    await asyncio.sleep(0)
    assert not stopping.done()
    sending.succeed()
    assert await stopping
    assert await task == "succeeded"
    later = books.open(str(tmp_path), "y")
    for each in (book, later):
        with pytest.raises(BillingError, match="closed"):
            await charge(each, service, "k2")
        books.release(each)


async def test_stopping_ends_although_a_charge_does_not(tmp_path: Path) -> None:
    """Within the time given; without any charge at once."""
    books, cloud = Books(Disk()), ChargeCloud(Clock())
    assert not await books.stop(60)
    books = Books(Disk())
    book = books.open(str(tmp_path), "x")
    task = asyncio.ensure_future(charge(book, desk(tmp_path, cloud)))
    await cloud.arrived()
    assert await books.stop(0.01)
    for attempt in book.charger.under_way():
        assert attempt.task is not None
        attempt.task.cancel()
    with pytest.raises(BillingError, match="next start"):
        await task
    books.release(book)
