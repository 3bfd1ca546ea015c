"""A server's life: what it listens on, its pages, its two layouts, and how it ends."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator

import pytest
import uvloop
from teslafast.config import Settings
from teslafast.errors import Misconfigured
from teslafast.server import drain
from teslafast.server.server import Server
from websockets.frames import Opcode

from tests.support.certificates import World
from tests.support.peers import Place, token, upgrade_head
from tests.support.servers import BASE, Inside

SOC = {"Soc": {"floatValue": 50.0}}


@pytest.fixture(scope="module")
def plain() -> Iterator[Inside]:
    with Inside() as server:
        yield server


@pytest.fixture(scope="module")
def one_port(world: World) -> Iterator[Inside]:
    with Inside(world, REQUEST_CLIENT_CERT="true") as server:
        yield server


@pytest.fixture(scope="module")
def two_ports(world: World) -> Iterator[Inside]:
    with Inside(world, VEHICLE_PORT="0") as server:
        yield server


# ---- pages


@pytest.mark.parametrize("layout", ["plain", "one_port", "two_ports"])
def test_health_needs_no_token_and_tells_no_vin(request: pytest.FixtureRequest, layout: str) -> None:
    server: Inside = request.getfixturevalue(layout)
    with server.place.vehicle("5YJ3E1EA7KF000001") as vehicle, server.place.dashboard() as dashboard:
        vehicle.tell(SOC)
        dashboard.next()
        found = server.place.get("/health")
    assert found.status == 200
    assert found.headers["Content-Type"] == "application/json"
    assert b"5YJ3E1EA7KF000001" not in found.body
    report = found.json
    assert (report["status"], report["vehicles"], report["dashboards"]) == ("ok", 1, 1)
    assert report["seq"] >= 2
    assert report["epoch"] == server.server.hub.epoch
    assert report["uptime_s"] >= 0
    assert report["version"]


def test_head_is_health_without_the_report(plain: Inside) -> None:
    found = plain.place.get("/health", "HEAD")
    assert (found.status, found.body) == (200, b"")
    assert int(found.headers["Content-Length"]) > 0


def test_the_root_is_something_to_read(plain: Inside) -> None:
    found = plain.place.get("/")
    assert found.status == 200
    assert b"teslafast" in found.body


@pytest.mark.parametrize("layout", ["plain", "two_ports"])
def test_one_connection_has_many_files_of_the_page_and_may_then_become_a_stream(
    request: pytest.FixtureRequest, layout: str
) -> None:
    server: Inside = request.getfixturevalue(layout)
    with server.place.raw() as raw:
        for _ in range(5):
            raw.send(b"HEAD /web/app/main.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert raw.status() == 200
        assert b" 101 " in raw.upgrade("/stream", f"Authorization: Bearer {token()}")


def test_the_map_that_the_settings_name_is_told_to_the_page_and_to_its_policy() -> None:
    with Inside(MAP_TILES="https://tiles.example.com/{z}/{x}/{y}.png", MAP_CREDIT="© A & B") as server:
        found = server.place.get("/")
    assert b'content="https://tiles.example.com/{z}/{x}/{y}.png" data-credit="\xc2\xa9 A &amp; B"' in found.body
    assert "img-src 'self' https://tiles.example.com;" in found.headers["Content-Security-Policy"]


def test_without_a_map_in_the_settings_the_page_names_no_other_host(plain: Inside) -> None:
    found = plain.place.get("/")
    assert b'name="tiles"' not in found.body
    assert "img-src 'self';" in found.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "method", "status"), [("/nothing", "GET", 404), ("/health", "POST", 405), ("/stream", "GET", 426)]
)
def test_other_requests_are_refused_counted_and_logged(plain: Inside, path: str, method: str, status: int) -> None:
    before = sum(plain.counts("refused_requests").values())
    assert plain.place.get(path, method).status == status
    assert sum(plain.counts("refused_requests").values()) == before + 1
    assert plain.lines.wait_for("request_refused", status=status)[-1]["address"].startswith("127.0.0.1:")


def test_vehicles_are_shown_to_those_who_may_see_them(plain: Inside) -> None:
    for vin in ("P1", "P2"):
        with plain.place.vehicle(vin) as vehicle:
            vehicle.tell(SOC)
    everything = plain.place.get("/vehicles", Authorization=f"Bearer {token()}").json["vehicles"]
    assert {"P1", "P2"} <= {entry["vin"] for entry in everything}
    some = f"Bearer {token(vins=['P2', 'P9'])}"
    assert [entry["vin"] for entry in plain.place.get("/vehicles", Authorization=some).json["vehicles"]] == ["P2"]
    assert plain.place.get("/vehicles/P2", Authorization=some).json["data"]["Soc"]["value"] == 50.0
    assert plain.place.get("/vehicles/P1", Authorization=some).status == 403
    assert plain.place.get("/vehicles/P9", Authorization=some).status == 404
    assert plain.place.get("/vehicles").status == plain.place.get("/vehicles/P2").status == 401


# ---- layouts


def status_of_upgrade(place: Place, path: str, *headers: str, vehicles: bool = False, certificate: str = "") -> int:
    """What an upgrade to this path is answered, at PORT or at VEHICLE_PORT."""
    pair = place.world.vehicle(certificate) if certificate and place.world else None
    with place.raw(pair, place.vehicle_port if vehicles else place.port) as raw:
        raw.send(upgrade_head(path, *headers))
        return raw.status()


def test_on_one_port_a_certificate_is_needed_at_the_root_and_nowhere_else(one_port: Inside) -> None:
    place, bearer = one_port.place, f"Authorization: Bearer {token()}"
    assert status_of_upgrade(place, "/") == 403
    assert status_of_upgrade(place, "/?vin=A") == 403
    assert status_of_upgrade(place, "/", certificate="device-1") == 101
    assert status_of_upgrade(place, "/stream", bearer) == 101
    assert status_of_upgrade(place, "/stream", bearer, certificate="device-1") == 101
    assert status_of_upgrade(place, "/stream", certificate="device-1") == 401


def test_on_two_ports_each_has_its_own(two_ports: Inside) -> None:
    place, bearer = two_ports.place, f"Authorization: Bearer {token()}"
    assert status_of_upgrade(place, "/", vehicles=True, certificate="device-1") == 101
    assert status_of_upgrade(place, "/stream", bearer, vehicles=True, certificate="device-1") == 404
    assert status_of_upgrade(place, "/stream", bearer) == 101
    assert status_of_upgrade(place, "/", certificate="device-1") != 101
    with pytest.raises((ssl.SSLError, ConnectionError)):
        status_of_upgrade(place, "/", vehicles=True)


def test_a_proxy_may_end_tls_for_dashboards_alone(world: World) -> None:
    with Inside(world, VEHICLE_PORT="0", DASHBOARD_TLS="false") as server:
        open_place = Place(server.place.port, server.place.vehicle_port)
        assert open_place.get("/health").status == 200
        assert status_of_upgrade(server.place, "/", vehicles=True, certificate="device-1") == 101


def test_without_tls_nobody_is_a_vehicle_in_production() -> None:
    with Inside(NODE_ENV="production") as server:
        assert status_of_upgrade(server.place, "/?vin=A") == 403
        server.lines.wait_for("vehicles_cannot_connect")


def test_an_open_door_to_every_vehicle_is_said_at_start(two_ports: Inside, world: World) -> None:
    two_ports.lines.wait_for("any_vehicle_may_connect")
    with Inside(world, VEHICLE_PORT="0", TESLA_VIN="device-1") as server:
        assert "any_vehicle_may_connect" not in server.lines.text


def test_without_a_host_it_listens_on_both_kinds_of_address() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with Inside(HOST="") as server:
        for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
            with socket.socket(family) as client:
                client.connect((host, server.place.port))
                client.sendall(b"GET /nothing HTTP/1.0\r\n\r\n")
                assert client.recv(12) == b"HTTP/1.1 404"
        addresses = {line["address"].rpartition(":")[0] for line in server.lines.wait_for("request_refused", 2)}
    assert addresses == {"127.0.0.1", "[::1]"}


# ---- what cannot be listened on


def start(**variables: str) -> None:
    loop = uvloop.new_event_loop()
    try:
        server = Server(Settings.from_env(BASE | {"NODE_ENV": "development"} | variables), loop)
        try:
            server.start()
        finally:
            server.stop()
    finally:
        loop.close()


def test_a_port_that_is_taken_is_named(plain: Inside) -> None:
    with pytest.raises(Misconfigured) as caught:
        start(PORT=str(plain.place.port))
    assert caught.value.subject == "PORT"
    assert "Address already in use" in caught.value.fault


def test_a_vehicles_port_that_is_taken_is_named(plain: Inside, world: World) -> None:
    with pytest.raises(Misconfigured) as caught:
        start(VEHICLE_PORT=str(plain.place.port), **world.environment)
    assert caught.value.subject == "VEHICLE_PORT"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "a" * 70, "..", "256.1.1.1", "\udcff"])
def test_a_host_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        start(HOST=host)
    assert caught.value.subject == "HOST"
    assert "Unknown error" not in caught.value.fault
    assert str(caught.value).isprintable()


# ---- time


def test_half_a_request_and_then_silence_is_answered_408_and_counted() -> None:
    with Inside(HANDSHAKE_TIMEOUT="0.1") as server, server.place.raw() as raw:
        raw.send(b"GET / HTTP/1.1\r\nHo")
        assert raw.status() == 408
        assert server.counts("refused_requests") == {"head_too_slow": 1}
        server.lines.wait_for("request_refused", cause="head_too_slow")


def test_silence_instead_of_tls_is_ended_and_counted(world: World) -> None:
    with Inside(world, VEHICLE_PORT="0", HANDSHAKE_TIMEOUT="0.1") as server, server.place.bare() as raw:
        assert raw.rest() == b""
        server.lines.wait_for("tls_failed", cause="slow")
        assert server.counts("tls_failures") == {"slow": 1}


def test_after_the_handshake_there_is_no_such_limit() -> None:
    with Inside(HANDSHAKE_TIMEOUT="0.1") as server, server.place.vehicle("A") as vehicle, server.place.raw() as raw:
        assert raw.status() == 408, "which is later than HANDSHAKE_TIMEOUT after the vehicle came"
        vehicle.tell(SOC)


# ---- the end


def test_a_drain_says_everything_that_is_owed_and_then_goodbye() -> None:
    with Inside() as server:
        place = server.place
        with place.dashboard() as dashboard, place.vehicle("A") as vehicle:
            vehicle.tell(SOC)
            dashboard.until("data")
            server.drain()
            assert vehicle.close_code() == 1001
            assert dashboard.until("connectivity")["status"] == "DISCONNECTED"
            assert dashboard.close_code() == 1012
        found = place.get("/health")
        assert (found.status, found.json["status"]) == (503, "draining")
        assert status_of_upgrade(place, "/stream", f"Authorization: Bearer {token()}") == 503
        assert status_of_upgrade(place, "/?vin=B") == 503


def test_a_drain_waits_no_longer_than_it_may_for_who_does_not_say_goodbye() -> None:
    began = time.monotonic()
    with Inside(DRAIN_SECONDS="0.2") as server, server.place.raw_vehicle("A") as raw, server.place.raw_dashboard() as slow:
        server.drain()
        assert raw.close_code() == 1001
        assert slow.close_code() == 1012
        server.lines.wait_for("drained")
    assert time.monotonic() - began < 8


BIG = {"VehicleName": {"stringValue": "x" * 60_000}}


def test_a_dashboard_that_is_behind_gets_the_rest_before_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "STALLED_S", 3600.0)  # this one is slow, for as long as this machine may take
    with Inside() as server, server.place.raw_dashboard() as slow, server.place.vehicle("A") as vehicle:
        for _ in range(30):
            vehicle.tell(BIG)
        server.drain()
        assert vehicle.close_code() == 1001
        frames: list[tuple[Opcode, bytes]] = []
        while not frames or frames[-1][0] is not Opcode.CLOSE:
            frames.append(slow.read_frame())
    assert len(frames) == 1 + 1 + 30 + 1 + 1, "hello, connected, data, disconnected, close"
    assert frames[-1][1][:2] == b"\x03\xf4"


def test_a_dashboard_that_takes_nothing_is_not_waited_for() -> None:
    with Inside(DRAIN_SECONDS="3600") as server, server.place.raw_dashboard(), server.place.vehicle("A") as vehicle:
        for _ in range(60):
            vehicle.tell(BIG)
        server.drain()
        assert vehicle.close_code() == 1001
        server.lines.wait_for("drained", left=0)
