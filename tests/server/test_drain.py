"""How a server ends: everything that is owed is sent, then everybody is closed, within DRAIN_SECONDS."""

from __future__ import annotations

import pytest
from teslafast.server import drain
from websockets.frames import Opcode

from tests.support.peers import Place, token, upgrade_head
from tests.support.servers import Inside

SOC = {"Soc": {"floatValue": 50.0}}


def status_of_upgrade(place: Place, path: str, *headers: str, vehicles: bool = False, certificate: str = "") -> int:
    """What an upgrade to this path is answered, at PORT or at VEHICLE_PORT."""
    pair = place.world.vehicle(certificate) if certificate and place.world else None
    with place.raw(pair, place.vehicle_port if vehicles else place.port) as raw:
        raw.send(upgrade_head(path, *headers))
        return raw.status()


def test_a_drain_sends_everything_that_is_owed_and_then_closes() -> None:
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


def test_a_drain_ends_though_clients_do_not_answer_the_close() -> None:
    with Inside(DRAIN_SECONDS="0.2") as server, server.place.raw_vehicle("A") as raw, server.place.raw_dashboard() as slow:
        server.drain()
        assert raw.close_code() == 1001
        assert slow.close_code() == 1012
        server.lines.wait_for("drained")


BIG = {"VehicleName": {"stringValue": "x" * 60_000}}


def test_a_dashboard_that_is_behind_gets_the_rest_before_the_close(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_drain_does_not_wait_for_a_dashboard_that_reads_nothing() -> None:
    with Inside(DRAIN_SECONDS="3600") as server, server.place.raw_dashboard(), server.place.vehicle("A") as vehicle:
        for _ in range(60):
            vehicle.tell(BIG)
        server.drain()
        assert vehicle.close_code() == 1001
        server.lines.wait_for("drained", left=0)
