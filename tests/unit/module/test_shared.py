from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from viam_billing.cache.cache import Cache
from viam_billing.cloud.session import Session
from viam_billing.module.shared import Key, Shared
from viam_billing.settings.app_address import AppAddress

HERE = AppAddress("http://localhost:1", "localhost", 1)
THERE = AppAddress("http://localhost:2", "localhost", 2)
KEY = Key(HERE, "id", "key")


class Service:
    """What one service holds of the shared parts."""

    def __init__(self, shared: Shared, key: Key = KEY, folder: str | None = None) -> None:
        self.lease = ExitStack()
        self.session: Session = self.lease.enter_context(shared.session(key))
        self.cache: Cache = self.lease.enter_context(shared.cache(key, self.session, folder))


@pytest.fixture
def shared() -> Shared:
    """A process without services."""
    return Shared()


@pytest.fixture
def service(shared: Shared) -> Iterator[Service]:
    """The first service."""
    made = Service(shared)
    yield made
    made.lease.close()


def test_services_with_one_key_share_session_and_cache(shared: Shared, service: Service) -> None:
    again = Service(shared)
    assert again.session is service.session
    assert again.cache is service.cache


@pytest.mark.parametrize("key", [Key(THERE, "id", "key"), Key(HERE, "other", "key"), Key(HERE, "id", "other")])
def test_another_key_or_address_shares_nothing(shared: Shared, service: Service, key: Key) -> None:
    other = Service(shared, key)
    assert other.session is not service.session
    assert other.cache is not service.cache


def test_another_folder_shares_the_session_only(shared: Shared, service: Service, tmp_path: Path) -> None:
    other = Service(shared, folder=str(tmp_path))
    assert other.session is service.session
    assert other.cache is not service.cache


def test_a_private_cache_is_shared_with_nobody(shared: Shared, service: Service) -> None:
    with shared.private_cache(KEY, service.session) as one, shared.private_cache(KEY, service.session) as other:
        assert len({id(cache) for cache in (one, other, service.cache)}) == 3


def test_handing_out_touches_no_disk(shared: Shared, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    with shared.history(str(folder), HERE), shared.charging(str(folder), HERE):
        Service(shared, folder=str(folder)).lease.close()
    assert not folder.exists()


def test_a_part_lives_from_its_first_user_to_its_last(shared: Shared, service: Service) -> None:
    other = Service(shared)
    service.lease.close()
    third = Service(shared)
    assert third.session is other.session
    other.lease.close()
    third.lease.close()
    assert Service(shared).session is not other.session


def test_a_lease_that_ends_twice_takes_nothing_from_others(shared: Shared, service: Service) -> None:
    service.lease.close()
    newer = Service(shared)
    service.lease.close()
    assert Service(shared).session is newer.session


def test_a_rejected_key_clears_only_the_caches_that_are_open(shared: Shared, service: Service) -> None:
    with shared.private_cache(KEY, service.session):
        assert len(service.session.when_key_rejected) == 2
    assert service.session.when_key_rejected == [service.cache.clear]


def test_sent_emails_are_known_as_long_as_the_process_lives(shared: Shared) -> None:
    shared.sent_emails["/folder", HERE.text]["customer"] = 1.0
    assert shared.sent_emails["/folder", HERE.text] == {"customer": 1.0}
    assert shared.sent_emails["/folder", THERE.text] == {}
