"""Who a request is from: the right-most hop that is no proxy of ours, and never what a client says of itself."""

from __future__ import annotations

import time
from collections import Counter
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.http_messages import Request
from teslafast.server.trusted_proxies import TrustedProxies, host_of

PROXY, INNER, CLIENT, OTHER = "10.0.0.1", "10.0.0.2", "192.0.2.7", "198.51.100.9"


def proxies() -> TrustedProxies:
    return TrustedProxies([ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48")], Counter())


def client(address: str, **headers: str | list[str]) -> tuple[str, str]:
    named = {name.replace("_", "-"): [value] if isinstance(value, str) else value for name, value in headers.items()}
    return proxies().client(Request("GET", "/", named), address)


NAMED: dict[str, dict[str, str | list[str]]] = {
    "one hop": {"x_forwarded_for": CLIENT},
    "with its port": {"x_forwarded_for": f"{CLIENT}:4711"},
    "two proxies of ours": {"x_forwarded_for": f"{CLIENT}, {INNER}"},
    "in two lines": {"x_forwarded_for": [CLIENT, INNER]},
    "what the client claims stands further left": {"x_forwarded_for": f"{OTHER}, {PROXY}, {CLIENT}, {INNER}"},
    "junk further left": {"x_forwarded_for": f"<script>, {CLIENT}"},
    "Forwarded": {"forwarded": f"for={CLIENT};proto=https;by={PROXY}"},
    "Forwarded, quoted": {"forwarded": f'For="{CLIENT}:4711" ; host="a,b;for=1.2.3.4"'},
    "Forwarded, two proxies": {"forwarded": f"for={OTHER}, for={CLIENT}, for={INNER}"},
    "both, which agree": {"forwarded": f"for={CLIENT}", "x_forwarded_for": CLIENT},
}


@pytest.mark.parametrize("how", NAMED)
def test_a_trusted_proxy_names_the_client(how: str) -> None:
    assert client(f"{PROXY}:5", **NAMED[how]) == (CLIENT, f"{PROXY}:5")


def test_an_ipv6_client_and_an_ipv6_proxy_are_known_in_each_form() -> None:
    for text in ('for="[2001:db8::7]:80"', 'for="[2001:db8::7]"'):
        assert client("[2001:db8:1::5]:443", forwarded=text)[0] == "2001:db8::7"
    assert client(f"{PROXY}:5", x_forwarded_for="::ffff:192.0.2.7")[0] == CLIENT


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_forwarded_for": "unknown"},
        {"x_forwarded_for": f"{CLIENT}, junk"},
        {"forwarded": "for=_hidden"},
        {"forwarded": "proto=https"},
        {"forwarded": f"for={OTHER}", "x_forwarded_for": CLIENT},  # the client wrote one of the two
    ],
)
def test_where_the_proxy_names_nobody_it_stands_for_the_client_itself(headers: dict[str, str]) -> None:
    assert client(f"{PROXY}:5", **headers)[0] == f"{PROXY}:5"


@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for", "client-cert", "client-cert-chain"])
def test_the_header_of_anybody_else_is_ignored_and_counted(header: str) -> None:
    ignored: Counter[str] = Counter()
    asked = Request("GET", "/", {header: [f"for={OTHER}"]})
    for networks in ([ip_network("10.0.0.0/8")], []):
        assert TrustedProxies(networks, ignored).client(asked, f"{CLIENT}:5") == (f"{CLIENT}:5", "")
    assert ignored == {header: 2}


@given(st.text(max_size=400), st.sampled_from(["forwarded", "x-forwarded-for"]))
def test_any_header_of_a_proxy_names_an_address_or_the_proxy(text: str, name: str) -> None:
    address, proxy = proxies().client(Request("GET", "/", {name: [text]}), f"{PROXY}:5")
    assert proxy
    assert host_of(address)


def test_the_worst_header_takes_no_longer_than_a_harmless_one_of_its_length() -> None:
    def seconds(text: str) -> float:
        asked, began = Request("GET", "/", {"forwarded": [text]}), time.perf_counter()
        for _ in range(20):
            proxies().client(asked, f"{PROXY}:5")
        return time.perf_counter() - began

    length = 16_000
    harmless = min(seconds("a" * length) for _ in range(3))
    for worst in ('"\\' * (length // 2), '"' * length, "for=" * (length // 4), ";" * length):
        assert min(seconds(worst) for _ in range(3)) < 60 * harmless
