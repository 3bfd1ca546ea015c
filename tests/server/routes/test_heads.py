"""What every request head must be, whichever path it asks for: RFC 9112, 3.2 and RFC 6455, 4.2."""

from __future__ import annotations

import pytest
from teslafast.http_messages import Request

from tests.support.routing import UPGRADE, answer, request, status, token, upgrade


@pytest.mark.parametrize("path", ["/", "/health", "/vehicles", "/nothing"])
def test_a_request_of_http_1_1_without_host_is_answered_400(path: str) -> None:
    assert status(request(path, host=None)) == 400


def test_a_request_of_http_1_0_needs_no_host() -> None:
    assert status(request("/health", http="1.0", host=None)) == 200


@pytest.mark.parametrize(
    "host", ["", "a b", "a/b", "a:b", "a:99999", "a:0", "user@a", "a,b", "[::1", "[zz]", "*", "é.example", "a\tb", "http://a"]
)
def test_a_host_that_names_no_host_is_answered_400(host: str) -> None:
    found = answer(request("/health", host=host))
    assert (found.status, found.cause) == (400, "host_header")


@pytest.mark.parametrize(
    "host", ["a", "A.example", "a:3000", "a:", "127.0.0.1:80", "[::1]:3000", "[::1]", "my_host", "a.example."]
)
def test_a_host_that_names_one_is_taken(host: str) -> None:
    assert status(request("/health", host=host)) == 200


@pytest.mark.parametrize("name", ["host", "origin", "sec-websocket-key", "sec-websocket-version"])
@pytest.mark.parametrize("same", [True, False])
def test_a_header_that_may_stand_once_and_stands_twice_is_answered_400(name: str, same: bool) -> None:
    asked = upgrade("/stream", authorization=f"Bearer {token()}", origin="http://telemetry.example.com")
    first = dict(asked.headers)[name][0]
    second = first if same else {"sec-websocket-key": UPGRADE["sec-websocket-key"][::-1]}.get(name, "other")
    assert status(Request("GET", asked.target, dict(asked.headers) | {name: [first, second]})) == 400
