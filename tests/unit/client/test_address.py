"""A machine's address as somebody writes it."""

from __future__ import annotations

import pytest

from viam_billing_client.address import has_host, is_loopback

HOSTS = ["office-main.abc123xyz.viam.cloud", "https://office:8080/", "localhost:8080", "[::1]:8080", "::1", " host "]
NONE = ["", " ", "\t", "http://", "https:///", ":8080", " :8080", "http://:8080", "//:8080", "\t:8080"]


@pytest.mark.parametrize(("address", "has"), [*((each, True) for each in HOSTS), *((each, False) for each in NONE)])
def test_a_host_is_told_from_none(address: str, has: bool) -> None:  # noqa: FBT001 - a column
    assert has_host(address) is has


@pytest.mark.parametrize("address", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "::1"])
def test_this_computer_is_known(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["localhost.example", "example:8080", "10.0.0.1", ":8080"])
def test_no_other_is(address: str) -> None:
    assert not is_loopback(address)
