"""A server's life: what it listens on, its two layouts, and its time limits."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
import uvloop
from teslafast.config import Settings
from teslafast.errors import Misconfigured
from teslafast.server.running import log_exception
from teslafast.server.server import Server

from tests.support.certificates import World
from tests.support.peers import Place, token, upgrade_head
from tests.support.servers import BASE, Inside

SOC = {"Soc": {"floatValue": 50.0}}


# ---- start


def test_the_constructor_only_stores_and_start_reports_what_is_misconfigured(tmp_path: Path) -> None:
    loop = uvloop.new_event_loop()
    missing = str(tmp_path / "nothing.pem")
    settings = Settings.from_env(BASE | {"JWT_ALGORITHMS": "RS256", "JWT_PUBLIC_KEY_PATH": missing})
    server = Server(settings, loop)
    with pytest.raises(Misconfigured, match="JWT_PUBLIC_KEY_PATH"):
        server.start()
    server.stop()
    loop.close()


def test_an_exception_that_reaches_the_event_loop_is_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        asyncio.get_running_loop().set_exception_handler(log_exception)
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await asyncio.sleep(0)

    uvloop.run(fail())
    (record,) = caplog.records
    assert (record.getMessage(), record.fields["cause"]) == ("fault", "ZeroDivisionError")  # type: ignore[attr-defined]  # our own


# ---- layouts


def status_of_upgrade(place: Place, path: str, *headers: str, vehicles: bool = False, certificate: str = "") -> int:
    """What an upgrade to this path is answered, at PORT or at VEHICLE_PORT."""
    pair = place.world.vehicle(certificate) if certificate and place.world else None
    with place.raw(pair, place.vehicle_port if vehicles else place.port) as raw:
        raw.send(upgrade_head(path, *headers))
        return raw.status()


def test_on_one_port_only_the_root_needs_a_certificate(one_port: Inside) -> None:
    place, bearer = one_port.place, f"Authorization: Bearer {token()}"
    assert status_of_upgrade(place, "/") == 403
    assert status_of_upgrade(place, "/?vin=A") == 403
    assert status_of_upgrade(place, "/", certificate="device-1") == 101
    assert status_of_upgrade(place, "/stream", bearer) == 101
    assert status_of_upgrade(place, "/stream", bearer, certificate="device-1") == 101
    assert status_of_upgrade(place, "/stream", certificate="device-1") == 401


def test_on_two_ports_vehicles_and_dashboards_each_have_their_own(two_ports: Inside) -> None:
    place, bearer = two_ports.place, f"Authorization: Bearer {token()}"
    assert status_of_upgrade(place, "/", vehicles=True, certificate="device-1") == 101
    assert status_of_upgrade(place, "/stream", bearer, vehicles=True, certificate="device-1") == 404
    assert status_of_upgrade(place, "/stream", bearer) == 101
    assert status_of_upgrade(place, "/", certificate="device-1") == 421
    two_ports.lines.wait_for("request_refused", cause="not_vehicles_port", status=421)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        status_of_upgrade(place, "/", vehicles=True)


def test_with_dashboard_tls_false_only_the_vehicle_port_speaks_tls(world: World) -> None:
    with Inside(world, VEHICLE_PORT="0", DASHBOARD_TLS="false") as server:
        open_place = Place(server.place.port, server.place.vehicle_port)
        assert open_place.get("/health").status == 200
        assert status_of_upgrade(server.place, "/", vehicles=True, certificate="device-1") == 101


def test_in_production_without_tls_a_vehicle_is_answered_403() -> None:
    with Inside(NODE_ENV="production") as server:
        assert status_of_upgrade(server.place, "/?vin=A") == 403
        server.lines.wait_for("vehicles_cannot_connect")


def test_an_empty_tesla_vin_is_warned_of_at_start(two_ports: Inside, world: World) -> None:
    two_ports.lines.wait_for("any_vehicle_may_connect")
    with Inside(world, VEHICLE_PORT="0", TESLA_VIN="device-1") as server:
        assert "any_vehicle_may_connect" not in server.lines.text


def test_without_host_the_server_listens_on_ipv4_and_ipv6() -> None:
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


# ---- where a server cannot listen


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


def test_a_port_in_use_is_reported_as_port(plain: Inside) -> None:
    with pytest.raises(Misconfigured) as caught:
        start(PORT=str(plain.place.port))
    assert caught.value.subject == "PORT"
    assert "already in use" in caught.value.fault


def test_a_start_that_fails_leaves_no_journal_that_it_has_made(plain: Inside, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    in_use = {"JOURNAL_PATH": str(path), "PORT": str(plain.place.port)}
    with pytest.raises(Misconfigured, match=r"^PORT"):
        start(**in_use)
    assert list(tmp_path.iterdir()) == []
    with Inside(JOURNAL_PATH=str(path)) as server, server.place.vehicle("P1") as vehicle:
        vehicle.tell(SOC)
    with pytest.raises(Misconfigured, match=r"^PORT"):
        start(**in_use)
    with Inside(JOURNAL_PATH=str(path)) as server:
        assert server.server.hub.log.kept, "one that held something stays as it was"


def test_a_file_beside_a_new_journal_that_cannot_be_read_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "journal.state").mkdir()
    with pytest.raises(Misconfigured, match=r"^JOURNAL_PATH"):
        start(JOURNAL_PATH=str(tmp_path / "journal"))
    assert [path.name for path in tmp_path.iterdir()] == ["journal.state"]


def test_a_vehicle_port_in_use_is_reported_as_vehicle_port(plain: Inside, world: World) -> None:
    with pytest.raises(Misconfigured) as caught:
        start(VEHICLE_PORT=str(plain.place.port), **world.environment)
    assert caught.value.subject == "VEHICLE_PORT"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "a" * 70, "..", "256.1.1.1", "\udcff"])
def test_a_host_that_is_not_this_machine_is_reported_as_host(host: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        start(HOST=host)
    assert caught.value.subject == "HOST"
    assert "Unknown error" not in caught.value.fault
    assert str(caught.value).isprintable()


def test_a_host_of_the_metrics_that_is_not_this_machine_is_reported_as_metrics_host() -> None:
    with pytest.raises(Misconfigured) as caught:
        start(METRICS_PORT="0", METRICS_HOST="no-such-host.invalid")
    assert caught.value.subject == "METRICS_HOST"


# ---- time


def test_an_incomplete_request_is_answered_408_and_counted() -> None:
    with Inside(HANDSHAKE_TIMEOUT="0.1") as server, server.place.raw() as raw:
        raw.send(b"GET / HTTP/1.1\r\nHo")
        assert raw.status() == 408
        assert server.counts("refused_requests") == {"head_too_slow": 1}
        server.lines.wait_for("request_refused", cause="head_too_slow")


def test_a_silent_tls_client_is_closed_and_counted_as_slow(world: World) -> None:
    with Inside(world, VEHICLE_PORT="0", HANDSHAKE_TIMEOUT="0.1") as server, server.place.bare() as raw:
        assert raw.rest() == b""
        server.lines.wait_for("tls_failed", cause="slow")
        assert server.counts("tls_failures") == {"slow": 1}


def test_handshake_timeout_does_not_apply_after_the_upgrade() -> None:
    with Inside(HANDSHAKE_TIMEOUT="2") as server, server.place.vehicle("A") as vehicle, server.place.raw() as raw:
        assert raw.status() == 408, "which is later than HANDSHAKE_TIMEOUT after the vehicle came"
        vehicle.tell(SOC)
