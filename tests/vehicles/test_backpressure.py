"""Replies that wait for the disk, and when a vehicle is not read from: while too many wait, or while it does not take them."""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path

import pytest
from picows import WSMsgType
from teslafast.core.hub import Hub
from teslafast.protocol.identity import Device
from teslafast.vehicles import connection
from teslafast.vehicles.admission import AdmitVehicle
from teslafast.vehicles.connection import HEAVY_BYTES, VehicleConnection, vehicle_rules
from teslafast.vehicles.rate_limit import RateLimits
from websockets.frames import Opcode

from tests.support.fake_loop import FakeLoop, make_hub
from tests.support.peers import ack, envelope, payload
from tests.support.servers import Inside

RECORD = payload({"Soc": {"floatValue": 50.0}})


class FakeTransport:
    """What is used of picows' transport, and of the one beneath it; `reading`: whether it is read from."""

    is_close_frame_sent = False

    def __init__(self) -> None:
        self.reading = True
        self.underlying_transport = self

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def write(self, data: bytes) -> None: ...


@pytest.mark.parametrize("disk_first", [True, False])
def test_a_vehicle_is_read_from_again_only_when_the_disk_and_the_vehicle_itself_have_caught_up(disk_first: bool) -> None:
    hub, loop = make_hub()
    admitted = AdmitVehicle(Device("A", "vehicle_device"), True, "", "", None)
    connection = VehicleConnection(hub, vehicle_rules(hub, loop), RateLimits(0), admitted, "192.0.2.1")
    connection.transport = transport = FakeTransport()  # type: ignore[assignment]
    both = [(connection.pause_reading, connection.resume_reading), (connection.pause_writing, connection.resume_writing)]
    (pause, resume), (pause_too, resume_too) = both if disk_first else both[::-1]
    reading = []
    for step in (pause, pause_too, resume, resume_too, pause, resume):
        step()
        reading.append(transport.reading)
    assert reading == [False, False, False, True, False, True]


# ---- heavy messages


def open_connection(hub: Hub, loop: FakeLoop, vin: str = "A") -> tuple[VehicleConnection, FakeTransport]:
    admitted = AdmitVehicle(Device(vin, "vehicle_device"), True, "", "", None)
    connection = VehicleConnection(hub, vehicle_rules(hub, loop), RateLimits(0), admitted, "192.0.2.1")
    connection.transport = transport = FakeTransport()  # type: ignore[assignment]
    connection.on_opened()
    return connection, transport


def message(size: int) -> bytes:
    return envelope(b"V", b"1", payload({"VehicleName": {"stringValue": "x" * size}}), "A")


def test_after_a_heavy_message_no_connection_of_its_vehicle_is_read_from_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, loop = make_hub()
    (heavy, transport), (_, beside), (_, other) = (open_connection(hub, loop, vin) for vin in "AAB")
    monkeypatch.setattr(connection, "HEAVY_S", -1.0)
    heavy.on_message(WSMsgType.BINARY, memoryview(message(HEAVY_BYTES)), time.monotonic())
    assert (transport.reading, beside.reading, other.reading) == (False, False, True)
    assert hub.counts.heavy_messages == 1
    heavy.pause_writing()
    loop.elapse()
    assert (transport.reading, beside.reading) == (False, True), "it does not take its replies either"
    heavy.resume_writing()
    assert transport.reading


def test_a_message_of_a_cars_size_is_not_timed_and_a_quick_one_is_not_heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, loop = make_hub()
    vehicle, transport = open_connection(hub, loop)
    monkeypatch.setattr(connection, "HEAVY_S", -1.0)
    vehicle.on_message(WSMsgType.BINARY, memoryview(message(HEAVY_BYTES // 2)), time.monotonic())
    monkeypatch.setattr(connection, "HEAVY_S", 60.0)
    vehicle.on_message(WSMsgType.BINARY, memoryview(message(HEAVY_BYTES)), time.monotonic())
    assert transport.reading
    assert hub.counts.heavy_messages == 0


def test_a_vehicle_that_has_gone_meanwhile_is_not_read_from_again(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, loop = make_hub()
    vehicle, transport = open_connection(hub, loop)
    monkeypatch.setattr(vehicle, "_state", 2)
    vehicle.rest(0.1)
    loop.elapse()
    assert not transport.reading


# ---- replies that wait for the disk when the connection ends


def test_replies_that_wait_for_the_disk_leave_before_the_answer_to_a_close(tmp_path: Path) -> None:
    with Inside(JOURNAL_PATH=str(tmp_path / "journal"), JOURNAL_SYNC_MS="50") as server, server.place.raw_vehicle("A") as raw:
        for number in range(3):
            raw.frame(Opcode.BINARY, envelope(b"V", b"%d" % number, RECORD, "A"))
        raw.frame(Opcode.CLOSE, b"\x03\xe8")
        acks = [(Opcode.BINARY, ack(b"%d" % number)) for number in range(3)]
        assert raw.frames() == [*acks, (Opcode.CLOSE, b"\x03\xe8")]


def test_a_vehicle_that_resets_while_its_replies_wait_leaves_nothing_behind(tmp_path: Path) -> None:
    with Inside(JOURNAL_PATH=str(tmp_path / "journal"), JOURNAL_SYNC_MS="50") as server:
        for _ in range(5):
            with server.place.raw_vehicle("A") as raw:
                raw.frame(Opcode.BINARY, envelope(b"V", b"1", RECORD, "A"))
                raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.lines.wait_for("vehicle_disconnected", 5, vin="A")
        with server.place.vehicle("B") as vehicle:
            vehicle.tell({"Soc": {"floatValue": 1.0}})
        server.lines.wait_for("vehicle_disconnected", vin="B")
        assert server.ask(lambda running: running.hub.turn.all_acknowledged)
        assert server.ask(lambda running: len(running.hub.connections)) == 0


def test_drained_while_replies_wait_for_the_disk_a_vehicle_gets_them_all_before_its_close(tmp_path: Path) -> None:
    with Inside(JOURNAL_PATH=str(tmp_path / "journal"), JOURNAL_SYNC_MS="50") as server, server.place.raw_vehicle("A") as raw:
        raw.frame(Opcode.BINARY, envelope(b"V", b"1", RECORD, "A"))
        assert raw.read_frame() == (Opcode.BINARY, ack(b"1"))
        for number in range(3):
            raw.frame(Opcode.BINARY, envelope(b"V", b"%d" % number, RECORD, "A"))
        while server.ask(lambda running: running.hub.log.seq) < 5:  # CONNECTED and four records
            pass
        server.drain()
        replies = [raw.read_frame() for _ in range(4)]
    acks = [(Opcode.BINARY, ack(b"%d" % number)) for number in range(3)]
    assert replies[:3] == acks
    assert replies[3][0] is Opcode.CLOSE
