"""
A server that is killed, starved, cut off and attacked: nothing acknowledged is lost, and who behaves well notices nothing.

Those marked `faults` take their time: `make test-faults`.
"""

from __future__ import annotations

import os
import resource
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.frames import Opcode

from tests.support import ROOT
from tests.support.faults import resident_bytes
from tests.support.healthy import Healthy
from tests.support.nodes import wait_until
from tests.support.peers import Place, Raw, envelope, payload
from tests.support.servers import Inside, Process

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("TESLAFAST_KILLS", "20"))
VINS = ["one", "two", "three", "four"]
HALF_A_MB = 1 << 19


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return str(tmp_path / "journal")


@pytest.fixture
def server() -> Iterator[Process]:
    with Process() as process:
        yield process


@pytest.fixture(params=["short", pytest.param("long", marks=pytest.mark.faults)])
def healthy(request: pytest.FixtureRequest) -> Callable[[Place], Healthy]:
    """Makes those who must not notice; when it takes long, not in their latencies either."""
    return lambda place: Healthy(place, long=request.param == "long")


# ---- resources


def test_a_full_disk_stops_checkpoints_and_nothing_else(journal: str, healthy: Callable[[Place], Healthy]) -> None:
    with Process(JOURNAL_PATH=journal) as process:
        process.lines.wait_for("listening")
        resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        with healthy(process.place) as beside, process.place.vehicle("A") as vehicle:
            vehicle.tell({"VehicleName": {"stringValue": "x" * 30_000}})  # so that a checkpoint is larger than any file may be
            for number in range(8):
                vehicle.tell({"VehicleName": {"stringValue": f"{number}" * 300_000}})
            process.lines.wait_for("checkpoint_failed")
            vehicle.tell({"Soc": {"floatValue": 1.0}})
            beside.endure()
        health = process.place.get("/health").json
    with Process(JOURNAL_PATH=journal) as process:
        found = process.lines.wait_for("journal_recovered")[0]
        assert found["lost"] == 0
        assert found["read_again"] > 0
        assert process.place.get("/health").json["seq"] == health["seq"]
        assert not found["new_epoch"]


def test_without_descriptors_those_who_are_there_stay_and_strangers_make_room_for_who_comes(
    healthy: Callable[[Place], Healthy],
) -> None:
    with Process(HANDSHAKE_TIMEOUT="60") as server, healthy(server.place) as beside, ExitStack() as crowd:
        pid, place = server.process.pid, server.place
        used = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 5, used + 5))
        for number in range(20):
            stranger = crowd.enter_context(place.bare())
            if number % 2:
                stranger.send(b"GET / HTTP/1.1\r\n")
        for _ in range(3):
            with place.vehicle() as vehicle:
                vehicle.tell({"Soc": {"floatValue": 1.0}})
            assert place.get("/health").status == 200
        beside.endure()


def test_some_descriptors_are_kept_for_files(healthy: Callable[[Place], Healthy]) -> None:
    with Inside() as server, healthy(server.place) as beside:
        server.ask(lambda inside: setattr(inside.listeners._acceptors[0]._limit, "highest", 2))
        crowd = [server.place.bare() for _ in range(2)]
        server.lines.wait_for("accept_paused", cause="descriptors")
        beside.endure()
        server.ask(lambda inside: setattr(inside.listeners._acceptors[0]._limit, "highest", 1 << 20))
        for raw in crowd:  # none of them was closed: they have waited
            raw.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert raw.status() == 200
            raw.socket.close()


def test_the_clock_may_jump(healthy: Callable[[Place], Healthy]) -> None:
    with Inside() as server, pytest.MonkeyPatch.context() as patch:
        real, jump = time.time_ns, 0
        patch.setattr(time, "time_ns", lambda: real() + jump)
        with (
            healthy(server.place) as beside,
            server.place.vehicle("A") as vehicle,
            server.place.dashboard("?snapshot=0&vin=A") as dashboard,
        ):
            for number in beside.rounds():
                for years in (1, -1, 0, -50):
                    jump = years * 365 * 86400 * 10**9
                    soc = float(number * years)
                    vehicle.tell({"Soc": {"floatValue": soc}}, created="2026-11-23T08:00:00.123Z")
                    assert dashboard.until("data")["data"] == {"Soc": soc}
        seqs = [message["seq"] for message in dashboard.seen if message["type"] != "hello"]
        assert seqs == sorted(set(seqs))


# ---- connections that go wrong


def cut(raw: Raw) -> None:
    """Ends the TCP connection with a reset."""
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.socket.close()


def test_a_line_that_breaks_at_any_byte_of_a_message_breaks_nothing_else(
    server: Process, healthy: Callable[[Place], Healthy]
) -> None:
    from websockets.frames import Frame

    place = server.place
    message = envelope(b"V", b"1", payload({"Soc": {"floatValue": 1.0}}), "breaking")
    frame = Frame(Opcode.BINARY, message).serialize(mask=True)
    with healthy(place) as beside:
        for _ in beside.rounds():
            for length in range(len(frame)):
                raw = place.raw_vehicle("breaking")
                raw.send(frame[:length])
                cut(raw)
        with place.raw_vehicle("breaking") as raw:
            raw.send(frame)
            raw.read_frame()
        server.lines.wait_for("vehicle_disconnected", 10, vin="breaking")
    with place.dashboard("?vin=breaking&since=0&type=data&snapshot=0") as dashboard:
        assert dashboard.until("data")["data"] == {"Soc": 1.0}
        dashboard.say({"type": "ping"})
        assert dashboard.next()["type"] == "pong", "the one that was whole, and no other"


def test_a_dashboard_that_stops_reading_costs_nobody_anything(healthy: Callable[[Place], Healthy]) -> None:
    with Process(RING_BYTES="4MiB") as process:
        place = process.place
        stalled = [place.raw_dashboard("?snapshot=0") for _ in range(3)]
        before = resident_bytes(process.process.pid)
        with healthy(place) as beside, place.vehicle("loud") as vehicle:
            for _ in beside.rounds():
                for number in range(300):
                    vehicle.tell({"VehicleName": {"stringValue": f"{number % 10}" * 40_000}})
        assert resident_bytes(process.process.pid) - before < 16 << 20
        for raw in stalled:
            opcode, _ = raw.read_frame()
            assert opcode is Opcode.TEXT
            cut(raw)


def test_dashboards_that_do_not_read_hold_so_much_in_all_and_who_has_not_read_for_longest_goes() -> None:
    with Inside(RING_BYTES="8MiB") as server:
        place = server.place
        server.ask(lambda running: setattr(running.hub.unsent, "_most", 3_000_000))
        stalled = [place.raw_dashboard("?snapshot=0") for _ in range(6)]
        with place.vehicle("loud") as vehicle:
            while server.counts("closes").get("stalled", 0) < 3:
                vehicle.tell({"VehicleName": {"stringValue": "x" * 900_000}})
        assert server.ask(lambda running: running.hub.unsent.total) <= 3_000_000
        server.lines.wait_for("dashboard_disconnected", 3, cause="stalled")
        for raw in stalled:
            cut(raw)


def test_who_says_nothing_is_shown_out_when_the_time_is_over(healthy: Callable[[Place], Healthy]) -> None:
    with Process(HANDSHAKE_TIMEOUT="3") as process, healthy(process.place) as beside:
        for _ in beside.rounds():
            silent = [process.place.bare() for _ in range(30)]
            for raw in silent:
                assert raw.status() == 408
                assert b"408" in raw.rest()
                raw.socket.close()


def test_one_address_cannot_take_all_places(healthy: Callable[[Place], Healthy]) -> None:
    with Inside() as server, healthy(server.place) as beside:
        server.ask(lambda inside: setattr(inside.listeners.pending, "_per_address", 5))
        crowd = [server.place.bare() for _ in range(9)]
        server.lines.wait_for("connection_refused", 4, cause="address_limit")
        beside.endure()
        for raw in crowd:
            raw.socket.close()
        server.ask(lambda inside: setattr(inside.listeners.pending, "_per_address", 500))
        assert server.counts("refused_connections") == {"address_limit": 4}


def test_when_it_is_crowded_the_oldest_stranger_goes(healthy: Callable[[Place], Healthy]) -> None:
    with Inside() as server, healthy(server.place) as beside:
        server.ask(lambda inside: setattr(inside.listeners.pending, "_total", 3))
        crowd = [server.place.bare() for _ in range(4)]
        assert crowd[0].rest() == b""
        beside.endure()
        for raw in crowd:
            raw.socket.close()
        server.ask(lambda inside: setattr(inside.listeners.pending, "_total", 500))
        assert server.counts("refused_connections")["crowded"] >= 1


def flood(raw: Raw, opcode: Opcode, data: bytes) -> int | None:
    """Says one thing over and over; the code with which the server has enough of it."""
    from websockets.frames import Frame

    batch = Frame(opcode, data).serialize(mask=True) * 500
    try:
        for _ in range(100):
            raw.send(batch)
    except (ConnectionResetError, BrokenPipeError):
        pass
    return raw.close_code()


def test_a_flood_of_pings_or_subscriptions_is_ended(server: Process, healthy: Callable[[Place], Healthy]) -> None:
    with healthy(server.place) as beside:
        for _ in beside.rounds():
            for raw in (server.place.raw_vehicle("flood"), server.place.raw_dashboard("?snapshot=0&vin=flood")):
                with raw:
                    flood(raw, Opcode.PING, b"x" * 100)
            with server.place.raw_dashboard("?snapshot=0&vin=flood") as raw:
                flood(raw, Opcode.TEXT, b'{"type":"subscribe","vins":["flood"],"types":null}')
        server.lines.wait_for("vehicle_disconnected", cause="flood", code_sent=1008)
        server.lines.wait_for("dashboard_disconnected", 2, cause="flood", code_sent=1008)


def fuzz(process: Process, seconds: float) -> int:
    """Attacks from two programs; returns how many there were."""
    attackers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.programs.fuzz_server", str(process.place.port), str(seconds), str(seed)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for seed in (1, 2)
    ]
    return sum(int(attacker.communicate(timeout=seconds + 30)[0]) for attacker in attackers)


def test_rubbish_on_both_endpoints_disturbs_nobody(server: Process) -> None:
    with Healthy(server.place):
        assert fuzz(server, 1.0) > 10


@pytest.mark.faults
def test_twenty_seconds_of_rubbish_leave_nothing_behind(server: Process) -> None:
    pid = server.process.pid
    fuzz(server, 3.0)  # what is made at the first occasion is there now
    before, descriptors = resident_bytes(pid), len(os.listdir(f"/proc/{pid}/fd"))
    with Healthy(server.place, long=True):
        assert fuzz(server, 20.0) > 500
    wait_until(lambda: server.place.get("/health").json["dashboards"] == 0)
    wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= descriptors + 2)
    ring_grown = 8 << 20  # RING_BYTES: what was published is kept
    assert resident_bytes(pid) - before < ring_grown + 4 * HALF_A_MB
