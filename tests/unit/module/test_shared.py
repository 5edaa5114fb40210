from __future__ import annotations

from pathlib import Path

import pytest

from viam_billing.module.clouds import Cloud, Clouds
from viam_billing.settings.app_address import AppAddress

HERE = AppAddress("http://localhost:1", "localhost", 1)
THERE = AppAddress("http://localhost:2", "localhost", 2)


@pytest.fixture
def clouds() -> Clouds:
    """None handed out."""
    return Clouds()


@pytest.fixture
def cloud(clouds: Clouds) -> Cloud:
    """The first service's."""
    return clouds.acquire(HERE, "id", "key", None)


def test_services_with_one_key_share_link_and_answers(clouds: Clouds, cloud: Cloud) -> None:
    """One login, one connection, one fetch for both."""
    again = clouds.acquire(HERE, "id", "key", None)
    assert again.link is cloud.link
    assert again.cache is cloud.cache


@pytest.mark.parametrize(
    ("address", "key_id", "key"), [(THERE, "id", "key"), (HERE, "other", "key"), (HERE, "id", "other")]
)
def test_another_key_or_address_shares_nothing(
    clouds: Clouds, cloud: Cloud, address: AppAddress, key_id: str, key: str
) -> None:
    """A key that was replaced does not go on with the old login, nor see the old answers."""
    other = clouds.acquire(address, key_id, key, None)
    assert other.link is not cloud.link
    assert other.cache is not cloud.cache


def test_another_folder_shares_the_link_only(clouds: Clouds, cloud: Cloud, tmp_path: Path) -> None:
    """What one service keeps in its folder is its own."""
    other = clouds.acquire(HERE, "id", "key", str(tmp_path))
    assert other.link is cloud.link
    assert other.cache is not cloud.cache


def test_handing_out_touches_no_disk(clouds: Clouds, tmp_path: Path) -> None:
    """A service is made on the event loop, where nothing may block."""
    folder = tmp_path / "state"
    clouds.release(clouds.acquire(HERE, "id", "key", str(folder)))
    assert not folder.exists()


def test_only_the_last_user_ends_what_is_shared(clouds: Clouds, cloud: Cloud) -> None:
    """Until then others go on with it."""
    other = clouds.acquire(HERE, "id", "key", None)
    clouds.release(cloud)
    third = clouds.acquire(HERE, "id", "key", None)
    assert third.link is other.link
    clouds.release(other)
    clouds.release(third)
    assert clouds.acquire(HERE, "id", "key", None).link is not other.link


def test_one_that_was_given_back_twice_hurts_nobody(clouds: Clouds, cloud: Cloud) -> None:
    """What came in its place has users of its own."""
    clouds.release(cloud)
    newer = clouds.acquire(HERE, "id", "key", None)
    clouds.release(cloud)
    assert clouds.acquire(HERE, "id", "key", None).link is newer.link
