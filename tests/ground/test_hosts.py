"""Hosts and origins in one form. The second opinion on alphabets is the package `idna`, which follows UTS #46."""

from __future__ import annotations

import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.hosts import WebOrigin, ascii_host, split_authority


@pytest.mark.parametrize(
    "host",
    ["Bücher.example", "straße.de", "日本語。jp", "παράδειγμα.δοκιμή", "EXAMPLE.com", "ﬁsh.example", "xn--bcher-kva.example"],
)
def test_a_name_becomes_what_browsers_make_of_it(host: str) -> None:
    assert ascii_host(host) == idna.encode(host, uts46=True, transitional=False).decode()


@pytest.mark.parametrize(
    ("host", "one"),
    [("example.com.", "example.com"), ("127.0.0.1", "127.0.0.1"), ("[::1]", "::1"), ("2001:0db8::1", "2001:db8::1")],
)
def test_a_final_dot_and_the_long_form_of_an_address_make_no_difference(host: str, one: str) -> None:
    assert ascii_host(host) == one


@pytest.mark.parametrize(
    "host", ["", ".", "a..b", "-a", "a-", "a b", "*", "*.example", "a" * 64, "é" * 60, "☃", "a/b", "a" * 60 + ".b" * 100]
)
def test_text_that_no_host_can_have_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="host"):
        ascii_host(host)


@given(st.text(max_size=80))
def test_any_text_becomes_ascii_or_is_refused_and_a_second_time_changes_nothing(text: str) -> None:
    try:
        host = ascii_host(text)
    except ValueError:
        return
    assert host.isascii()
    assert ascii_host(host) == host


@given(st.text(max_size=80))
def test_any_text_is_an_origin_or_refused(text: str) -> None:
    for candidate in (text, f"https://{text}"):
        try:
            origin = WebOrigin.parse(candidate)
        except ValueError:
            continue
        assert origin.host


def test_an_authority_is_a_host_and_a_port() -> None:
    assert split_authority("A.example:80") == ("a.example", 80)
    assert split_authority("[::1]") == ("::1", None)
    assert split_authority("a:") == ("a", None)


def test_the_default_port_of_the_scheme_counts_as_said() -> None:
    assert WebOrigin.parse("https://a") == WebOrigin.parse("HTTPS://A:443") != WebOrigin.parse("http://a:443")
    assert WebOrigin.parse("moz-extension://5b6e") == WebOrigin("moz-extension", "5b6e", None)
