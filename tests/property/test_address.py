from __future__ import annotations

import ipaddress

from hypothesis import given, settings
from hypothesis import strategies as st

from viam_billing.settings import app_address

HOSTS = st.one_of(
    st.sampled_from(["localhost", "127.0.0.1", "[::1]", "app.viam.com", "0.0.0.1", "[::ffff:127.0.0.1]", "127.1"]),
    st.ip_addresses().map(lambda ip: f"[{ip}]" if ip.version == 6 else str(ip)),
    st.text(st.sampled_from("localhst127.:[]@/\\#?% %\u24db\u06610x\t\n"), max_size=16),
    st.from_regex(r"(localhost|127\.0\.0\.1|\[::1\])[.@#\\a-z0-9:]{0,6}", fullmatch=True),
)
ENDS = st.sampled_from(["", "/", ":80", ":65536", ":0", "/x", "?x", "#x", "@evil.example", "\\@evil.example"])
URLS = st.builds("".join, st.tuples(st.sampled_from(["http://", "HTTP://", "https://", "http:", "//"]), HOSTS, ENDS))


def is_this_machine(host: str) -> bool:
    """The contract's words: exactly `localhost`, 127.0.0.0/8, ::1."""
    if host == "localhost":
        return True
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    return ip in ipaddress.ip_network("127.0.0.0/8") if ip.version == 4 else int(ip) == 1


@settings(max_examples=1000)
@given(st.one_of(URLS, st.text(max_size=30)))
def test_nothing_leaves_this_machine_in_plain_text(text: str) -> None:
    """Nor unverified, whatever is written as an address."""
    found = app_address.parse(text)
    if found is not None and not found.path:
        assert 0 < found.port < 65536
        assert found.host
        assert (found.tls and found.verified) or is_this_machine(found.host)


@given(st.ip_addresses())
def test_plain_http_is_good_for_loopback_only(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    host = f"[{ip}]" if ip.version == 6 else str(ip)
    assert (app_address.parse(f"http://{host}") is not None) == is_this_machine(str(ip))


@settings(max_examples=300)
@given(URLS)
def test_an_address_reads_as_it_was_read(text: str) -> None:
    """Its own text gives the same address again."""
    found = app_address.parse(text)
    if found is not None:
        assert app_address.parse(found.text) == found
