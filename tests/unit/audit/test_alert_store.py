from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from viam_billing.audit.alert_store import MOST_WAITING, TRIED_S, Alert, AlertStore
from viam_billing.audit.events import Event
from viam_billing.storage.disk import Disk

APP = "https://app.viam.com"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., AlertStore]]:
    """What a process makes when it starts, each time on the same folder."""
    opened: list[AlertStore] = []
    disk = Disk()

    def make(sender: str = "this", app_address: str = APP) -> AlertStore:
        opened.append(AlertStore(disk, str(tmp_path / "state"), app_address, sender))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def events(*names: str) -> list[Event]:
    """Events with these names, which their texts have too."""
    return [Event(name, f"title {name}", f"body {name}") for name in names]


async def sent(store: AlertStore, address: str = "a") -> list[str]:
    """Take all that waits for an address, as one that is alive does; the titles."""
    titles = []
    while alert := await store.first(address):
        assert await store.begin(alert)
        await store.told(alert)
        titles.append(alert.title)
    return titles


async def test_an_event_is_told_once_to_each_address(start: Callable[..., AlertStore]) -> None:
    """Whatever process notes it; an address that is new, and another cloud, have not heard of it."""
    store = start()
    assert await store.note(["a", "b"], events("x"))
    assert [await sent(store, address) for address in "ab"] == [["title x"], ["title x"]]
    again = start("later")
    assert await again.note(["a", "b", "c"], events("x", "y"))
    assert [await sent(again, address) for address in "abc"] == [["title y"], ["title y"], ["title x", "title y"]]
    other = start(app_address="https://other.example")
    await other.note(["a"], events("x"))
    assert await sent(other) == ["title x"]


async def test_many_events_share_an_alert(start: Callable[..., AlertStore]) -> None:
    """More than five; twenty are named, and those that were told are not among them."""
    store = start()
    await store.note(["a"], events("old"))
    await sent(store)
    await store.note(["a"], events("old", *"12345"))
    assert len(await sent(store)) == 5
    await store.note(["a"], events("old", *map(str, range(6, 31))))
    alert = await store.first("a")
    assert alert is not None
    assert alert.title == "Viam: 25 things to look at"
    assert alert.body.splitlines()[0] == "body 6"
    assert alert.body.splitlines()[20:] == ["And 5 more."]


async def test_what_waits_is_bounded_and_noted_when_there_is_room(start: Callable[..., AlertStore]) -> None:
    """For the address that takes nothing; another one misses nothing."""
    store = start()
    for number in range(MOST_WAITING):
        assert await store.note(["dead"], events(str(number)))
    assert not await store.note(["dead", "alive"], events("late"))
    assert await sent(store, "alive") == ["title late"]
    assert len(await sent(store, "dead")) == MOST_WAITING
    assert await store.note(["dead"], events("late"))
    assert await sent(store, "dead") == ["title late"]


async def test_an_alert_is_tried_for_an_hour_in_turn_with_the_others(start: Callable[..., AlertStore]) -> None:
    """The time is that of the waits: one in which no process runs does not count."""
    store = start()
    await store.note(["a"], events("x", "y"))
    first = await begun(store)
    assert await store.failed("a", first, TRIED_S - 1) == 0
    second = await begun(store)
    assert (first.title, second.title) == ("title x", "title y")
    assert await start("later").recover("a") == 1
    await store.note(["a"], events("z"))
    third = await begun(store)
    assert await store.failed("a", third, 2) == 1
    assert await sent(store) == ["title z"]


async def test_what_was_being_sent_is_not_sent_again(start: Callable[..., AlertStore]) -> None:
    """Not by this process, which is still at it, nor by another that finds it; nor is it noted again."""
    store = start()
    await store.note(["a"], events("x"))
    alert = await begun(store)
    assert not await store.begin(alert)
    assert await store.recover("a") == 0
    later = start("later")
    assert await later.first("a") is None
    assert await later.recover("a") == 1
    await later.note(["a"], events("x"))
    assert await later.first("a") is None


async def begun(store: AlertStore) -> Alert:
    """The first alert, marked as leaving."""
    alert = await store.first("a")
    assert alert is not None
    assert await store.begin(alert)
    return alert
