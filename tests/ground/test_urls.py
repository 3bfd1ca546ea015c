"""URLs as operators type them: what is usable is parsed, everything else is refused with an example."""

import pytest
from teslafast.errors import Misconfigured
from teslafast.urls import is_this_machine, origin, parse_url

EXAMPLE = "https://telemetry.example.com:443"


def parsed(text: str) -> tuple[str, str | None, int | None]:
    parts = parse_url(text, ("https", "http"), default="https", example=EXAMPLE)
    return parts.scheme, parts.hostname, parts.port


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://telemetry.example.com", ("https", "telemetry.example.com", None)),
        ("HTTP://localhost:3000/health", ("http", "localhost", 3000)),
        ("telemetry.example.com:8443", ("https", "telemetry.example.com", 8443)),
        ("https://[2001:db8::7]:65535", ("https", "2001:db8::7", 65535)),
    ],
)
def test_a_usable_url_gives_scheme_host_and_port(text: str, parts: tuple[str, str, int | None]) -> None:
    assert parsed(text) == parts


@pytest.mark.parametrize(
    "text", ["", "https://", "ftp://a.example", "http://[::1", "http://a:x", "http://a:65536", "http://a:0", "http:///path"]
)
def test_an_unusable_url_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        parsed(text)
    assert str(refused.value) == f"URL: {text!r} is not a usable address — give one such as {EXAMPLE}"


def test_the_setting_that_holds_the_url_is_named() -> None:
    with pytest.raises(Misconfigured, match=r"^TESLA_API_BASE_URL: "):
        parse_url("x", ("https",), default="", example=EXAMPLE, subject="TESLA_API_BASE_URL")


def test_an_origin_has_brackets_around_an_ipv6_address_only() -> None:
    assert origin("http", "127.0.0.1", 80) == "http://127.0.0.1:80"
    assert origin("https", "::1", 443) == "https://[::1]:443"


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.9", True),
        ("::1", True),
        ("192.0.2.1", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_only_loopback_addresses_and_localhost_are_this_machine(host: str, local: bool) -> None:
    assert is_this_machine(host) is local
