"""The route table: who is let in as what, and what everybody else is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.config import Settings
from teslafast.dashboards.admission import AdmitDashboard
from teslafast.dashboards.subscription import INTERVALS_MS, Subscription
from teslafast.dashboards.tokens import Grant, Verifier
from teslafast.errors import Refused
from teslafast.http_messages import Answer, Request
from teslafast.protocol.identity import Certificate, Device
from teslafast.server.routes import Gate, Now, Peer
from teslafast.vehicles.admission import AdmitVehicle

TIME = 1_800_000_000.0
SECRET = "a secret that only these tests know"
CAR = Certificate("5YJ3E1EA7KF000001", "Tesla Motors Product Issuing CA", ("1.3.6.1.4.1.49279.2.5.1",))
WIFI = Certificate("5YJ3E1EA7KF000001", "Tesla Motors Product Issuing CA", ("1.3.6.1.4.1.49279.2.5.1.1",))
UPGRADE = {
    "host": "telemetry.example.com",
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}
FLAT_DATA = 1  # the bit of "data" among the kinds


def token(**claims: Any) -> str:
    return jwt.encode({"sub": "tests", "exp": TIME + 60} | claims, SECRET, algorithm="HS256")


def page(words: str) -> Any:
    def answer(request: Request, grant: Grant | None) -> Answer:
        return Answer(HTTPStatus.OK, f"{words} for {grant.sub if grant else 'anybody'}".encode())

    return answer


def gate(variables: Mapping[str, str]) -> Gate:
    settings = Settings.from_env({"JWT_SECRET": SECRET, **variables})
    pages = {"/": page("landing"), "/web/app/main.js": page("script"), "/health": page("health"), "/metrics": page("metrics")}
    locked = {"/vehicles": page("vehicles"), "/vehicles/*": page("vehicle")}
    return Gate(settings, Verifier.from_settings(settings), pages, locked)


NOW = Now(TIME)
NONE: Mapping[str, str] = {}
DEVELOPMENT = {"NODE_ENV": "development"}
PLAIN = Peer("192.0.2.1:5")
BROWSER = Peer("192.0.2.1:5", secure=True)
VEHICLE = Peer("192.0.2.1:5", "vehicles", True, CAR)
EITHER = Peer("192.0.2.1:5", "all", True, CAR)
READER = Peer("192.0.2.1:5", "dashboards", True)


def request(target: str, method: str = "GET", has_body: bool = False, http: str = "1.1", **headers: str | None) -> Request:
    """Header names with `_` for `-`; None takes one out."""
    named = {name.replace("_", "-"): [value] for name, value in headers.items() if value is not None}
    return Request(method, target, named, has_body, http)


def upgrade(target: str, method: str = "GET", has_body: bool = False, http: str = "1.1", **headers: str | None) -> Request:
    merged: dict[str, str | None] = {name.replace("-", "_"): value for name, value in UPGRADE.items()}
    return request(target, method, has_body, http, **(merged | headers))


def decide(
    asked: Request, peer: Peer = PLAIN, now: Now = NOW, variables: Mapping[str, str] = NONE
) -> AdmitVehicle | AdmitDashboard | Answer:
    return gate(variables).decide(asked, peer, now)


def answer(asked: Request, peer: Peer = PLAIN, now: Now = NOW, variables: Mapping[str, str] = NONE) -> Answer:
    decision = decide(asked, peer, now, variables)
    assert isinstance(decision, Answer)
    return decision


def status(asked: Request, peer: Peer = PLAIN, now: Now = NOW, variables: Mapping[str, str] = NONE) -> int:
    return int(answer(asked, peer, now, variables).status)


def stream(query: str = "", peer: Peer = PLAIN, **headers: str | None) -> AdmitDashboard | Answer:
    given: dict[str, str | None] = {"authorization": f"Bearer {token()}"}
    decision = decide(upgrade(f"/stream{query}", "GET", False, "1.1", **(given | headers)), peer)
    assert not isinstance(decision, AdmitVehicle)
    return decision


def subscription(query: str) -> Subscription:
    decision = stream(query)
    assert isinstance(decision, AdmitDashboard)
    return decision.subscription


def header(found: Answer, name: str) -> str | None:
    return dict(found.headers).get(name)


# ---- pages


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("peer", [PLAIN, BROWSER, VEHICLE, EITHER, READER])
def test_health_is_for_everybody_on_every_listener(method: str, peer: Peer) -> None:
    found = answer(request("/health", method), peer)
    assert (found.status, found.body) == (200, b"health for anybody")


@pytest.mark.parametrize("target", ["/", "/?x=1", "http://telemetry.example.com/", "http://telemetry.example.com"])
def test_a_plain_get_of_the_root_is_the_landing_page(target: str) -> None:
    assert answer(request(target)).body == b"landing for anybody"


@pytest.mark.parametrize("path", ["/nothing", "/health/", "/Health", "/vehicles/a/b", "//", "/stream/", "/%68ealth", "*"])
def test_an_unknown_path_is_answered_404(path: str) -> None:
    assert status(request(path)) == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/", "/health", "/vehicles", "/stream"])
def test_another_method_is_answered_405_and_told_which_are_allowed(method: str, path: str) -> None:
    found = answer(request(path, method))
    assert found.status == 405
    assert header(found, "Allow") == "GET, HEAD"


def test_a_body_is_answered_400() -> None:
    assert status(request("/health", has_body=True)) == 400


def test_pages_under_a_token_are_shown_to_its_holder() -> None:
    asked = request("/vehicles", authorization=f"Bearer {token()}")
    assert answer(asked).body == b"vehicles for tests"
    assert answer(request("/vehicles/5YJ3E1EA7KF000001", authorization=f"Bearer {token()}")).body == b"vehicle for tests"


@pytest.mark.parametrize("path", ["/vehicles", "/vehicles/5YJ3E1EA7KF000001"])
def test_pages_under_a_token_are_shown_to_nobody_else(path: str) -> None:
    found = answer(request(path))
    assert found.status == 401
    assert header(found, "WWW-Authenticate") == "Bearer"
    assert status(request(path, authorization=f"Bearer {token(exp=TIME)}")) == 401


@pytest.mark.parametrize("path", ["/stream", "/vehicles", "/vehicles/5YJ3E1EA7KF000001"])
def test_the_vehicles_port_knows_no_dashboards(path: str) -> None:
    assert status(upgrade(path, authorization=f"Bearer {token()}"), VEHICLE) == 404


@pytest.mark.parametrize("path", ["/", "/web/app/main.js", "/metrics"])
def test_the_vehicles_port_has_no_page_but_health(path: str) -> None:
    assert status(request(path), READER) == 200
    assert status(request(path), VEHICLE) == 404


# ---- dashboards


def test_a_dashboard_comes_in_with_its_token() -> None:
    admitted = stream()
    assert isinstance(admitted, AdmitDashboard)
    assert admitted.grant == Grant("tests", None, TIME + 60)
    assert admitted.subscription == Subscription()
    assert admitted.subprotocol is None


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_may_stand_in_the_header(scheme: str) -> None:
    assert isinstance(stream(authorization=f"{scheme}  {token()}"), AdmitDashboard)


@pytest.mark.parametrize("name", ["token", "access_token"])
def test_a_token_may_stand_in_the_query(name: str) -> None:
    assert isinstance(stream(f"?{name}={token()}", authorization=None), AdmitDashboard)


def test_a_token_may_stand_among_the_subprotocols_and_is_never_answered() -> None:
    admitted = stream(authorization=None, sec_websocket_protocol=f"teslafast.v1, bearer.{token()}")
    assert isinstance(admitted, AdmitDashboard)
    assert admitted.subprotocol == "teslafast.v1"


def test_subprotocols_may_come_in_several_lines() -> None:
    asked = upgrade("/stream")
    headers: dict[str, Sequence[str]] = dict(asked.headers) | {"sec-websocket-protocol": ["teslafast.v1", f"bearer.{token()}"]}
    assert isinstance(decide(Request("GET", "/stream", headers)), AdmitDashboard)


def test_a_subprotocol_that_we_do_not_speak_is_not_answered() -> None:
    admitted = stream(sec_websocket_protocol="graphql-ws")
    assert isinstance(admitted, AdmitDashboard)
    assert admitted.subprotocol is None


@pytest.mark.parametrize("bearer", [None, "", "Bearer", "Bearer ", "Basic dTpw", "Bearer nonsense", "Token x"])
def test_without_a_good_token_it_is_answered_401(bearer: str | None) -> None:
    found = stream(authorization=bearer)
    assert isinstance(found, Answer)
    assert found.status == 401
    assert header(found, "WWW-Authenticate") == "Bearer"


def test_what_is_answered_never_holds_the_token() -> None:
    expired = token(exp=TIME - 1)
    found = stream(authorization=f"Bearer {expired}")
    assert isinstance(found, Answer)
    assert expired not in f"{found}"


def test_without_an_upgrade_it_is_answered_426() -> None:
    found = answer(request("/stream", authorization=f"Bearer {token()}"))
    assert found.status == 426
    assert header(found, "Upgrade") == "websocket"
    assert header(found, "Sec-WebSocket-Version") == "13"


@pytest.mark.parametrize("value", ["Upgrade", "upgrade", "keep-alive, Upgrade", "keep-alive,UPGRADE , x"])
def test_firefox_too_may_connect(value: str) -> None:
    assert isinstance(stream(connection=value), AdmitDashboard)


@pytest.mark.parametrize("version", [None, "8", "14", "", "13, 8"])
def test_a_handshake_of_another_version_is_answered_400_and_told_ours(version: str | None) -> None:
    found = stream(sec_websocket_version=version)
    assert isinstance(found, Answer)
    assert (found.status, header(found, "Sec-WebSocket-Version")) == (400, "13")


@pytest.mark.parametrize("key", [None, "", "short", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ====", "é" * 24, "AAAA" * 6])
def test_a_handshake_without_a_good_key_is_answered_400(key: str | None) -> None:
    found = stream(sec_websocket_key=key)
    assert isinstance(found, Answer)
    assert found.status == 400


def test_a_websocket_is_opened_with_http_1_1_and_get() -> None:
    assert status(upgrade("/stream", http="1.0", authorization=f"Bearer {token()}")) == 400
    assert status(upgrade("/stream", "HEAD", authorization=f"Bearer {token()}")) == 405
    assert status(upgrade("/stream", "POST", authorization=f"Bearer {token()}")) == 405


# ---- origins


@pytest.mark.parametrize("origin", [None, "http://telemetry.example.com", "https://TELEMETRY.example.com"])
def test_without_a_list_pages_of_the_same_host_may_connect_and_who_is_no_browser(origin: str | None) -> None:
    assert isinstance(stream(origin=origin), AdmitDashboard)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "https://telemetry.example.com.evil.example"])
def test_pages_of_another_host_may_not(origin: str) -> None:
    found = stream(origin=origin)
    assert isinstance(found, Answer)
    assert found.status == 403


def test_with_a_list_only_its_pages_may_connect() -> None:
    allowed = {"ALLOWED_ORIGINS": "https://dashboard.example"}
    bearer = f"Bearer {token()}"
    good = upgrade("/stream", authorization=bearer, origin="https://Dashboard.example")
    assert isinstance(decide(good, variables=allowed), AdmitDashboard)
    same_host = upgrade("/stream", authorization=bearer, origin="https://telemetry.example.com")
    assert status(same_host, variables=allowed) == 403
    assert isinstance(decide(upgrade("/stream", authorization=bearer), variables=allowed), AdmitDashboard)


# ---- what a dashboard may ask for


def test_the_query_is_a_wish() -> None:
    assert subscription("?type=data,alerts") == Subscription(kinds=0b11)
    assert subscription("?since=17") == Subscription(since=17, snapshot=False)
    assert subscription("?since=17&epoch=e1&snapshot=1") == Subscription(since=17, epoch="e1", snapshot=True)
    assert subscription("?snapshot=0") == Subscription(snapshot=False)
    assert subscription("?format=fleet") == Subscription(fleet=True)
    assert subscription("?format=flat&interval=500") == Subscription(interval_ms=500)


@pytest.mark.parametrize("interval", INTERVALS_MS)
def test_the_intervals_of_the_contract_are_there(interval: int) -> None:
    assert INTERVALS_MS == (100, 250, 500, 1000, 2000, 5000, 10000)
    assert subscription(f"?interval={interval}").interval_ms == interval


def test_a_dashboard_sees_the_vehicles_that_it_asks_for() -> None:
    admitted = stream("?vin=A,B")
    assert isinstance(admitted, AdmitDashboard)
    assert admitted.subscription.vins == frozenset({"A", "B"})
    assert admitted.grant.vins is None, "it may still subscribe to others later"


def test_a_dashboard_that_asks_for_no_vehicle_sees_what_its_token_grants() -> None:
    admitted = stream(authorization=f"Bearer {token(vins=['A', 'B'])}")
    assert isinstance(admitted, AdmitDashboard)
    assert admitted.subscription.vins == frozenset({"A", "B"})


def test_a_vehicle_that_the_token_does_not_grant_is_answered_403() -> None:
    found = stream("?vin=A,C", authorization=f"Bearer {token(vins=['A', 'B'])}")
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
def test_a_query_that_makes_no_sense_is_answered_400_with_the_reason(query: str) -> None:
    found = stream(f"?{query}")
    assert isinstance(found, Answer)
    assert found.status == 400
    assert len(found.body) > len("400 Bad Request: \n")


# ---- vehicles


def test_a_vehicle_comes_in_with_its_certificate() -> None:
    asked = upgrade("/", x_network_interface="wifi", version="1.2.0", x_txid="{0F8FAD5B-D9CB-469F-A165-70867728950E}")
    expected = AdmitVehicle(
        Device("5YJ3E1EA7KF000001", "vehicle_device"), True, "wifi", "1.2.0", "0f8fad5b-d9cb-469f-a165-70867728950e"
    )
    assert decide(asked, VEHICLE) == expected
    assert decide(asked, EITHER) == expected


@pytest.mark.parametrize("txid", [None, "", "no uuid", "0f8fad5b", "g" * 32])
def test_an_x_txid_that_is_no_uuid_is_passed_over(txid: str | None) -> None:
    admitted = decide(upgrade("/", x_txid=txid), VEHICLE)
    assert isinstance(admitted, AdmitVehicle)
    assert admitted.connection_id is None


def test_headers_of_a_stranger_are_cut_to_what_fits_a_log() -> None:
    admitted = decide(upgrade("/", x_network_interface="a\x1b[31m" + "b" * 99, version="é1"), VEHICLE)
    assert isinstance(admitted, AdmitVehicle)
    assert admitted.network_interface.isprintable()
    assert len(admitted.network_interface) <= 32
    assert admitted.client_version == "1"


@pytest.mark.parametrize("peer", [PLAIN, BROWSER, Peer("192.0.2.1:5", "vehicles", True)])
def test_in_production_nobody_comes_in_without_a_certificate(peer: Peer) -> None:
    found = answer(upgrade("/"), peer)
    assert found.status == 403
    assert found.cause == "no_certificate"


def test_what_a_certificate_is_refused_for_stands_in_the_log_but_not_in_the_answer() -> None:
    found = answer(upgrade("/"), Peer("192.0.2.1:5", "vehicles", True, WIFI))
    assert found.status == 403
    assert found.reason == "the certificate is a Wi-Fi certificate, not the one for telemetry"
    assert b"the certificate is" not in found.body


def test_only_the_vehicles_of_the_list_may_connect() -> None:
    assert isinstance(decide(upgrade("/"), VEHICLE, variables={"TESLA_VIN": "A,5YJ3E1EA7KF000001"}), AdmitVehicle)
    found = answer(upgrade("/"), VEHICLE, variables={"TESLA_VIN": "A"})
    assert found.status == 403
    assert found.reason == "VIN 5YJ3E1EA7KF000001 is not in TESLA_VIN"


def test_in_development_a_vehicle_may_name_itself_and_is_not_believed_more_than_that() -> None:
    admitted = decide(upgrade("/?vin=A"), variables=DEVELOPMENT)
    assert isinstance(admitted, AdmitVehicle)
    assert admitted.device == Device("A", "vehicle_device")
    assert not admitted.verified


def test_in_development_a_certificate_goes_before_the_query() -> None:
    admitted = decide(upgrade("/?vin=A"), EITHER, variables=DEVELOPMENT)
    assert isinstance(admitted, AdmitVehicle)
    assert (admitted.device.vin, admitted.verified) == ("5YJ3E1EA7KF000001", True)


def test_a_name_that_is_no_vin_is_answered_400() -> None:
    assert status(upgrade("/?vin=a%20b"), variables=DEVELOPMENT) == 400


@pytest.mark.parametrize("variables", [{}, DEVELOPMENT])
def test_without_an_upgrade_a_vehicle_gets_the_landing_page(variables: dict[str, str]) -> None:
    assert status(request("/"), EITHER, variables=variables) == 200


def test_a_vehicles_handshake_is_checked_like_any() -> None:
    assert status(upgrade("/", sec_websocket_version="8"), VEHICLE) == 400
    assert status(upgrade("/", "POST"), VEHICLE) == 405
    assert status(upgrade("/", has_body=True), VEHICLE) == 400


# ---- limits


def test_over_the_limit_of_dashboards_it_is_answered_503_and_told_when_to_come_back() -> None:
    asked = upgrade("/stream", authorization=f"Bearer {token()}")
    found = answer(asked, now=Now(TIME, dashboards=2), variables={"MAX_DASHBOARDS": "2"})
    assert found.status == 503
    assert int(header(found, "Retry-After") or "0") > 0
    assert isinstance(decide(asked, now=Now(TIME, dashboards=1), variables={"MAX_DASHBOARDS": "2"}), AdmitDashboard)
    assert isinstance(decide(asked, now=Now(TIME, dashboards=9)), AdmitDashboard)


def test_over_the_limit_of_vehicles_only_those_who_are_here_already_may_connect_again() -> None:
    full = Now(TIME, vehicles=2)
    assert status(upgrade("/"), VEHICLE, full, variables={"MAX_VEHICLES": "2"}) == 503
    again = Now(TIME, vehicles=2, known_vehicle=lambda vin: vin == CAR.common_name)
    assert isinstance(decide(upgrade("/"), VEHICLE, again, variables={"MAX_VEHICLES": "2"}), AdmitVehicle)


def test_while_draining_nobody_new_is_let_in() -> None:
    draining = Now(TIME, draining=True)
    for asked, peer in ((upgrade("/"), VEHICLE), (upgrade("/stream", authorization=f"Bearer {token()}"), PLAIN)):
        found = answer(asked, peer, draining)
        assert (found.status, found.cause) == (503, "draining")
        assert header(found, "Retry-After")


def test_a_stranger_learns_that_his_token_is_bad_before_he_learns_that_we_are_full() -> None:
    assert status(upgrade("/stream"), now=Now(TIME, dashboards=2), variables={"MAX_DASHBOARDS": "2"}) == 401


# ---- whatever may come


TEXT = st.text(max_size=30)
HEADERS = st.dictionaries(
    st.sampled_from([*UPGRADE, "authorization", "origin", "sec-websocket-protocol", "version", "x-txid", "x-network-interface"]),
    st.lists(TEXT | st.sampled_from(sorted(UPGRADE.values())), max_size=2),
)
METHODS = st.sampled_from(["GET", "HEAD", "POST", ""]) | TEXT
TARGETS = TEXT | st.builds("{}?{}".format, st.sampled_from(["/", "/stream", "/vehicles/x", "/health"]), TEXT)


@given(
    st.builds(Request, METHODS, TARGETS, HEADERS, st.booleans(), st.sampled_from(["1.0", "1.1"])),
    st.sampled_from([PLAIN, BROWSER, VEHICLE, EITHER, READER]),
    st.sampled_from([{}, DEVELOPMENT]),
)
def test_no_request_is_more_than_admitted_or_answered(asked: Request, peer: Peer, variables: dict[str, str]) -> None:
    decision = decide(asked, peer, variables=variables)
    if isinstance(decision, Answer):
        assert 200 <= decision.status < 600
        assert all("\r" not in value and "\n" not in value for _, value in decision.headers)
    else:
        assert asked.method == "GET"


@pytest.mark.parametrize("target", ["/?a=%ff", "/?" + "&".join("a=1" for _ in range(33))])
def test_a_query_that_cannot_be_read_is_a_refusal(target: str) -> None:
    with pytest.raises(Refused):
        _ = request(target).query
