from __future__ import annotations

import pytest

from viam_billing.settings.app_address import AppAddress, is_loopback, parse


def test_the_cloud_is_reached_over_verified_tls() -> None:
    assert parse("https://app.viam.com") == AppAddress(
        "https://app.viam.com", host="app.viam.com", port=443, tls=True, verified=True
    )


def test_a_port_can_be_named() -> None:
    found = [parse(text) for text in ("https://app.viam.com:8443", "http://localhost:8080")]
    assert [address.port for address in found if address] == [8443, 8080]


def test_a_trailing_slash_makes_no_other_address() -> None:
    """The same text names the same journal and the same login."""
    assert parse("https://app.viam.com/") == parse("https://app.viam.com")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.255.0.9", "[::1]", "[0:0:0:0:0:0:0:1]"])
def test_plain_http_is_for_this_machine(host: str) -> None:
    address = parse(f"http://{host}")
    assert address is not None
    assert (address.port, address.tls, address.verified) == (80, False, False)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_a_certificate_on_this_machine_is_not_verified(host: str) -> None:
    address = parse(f"https://{host}:9000")
    assert address is not None
    assert (address.tls, address.verified) == (True, False)


@pytest.mark.parametrize(
    "host", ["app.viam.com", "localhost.example.com", "10.0.0.1", "[fe80::1]", "[::ffff:127.0.0.1]"]
)
def test_a_certificate_elsewhere_is_verified(host: str) -> None:
    address = parse(f"https://{host}")
    assert address is not None
    assert address.verified


@pytest.mark.parametrize(
    "host",
    [
        "app.viam.com",
        "localhost.example.com",
        "localhost.",
        "127.0.0.1.example.com",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0.0.0.1",
        "10.0.0.1",
        "128.0.0.1",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
        "[::1%25lo]",
        "localhost@example.com",
        "example.com#@localhost",
        "example.com\\@localhost",
        "ⓛocalhost",
    ],
)
def test_plain_http_elsewhere_is_refused(host: str) -> None:
    assert parse(f"http://{host}") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "app.viam.com",
        "app.viam.com:443",
        "ftp://app.viam.com",
        "unix:/run/x.sock",
        "https://",
        "https://:443",
        "https://app.viam.com/path",
        "https://app.viam.com//",
        "https://app.viam.com?x=1",
        "https://app.viam.com#x",
        "https://user@app.viam.com",
        "https://user:word@app.viam.com",
        "https://app.viam.com:",
        "https://app.viam.com:0",
        "https://app.viam.com:65536",
        "https://app.viam.com:x",
        "https://app.viam.com:4٤3",
        "https://localhost.",
        "https://127.0.0.1.:9000",
        "https://app viam.com",
        "https://app.viam.com\n",
        " https://app.viam.com",
        "https://[::1",
        "http://[::1]example.com",
        "https://[::1]example.com",
        "relative/path.sock",
        "/run/x\0.sock",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert parse(text) is None


def test_a_path_is_a_unix_socket() -> None:
    assert parse("/run/sandbox.sock") == AppAddress("/run/sandbox.sock", path="/run/sandbox.sock")


@pytest.mark.parametrize(
    ("host", "own"),
    [("localhost", True), ("127.8.8.8", True), ("::1", True), ("localhost.", False), ("::2", False), ("", False)],
)
def test_this_machine_has_three_names(host: str, own: bool) -> None:  # noqa: FBT001 - a column of the table
    assert is_loopback(host) is own


SPELLINGS = {
    "https://app.viam.com": (
        *("https://app.viam.com/", "https://App.Viam.com", "https://app.viam.com:443", "https://app.viam.com:0443"),
        *("https://app.viam.com.", "https://app.viam.com.:443/"),
    ),
    "https://app.viam.com:8443": ("https://app.viam.com.:8443", "https://app.viam.com:08443/"),
    "http://localhost": ("http://LOCALHOST/", "http://localhost:80", "http://localhost:080"),
    "http://localhost:443": ("http://localhost:0443",),
    "http://[::1]:8080": ("http://[0:0:0:0:0:0:0:1]:8080", "http://[0::1]:8080"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_one_cloud_has_one_name(name: str) -> None:
    """Two spellings would be two journals, in which one key could be charged twice."""
    found = parse(name)
    assert found is not None
    assert found.text == name
    assert [parse(text) for text in SPELLINGS[name]] == [found] * len(SPELLINGS[name])
