"""A vehicle's connection over real sockets, plain and with mutual TLS. The peer's frames are the tests' own."""

from __future__ import annotations

import itertools
import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from tests.support.certificates import World
from tests.support.peers import Dashboard, Place, ack, envelope, payload, refusal, token
from tests.support.servers import Inside

BINARY, TEXT, CONT, CLOSE, PING, PONG = Opcode.BINARY, Opcode.TEXT, Opcode.CONT, Opcode.CLOSE, Opcode.PING, Opcode.PONG
LIMIT = 4096  # MAX_FRAME_BYTES of the servers here
SPEED = {"VehicleSpeed": {"floatValue": 65.5}}
_numbers = itertools.count(1)


def new_vin() -> str:
    """A vehicle that no other test has."""
    return f"5YJ3E1EA7KF{next(_numbers):06}"


@pytest.fixture(scope="module")
def plain() -> Iterator[Inside]:
    with Inside(MAX_FRAME_BYTES=str(LIMIT)) as server:
        yield server


@pytest.fixture(scope="module")
def mutual(world: World) -> Iterator[Inside]:
    with Inside(world, VEHICLE_PORT="0", MAX_FRAME_BYTES=str(LIMIT)) as server:
        yield server


@pytest.fixture(params=["plain", "mutual"])
def server(request: pytest.FixtureRequest) -> Inside:
    running: Inside = request.getfixturevalue(request.param)
    return running


def message(txid: bytes, vin: str, text: int = 0) -> bytes:
    """A good record that holds a text of so many characters."""
    return envelope(b"V", txid, payload({"VehicleName": {"stringValue": "x" * text}}), vin)


def report(server: Inside, vin: str) -> dict[str, Any]:
    """What /vehicles says of it."""
    found: dict[str, Any] = server.place.get(f"/vehicles/{vin}", Authorization=f"Bearer {token()}").json
    return found


def watch(place: Place, vin: str) -> Dashboard:
    return place.dashboard(f"?vin={vin}&snapshot=0")


# ---- replies


def reply_to(place: Place, content: bytes) -> bytes:
    with place.raw_vehicle(new_vin()) as raw:
        raw.frame(BINARY, content)
        opcode, reply = raw.read_frame()
        assert opcode is BINARY
        raw.frame(BINARY, message(b"after", "x"))
        assert raw.read_frame() == (BINARY, ack(b"after")), "the connection goes on, and nothing was answered twice"
        return reply


@pytest.mark.parametrize("content", [b"x", b"\xff" * 64, bytes(range(256)), b"44,test,1234"])
def test_noise_is_answered_with_an_error_without_a_txid(server: Inside, content: bytes) -> None:
    assert reply_to(server.place, content) == refusal(b"")


def test_replies_come_in_the_order_of_the_messages_however_many_come_at_once(server: Inside) -> None:
    vin = new_vin()
    with server.place.vehicle(vin) as vehicle:
        sent = [vehicle.send({"Soc": {"floatValue": float(number)}}) for number in range(200)]
        assert [vehicle.reply() for _ in sent] == [ack(txid) for txid in sent]


# ---- the message limit


def test_a_message_of_the_limit_is_taken(server: Inside) -> None:
    vin = new_vin()
    with server.place.raw_vehicle(vin) as raw:
        content = next(made for text in range(LIMIT, 0, -1) if len(made := message(b"tx-1", vin, text)) == LIMIT)
        raw.frame(BINARY, content)
        assert raw.read_frame() == (BINARY, ack(b"tx-1"))


@pytest.mark.parametrize("size", [LIMIT + 1, 2 * LIMIT, 70_000, 3_000_000])
def test_a_larger_one_is_answered_with_an_error_and_the_connection_goes_on(server: Inside, size: int) -> None:
    before = server.counts("refused_messages").get("too_large", 0)
    assert reply_to(server.place, b"x" * size) == refusal(b"")
    assert server.counts("refused_messages")["too_large"] == before + 1


@pytest.mark.parametrize("step", [1000, LIMIT])
def test_a_fragmented_one_is_limited_as_a_whole(server: Inside, step: int) -> None:
    with server.place.raw_vehicle(new_vin()) as raw:
        raw.frame(BINARY, b"x" * step, fin=False)
        for _ in range(10):
            raw.frame(CONT, b"x" * step, fin=False)
        raw.frame(CONT, b"x")
        assert raw.read_frame() == (BINARY, refusal(b""))
        raw.frame(BINARY, message(b"after", "x"))
        assert raw.read_frame() == (BINARY, ack(b"after"))


# ---- frames


def test_a_message_may_come_in_fragments_with_control_frames_between_them(server: Inside) -> None:
    vin = new_vin()
    content = message(b"tx-1", vin)
    with server.place.raw_vehicle(vin) as raw:
        raw.frame(BINARY, content[:10], fin=False)
        raw.frame(PING, b"between")
        assert raw.read_frame() == (PONG, b"between")
        raw.frame(CONT, b"", fin=False)
        raw.frame(PONG, b"unasked")
        for byte in content[10:]:
            raw.frame(CONT, bytes([byte]), fin=False)
        raw.frame(CONT)
        assert raw.read_frame() == (BINARY, ack(b"tx-1"))


WRONG_FRAMES = {
    "a reserved bit": b"\xc2\x80mask",
    "a reserved opcode": b"\x83\x80mask",
    "a reserved control opcode": b"\x8b\x80mask",
    "no mask": b"\x82\x01x",
    "a fragmented ping": b"\x09\x80mask",
    "a long ping": b"\x89\xfe\x00\x7emask" + b"x" * 126,
}


@pytest.mark.parametrize("frame", WRONG_FRAMES.values(), ids=list(WRONG_FRAMES))
def test_a_frame_that_breaks_the_protocol_ends_the_connection(server: Inside, frame: bytes) -> None:
    vin = new_vin()
    with server.place.raw_vehicle(vin) as raw:
        raw.send(frame)
        assert raw.close_code() == 1002
    (line,) = server.lines.wait_for("vehicle_disconnected", vin=vin)
    assert line["cause"] in ("protocol", "reserved_bits")
    assert server.counts("closes")[line["cause"]] >= 1


def test_what_comes_with_the_handshake_is_not_lost(server: Inside) -> None:
    vin = new_vin()
    first = Frame(BINARY, message(b"tx-1", vin)).serialize(mask=True)
    with server.place.raw_vehicle(vin, then=first + Frame(PING, b"p").serialize(mask=True)) as raw:
        replies = {raw.read_frame(), raw.read_frame()}
        assert replies == {(BINARY, ack(b"tx-1")), (PONG, b"p")}


# ---- the end of a connection


@pytest.mark.parametrize(
    ("sent", "answered"),
    [(b"", b"\x03\xe8"), (b"\x03\xe8", b"\x03\xe8"), (b"\x03\xe9going", b"\x03\xe9"), (b"\x0f\xa0", b"\x0f\xa0")],
)
def test_a_close_is_answered_in_kind(server: Inside, sent: bytes, answered: bytes) -> None:
    with server.place.raw_vehicle(new_vin()) as raw:
        raw.frame(CLOSE, sent)
        assert raw.frames() == [(CLOSE, answered)]


@pytest.mark.parametrize("sent", [b"\x03", b"\x00\x00", b"\x03\xed", b"\x03\xee", b"\x03\xf7", b"\xff\xff", b"\x03\xe8\xff\xfe"])
def test_a_close_that_makes_no_sense_ends_the_connection_too(server: Inside, sent: bytes) -> None:
    vin = new_vin()
    with server.place.raw_vehicle(vin) as raw:
        raw.frame(CLOSE, sent)
        ((opcode, _),) = raw.frames()
        assert opcode is CLOSE
    server.lines.wait_for("vehicle_disconnected", vin=vin)


def test_messages_before_a_close_are_answered_before_it(server: Inside) -> None:
    vin = new_vin()
    with server.place.raw_vehicle(vin) as raw:
        raw.frame(BINARY, message(b"tx-1", vin))
        raw.frame(CLOSE, b"\x03\xe8")
        assert raw.frames() == [(BINARY, ack(b"tx-1")), (CLOSE, b"\x03\xe8")]


def test_a_vehicle_that_vanishes_is_told_as_disconnected(server: Inside) -> None:
    vin = new_vin()
    with watch(server.place, vin) as dashboard:
        with server.place.raw_vehicle(vin) as raw:
            assert dashboard.until("connectivity")["status"] == "CONNECTED"
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no goodbye
        assert dashboard.until("connectivity")["status"] == "DISCONNECTED"


# ---- the story of a vehicle


def test_one_story_is_told_of_connections_that_overlap(server: Inside) -> None:
    vin = new_vin()
    with watch(server.place, vin) as dashboard:
        with server.place.vehicle(vin, X_Network_Interface="wifi") as first:
            first.tell(SPEED)
            with server.place.vehicle(vin, X_Network_Interface="cellular") as second:
                first.connection.close()
                second.tell(SPEED)
                assert report(server, vin)["connections"] == 1
                assert report(server, vin)["networkInterface"] == "cellular"
        while dashboard.next().get("status") != "DISCONNECTED":
            pass
    kinds = [message.get("status", message["type"]) for message in dashboard.seen]
    assert kinds == ["hello", "CONNECTED", "data", "data", "DISCONNECTED"]
    assert report(server, vin)["connected"] is False


def test_the_connection_is_named_by_a_uuid_that_may_be_the_vehicles(server: Inside) -> None:
    vin = new_vin()
    headers = {"X_TXID": "0F8FAD5B-D9CB-469F-A165-70867728950E", "X_Network_Interface": "wifi"}
    with watch(server.place, vin) as dashboard:
        for given in (headers, {"X_TXID": "not a uuid"}):
            with server.place.vehicle(vin, **given):
                assert dashboard.until("connectivity")["status"] == "CONNECTED"
            dashboard.until("connectivity")
    first, left, second, _ = (message for message in dashboard.seen if message["type"] == "connectivity")
    assert first["connectionId"] == left["connectionId"] == "0f8fad5b-d9cb-469f-a165-70867728950e"
    assert first["networkInterface"] == "wifi"
    assert len(second["connectionId"]) == 36
    assert second["connectionId"] not in (first["connectionId"], "not a uuid")


def test_what_a_vehicle_sent_is_known_afterwards(server: Inside) -> None:
    vin = new_vin()
    with server.place.vehicle(vin, Version="1.2.0", X_Network_Interface="wifi") as vehicle:
        vehicle.tell({"Soc": {"floatValue": 50.0}, "Gear": {"shiftStateValue": "ShiftStateP"}}, created="2026-11-23T07:00:01Z")
        vehicle.tell({"Soc": {"floatValue": 49.0}}, created="2026-11-23T07:00:00Z")
        vehicle.tell({"Soc": {"floatValue": 48.0}}, created="2026-11-23T06:59:59Z", isResend=True)
        for _ in range(2):
            vehicle.connection.send(envelope(b"V", b"same", payload(SPEED), vin))
            assert vehicle.reply() == ack(b"same")
        vehicle.connection.send(b"noise")
        assert vehicle.reply() == refusal(b"")
        found = report(server, vin)
    numbers = {name: found[name] for name in ("messages", "signals", "duplicates", "reorders", "resends", "refused")}
    assert numbers == {"messages": 5, "signals": 6, "duplicates": 1, "reorders": 1, "resends": 1, "refused": 1}
    assert found["counts"] == {"data": 5}
    assert (found["connected"], found["clientVersion"], found["networkInterface"]) == (True, "1.2.0", "wifi")
    assert found["data"]["Soc"] == {"value": 50.0, "time_ns": 1_795_417_201_000_000_000}


# ---- silence


def test_who_does_not_answer_a_ping_is_shown_out_and_told_as_disconnected() -> None:
    vin = new_vin()
    with Inside(PING_INTERVAL="3600") as server, watch(server.place, vin) as dashboard, server.place.raw_vehicle(vin) as raw:
        assert dashboard.until("connectivity")["status"] == "CONNECTED"
        server.silent_for(3600, "vehicles")
        assert raw.read_frame()[0] is PING
        server.silent_for(3600, "vehicles")
        assert dashboard.until("connectivity")["status"] == "DISCONNECTED"
        assert [opcode for opcode, _ in raw.frames()] == [CLOSE]
        assert server.counts("closes") == {"silent": 1}


def test_who_answers_pings_stays() -> None:
    vin = new_vin()
    with Inside(PING_INTERVAL="3600") as server, server.place.raw_vehicle(vin) as raw:
        for _ in range(3):
            server.silent_for(3600, "vehicles")
            assert raw.read_frame()[0] is PING
            raw.frame(PONG)
            raw.frame(PING, b"all before it is heard")
            assert raw.read_frame()[0] is PONG
        raw.frame(BINARY, message(b"tx-1", vin))
        assert raw.read_frame() == (BINARY, ack(b"tx-1"))


# ---- text


def test_a_text_message_of_a_verified_vehicle_ends_the_connection(mutual: Inside) -> None:
    vin = new_vin()
    with mutual.place.raw_vehicle(vin) as raw:
        raw.frame(TEXT, json.dumps({"data": {"Soc": 1}}).encode())
        assert raw.close_code() == 1003
    assert mutual.lines.wait_for("message_refused", cause="text")[0]["vin"] == vin
    assert report(mutual, vin)["messages"] == 0
