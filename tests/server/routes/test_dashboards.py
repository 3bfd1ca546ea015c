"""Dashboards at `/stream`: who is admitted, with which subscription, and what everybody else is answered."""

from __future__ import annotations

from collections.abc import Sequence

import jwt
import pytest
from teslafast.core.load import ServerLoad
from teslafast.dashboards.admission import AdmitDashboard
from teslafast.dashboards.subscription import INTERVALS_MS, Subscription
from teslafast.dashboards.tokens import Grant
from teslafast.http_messages import Answer, Request
from teslafast.server.routes import Peer

from tests.support.routing import TIME, answer, decide, header, request, status, stream, subscription, token, upgrade


def test_a_dashboard_with_a_valid_token_is_admitted() -> None:
    admitted = stream()
    assert isinstance(admitted, AdmitDashboard)
    assert admitted.grant == Grant("tests", None, TIME + 60)
    assert admitted.subscription == Subscription()
    assert admitted.subprotocol is None


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_in_the_authorization_header_is_found(scheme: str) -> None:
    assert isinstance(stream(authorization=f"{scheme}  {token()}"), AdmitDashboard)


@pytest.mark.parametrize("name", ["token", "access_token"])
def test_a_token_in_the_query_is_found(name: str) -> None:
    assert isinstance(stream(f"?{name}={token()}", authorization=None), AdmitDashboard)


def test_a_token_among_the_subprotocols_is_found_and_never_answered() -> None:
    admitted = stream(authorization=None, sec_websocket_protocol=f"teslafast.v1, bearer.{token()}")
    assert isinstance(admitted, AdmitDashboard)
    assert admitted.subprotocol == "teslafast.v1"


def test_subprotocols_in_several_header_lines_are_found() -> None:
    asked = upgrade("/stream")
    headers: dict[str, Sequence[str]] = dict(asked.headers) | {"sec-websocket-protocol": ["teslafast.v1", f"bearer.{token()}"]}
    assert isinstance(decide(Request("GET", "/stream", headers)), AdmitDashboard)


def test_an_unknown_subprotocol_is_not_answered() -> None:
    admitted = stream(sec_websocket_protocol="graphql-ws")
    assert isinstance(admitted, AdmitDashboard)
    assert admitted.subprotocol is None


@pytest.mark.parametrize("bearer", [None, "", "Bearer", "Bearer ", "Basic dTpw", "Bearer nonsense", "Token x"])
def test_a_missing_or_invalid_token_is_answered_401(bearer: str | None) -> None:
    found = stream(authorization=bearer)
    assert isinstance(found, Answer)
    assert found.status == 401
    assert header(found, "WWW-Authenticate") == "Bearer"


def test_an_answer_never_contains_the_token() -> None:
    expired = token(exp=TIME - 1)
    found = stream(authorization=f"Bearer {expired}")
    assert isinstance(found, Answer)
    assert expired not in f"{found}"


def test_a_stream_request_without_an_upgrade_is_answered_426() -> None:
    found = answer(request("/stream", authorization=f"Bearer {token()}"))
    assert found.status == 426
    assert header(found, "Upgrade") == "websocket"
    assert header(found, "Sec-WebSocket-Version") == "13"


@pytest.mark.parametrize("value", ["Upgrade", "upgrade", "keep-alive, Upgrade", "keep-alive,UPGRADE , x"])
def test_the_connection_header_of_firefox_is_accepted(value: str) -> None:
    assert isinstance(stream(connection=value), AdmitDashboard)


@pytest.mark.parametrize("version", [None, "8", "14", "", "13, 8"])
def test_a_handshake_of_another_version_is_answered_400_with_ours(version: str | None) -> None:
    found = stream(sec_websocket_version=version)
    assert isinstance(found, Answer)
    assert (found.status, header(found, "Sec-WebSocket-Version")) == (400, "13")


@pytest.mark.parametrize("key", [None, "", "short", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ====", "é" * 24, "AAAA" * 6])
def test_a_handshake_without_a_valid_key_is_answered_400(key: str | None) -> None:
    found = stream(sec_websocket_key=key)
    assert isinstance(found, Answer)
    assert found.status == 400


def test_a_websocket_needs_http_1_1_and_get() -> None:
    assert status(upgrade("/stream", http="1.0", authorization=f"Bearer {token()}")) == 400
    assert status(upgrade("/stream", "HEAD", authorization=f"Bearer {token()}")) == 405
    assert status(upgrade("/stream", "POST", authorization=f"Bearer {token()}")) == 405


# ---- origins


@pytest.mark.parametrize("origin", [None, "http://telemetry.example.com", "https://TELEMETRY.example.com"])
def test_without_allowed_origins_the_same_host_and_clients_without_origin_may_connect(origin: str | None) -> None:
    assert isinstance(stream(origin=origin), AdmitDashboard)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "https://telemetry.example.com.evil.example"])
def test_the_origin_of_another_host_is_answered_403(origin: str) -> None:
    found = stream(origin=origin)
    assert isinstance(found, Answer)
    assert found.status == 403


ALLOWED = {
    "ALLOWED_ORIGINS": "https://dashboard.example, chrome-extension://abcdef, capacitor://localhost, https://bücher.example"
}


@pytest.mark.parametrize(
    "origin",
    [
        "https://Dashboard.example",
        "https://dashboard.example:443",
        "chrome-extension://abcdef",
        "capacitor://localhost",
        "https://xn--bcher-kva.example",
        "https://telemetry.example.com",
        None,
    ],
)
def test_a_listed_origin_the_own_page_and_a_client_without_one_may_connect(origin: str | None) -> None:
    asked = upgrade("/stream", authorization=f"Bearer {token()}", origin=origin)
    assert isinstance(decide(asked, variables=ALLOWED), AdmitDashboard)


@pytest.mark.parametrize(
    "origin", ["https://dashboard.example:8443", "http://dashboard.example", "https://a.dashboard.example", "null", "http://"]
)
def test_an_origin_that_is_not_listed_is_answered_403_which_names_it_and_the_host(origin: str) -> None:
    found = answer(upgrade("/stream", authorization=f"Bearer {token()}", origin=origin), variables=ALLOWED)
    assert found.status == 403
    for text in (found.body.decode(), found.reason):
        assert repr(origin) in text
        assert "'telemetry.example.com'" in text
        assert "ALLOWED_ORIGINS" in text
        assert "proxy" in text


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://telemetry.example.com", "telemetry.example.com:443"),
        ("https://telemetry.example.com:443", "telemetry.example.com"),
        ("http://telemetry.example.com:3000", "Telemetry.example.com:3000"),
        ("http://xn--bcher-kva.example", "xn--bcher-kva.example:80"),
        ("http://[::1]:3000", "[0:0::1]:3000"),
    ],
)
def test_the_own_page_counts_however_its_port_and_host_are_written(origin: str, host: str) -> None:
    assert isinstance(stream(origin=origin, host=host), AdmitDashboard)


def test_a_trusted_proxy_may_say_which_host_the_request_was_for() -> None:
    asked = upgrade(
        "/stream",
        authorization=f"Bearer {token()}",
        origin="https://cars.example",
        host="10.0.0.2:3000",
        x_forwarded_host="cars.example",
    )
    assert isinstance(decide(asked, Peer("192.0.2.9", proxy="10.0.0.1:4")), AdmitDashboard)
    assert status(asked) == 403


def test_null_may_connect_where_it_is_listed() -> None:
    asked = upgrade("/stream", authorization=f"Bearer {token()}", origin="null")
    assert isinstance(decide(asked, variables={"ALLOWED_ORIGINS": "null"}), AdmitDashboard)


# ---- tokens in several places


def test_the_first_token_that_verifies_counts_wherever_it_stands() -> None:
    foreign = jwt.encode({"sub": "proxy", "exp": TIME + 60}, "the proxy's own secret of 32 bytes or more")
    for target, words in ((f"/stream?token={token()}", None), ("/stream", f"bearer.{token()}")):
        asked = upgrade(target, authorization=f"Bearer {foreign}", sec_websocket_protocol=words)
        assert isinstance(decide(asked), AdmitDashboard)
    asked = upgrade(f"/stream?token={foreign}", authorization=f"Bearer {token()}")
    assert isinstance(decide(asked), AdmitDashboard)


def test_a_token_in_the_second_of_two_authorization_headers_is_found() -> None:
    asked = upgrade("/stream")
    headers = dict(asked.headers) | {"authorization": ["Bearer the-proxys-own", f"Bearer {token()}"]}
    assert isinstance(decide(Request("GET", "/stream", headers)), AdmitDashboard)


def test_if_none_verifies_the_answer_is_about_the_one_that_was_put_there_for_us() -> None:
    asked = upgrade(f"/stream?token={token(exp=TIME - 1)}", authorization="Bearer the-proxys-own")
    assert answer(asked).cause == "token_expired"


# ---- the query

ONE, OTHER = "5YJ3E1EA7KF000001", "5YJ3E1EA7KF000002"


def test_the_query_becomes_a_subscription() -> None:
    assert subscription("?type=data,alerts") == Subscription(kinds=0b11)
    assert subscription("?since=17") == Subscription(since=17)
    assert subscription("?since=17&epoch=e1&snapshot=1") == Subscription(since=17, epoch="e1", snapshot=True)
    assert subscription("?snapshot=0") == Subscription(snapshot=False)
    assert subscription("?format=fleet") == Subscription(fleet=True, control=False)
    assert subscription("?format=flat&interval=500") == Subscription(interval_ms=500)


@pytest.mark.parametrize("interval", INTERVALS_MS)
def test_every_documented_interval_is_accepted(interval: int) -> None:
    assert INTERVALS_MS == (100, 250, 500, 1000, 2000, 5000, 10000)
    assert subscription(f"?interval={interval}").interval_ms == interval


def test_a_dashboard_that_asks_for_vins_sees_these() -> None:
    admitted = stream(f"?vin={ONE},{OTHER}")
    assert isinstance(admitted, AdmitDashboard)
    assert admitted.subscription.vins == frozenset({ONE, OTHER})
    assert admitted.grant.vins is None, "it may still subscribe to others later"


def test_a_dashboard_that_asks_for_no_vin_sees_what_its_token_grants() -> None:
    admitted = stream(authorization=f"Bearer {token(vins=[ONE, OTHER])}")
    assert isinstance(admitted, AdmitDashboard)
    assert admitted.subscription.vins == frozenset({ONE, OTHER})


def test_a_vin_that_the_token_does_not_grant_is_answered_403() -> None:
    found = stream(f"?vin={ONE},{OTHER}", authorization=f"Bearer {token(vins=[ONE])}")
    assert isinstance(found, Answer)
    assert found.status == 403


BAD_QUERIES = [
    "type=data,noise",
    "type=DATA",
    "since=now",
    "since=-1",
    "since=",
    "since=1.5",
    "since=%D9%A3",
    f"since={'9' * 21}",
    "interval=123",
    "interval=",
    "interval=0100",
    "format=xml",
    "format=",
    "format=fleet&interval=500",
    "snapshot=2",
    "snapshot=yes",
    "vin=a%20b",
    "vin=A,,B",
    "vin=%00",
    "x=%ff",
    "&".join(f"a{number}=1" for number in range(40)),
]


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_an_invalid_query_is_answered_400_with_the_reason(query: str) -> None:
    found = stream(f"?{query}")
    assert isinstance(found, Answer)
    assert found.status == 400
    assert len(found.body) > len("400 Bad Request: \n")


# ---- limits


def test_a_dashboard_over_max_dashboards_is_answered_503_with_retry_after() -> None:
    asked = upgrade("/stream", authorization=f"Bearer {token()}")
    found = answer(asked, load=ServerLoad(TIME, dashboards=2), variables={"MAX_DASHBOARDS": "2"})
    assert found.status == 503
    assert int(header(found, "Retry-After") or "0") > 0
    assert isinstance(decide(asked, load=ServerLoad(TIME, dashboards=1), variables={"MAX_DASHBOARDS": "2"}), AdmitDashboard)
    assert isinstance(decide(asked, load=ServerLoad(TIME, dashboards=9)), AdmitDashboard)


def test_an_invalid_token_is_answered_401_even_when_the_server_is_full() -> None:
    assert status(upgrade("/stream"), load=ServerLoad(TIME, dashboards=2), variables={"MAX_DASHBOARDS": "2"}) == 401
