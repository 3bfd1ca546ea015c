"""What a vehicle's connection does with each message, and the story that is told of it. The peer's frames are the tests' own."""

from __future__ import annotations

import itertools
import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from tests.support import oracle
from tests.support.certificates import World
from tests.support.peers import Dashboard, Place, Raw, ack, envelope, payload, refusal, token
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


def test_a_record_of_each_topic_is_acknowledged_and_told(server: Inside) -> None:
    vin = new_vin()
    contents = {
        b"V": payload(SPEED),
        b"alerts": oracle.CLASSES[b"alerts"](alerts=[{"name": "APP_w1"}]).SerializeToString(),
        b"errors": oracle.CLASSES[b"errors"](errors=[{"name": "unsupported_field", "tags": {"a": "b"}}]).SerializeToString(),
        b"connectivity": oracle.CLASSES[b"connectivity"](connection_id="c1").SerializeToString(),
    }
    with watch(server.place, vin) as dashboard, server.place.vehicle(vin) as vehicle:
        dashboard.until("connectivity")
        for topic, content in contents.items():
            txid = vehicle.send_payload(topic, content)
            assert vehicle.reply() == ack(txid, topic)
            told = dashboard.next()
            expected = oracle.flat(topic, content, vin)
            assert {name: told[name] for name in expected} == expected
            assert told["type"] == {b"V": "data"}.get(topic, topic.decode())


def reply_to(place: Place, content: bytes) -> bytes:
    with place.raw_vehicle(new_vin()) as raw:
        raw.frame(BINARY, content)
        opcode, reply = raw.read_frame()
        assert opcode is BINARY
        raw.frame(BINARY, message(b"after", "x"))
        assert raw.read_frame() == (BINARY, ack(b"after")), "the connection goes on, and nothing was answered twice"
        return reply


@pytest.mark.parametrize("content", [b"\xff\xff", b"\x0a\x05abc", payload(SPEED)[:-3]])
def test_a_payload_that_is_no_record_is_answered_with_its_txid(server: Inside, content: bytes) -> None:
    assert reply_to(server.place, envelope(b"V", b"tx-1", content)) == refusal(b"tx-1")


@pytest.mark.parametrize("content", [b"x", b"\xff" * 64, bytes(range(256)), b"44,test,1234"])
def test_noise_is_answered_with_an_error_without_a_txid(server: Inside, content: bytes) -> None:
    assert reply_to(server.place, content) == refusal(b"")


def test_an_empty_message_is_acknowledged_once(server: Inside) -> None:
    assert reply_to(server.place, b"") == ack(b"", b"")


def test_an_envelope_that_holds_no_stream_is_acknowledged_once_without_a_topic(server: Inside) -> None:
    assert reply_to(server.place, ack(b"tx-1")) == ack(b"tx-1", b"")


def test_an_unknown_topic_is_acknowledged_to_who_says_who_it_is(server: Inside) -> None:
    vin = new_vin()
    with server.place.raw_vehicle(vin) as raw:
        for sender, reply in ((vin, ack(b"t", b"new")), ("somebody.else", refusal(b"t")), ("", refusal(b"t"))):
            stream = {"sender_id": sender.encode(), "payload": b"\xff"}
            raw.frame(BINARY, oracle.build_envelope(b"new", b"t", stream))
            assert raw.read_frame() == (BINARY, reply)
        raw.frame(BINARY, envelope(b"new", b"t", b"\xff", vin))
        assert raw.read_frame() == (BINARY, ack(b"t", b"new"))
    assert report(server, vin)["messages"] == 0


def test_replies_come_in_the_order_of_the_messages_however_many_come_at_once(server: Inside) -> None:
    vin = new_vin()
    with server.place.vehicle(vin) as vehicle:
        sent = [vehicle.send({"Soc": {"floatValue": float(number)}}) for number in range(200)]
        assert [vehicle.reply() for _ in sent] == [ack(txid) for txid in sent]


def test_the_certificates_name_goes_before_the_payloads_and_the_difference_is_counted(server: Inside) -> None:
    vin = new_vin()
    with watch(server.place, vin) as dashboard, server.place.vehicle(vin) as vehicle:
        vehicle.tell(SPEED, vin="5YJ3E1EA7KF999999")
        assert dashboard.until("data")["vin"] == vin
    assert report(server, vin)["vinMismatches"] == 1


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


def test_a_larger_one_is_thrown_away_as_it_comes(server: Inside) -> None:
    with server.place.raw_vehicle(new_vin()) as raw:
        raw.send(b"\x82\xff" + struct.pack(">Q", 1 << 40) + b"mask" + b"x" * 1_000_000)
        raw.send(b"x" * 1_000_000)
        server.place.get("/health")
    server.lines.wait_for("vehicle_disconnected", cause="peer")


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


@pytest.mark.parametrize("opcode", [BINARY, TEXT])
def test_a_new_message_within_a_fragmented_one_ends_the_connection(server: Inside, opcode: Opcode) -> None:
    with server.place.raw_vehicle(new_vin()) as raw:
        raw.frame(BINARY, b"x", fin=False)
        raw.frame(opcode, b"y")
        assert raw.close_code() == 1002


def test_a_fragment_without_a_beginning_ends_the_connection(server: Inside) -> None:
    with server.place.raw_vehicle(new_vin()) as raw:
        raw.frame(CONT, b"x")
        assert raw.close_code() == 1002


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


def test_two_vehicles_with_one_x_txid_are_two_vehicles(server: Inside) -> None:
    one, other = new_vin(), new_vin()
    same = {"X_TXID": "0f8fad5b-d9cb-469f-a165-70867728950e"}
    with server.place.vehicle(one, **same) as first, server.place.vehicle(other, **same) as second:
        first.tell(SPEED)
        second.tell(SPEED)
        assert report(server, one)["messages"] == report(server, other)["messages"] == 1


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


# ---- who may send how much


def test_over_the_rate_limit_a_message_is_answered_with_an_error_and_counted() -> None:
    vin = new_vin()
    with Inside(VEHICLE_RATE_LIMIT="1") as server, server.place.vehicle(vin) as vehicle:
        sent = [vehicle.send(SPEED) for _ in range(10)]
        replies = [vehicle.reply() for _ in sent]
        acknowledged = sum(reply == ack(txid) for reply, txid in zip(replies, sent, strict=True))
        refused = sum(reply == refusal(txid) for reply, txid in zip(replies, sent, strict=True))
        assert acknowledged + refused == 10
        assert acknowledged in (2, 3)  # a burst, and one more if this machine took a second for it
        assert server.counts("refused_messages") == {"rate_limit": refused}
        assert server.lines.wait_for("message_refused", refused, cause="rate_limit")[0]["vin"] == vin
        assert report(server, vin)["messages"] == acknowledged


def test_the_rate_is_a_vehicles_and_not_a_connections() -> None:
    vin = new_vin()
    with Inside(VEHICLE_RATE_LIMIT="1") as server:
        replies = []
        for _ in range(6):
            with server.place.vehicle(vin) as vehicle:
                txid = vehicle.send(SPEED)
                replies.append(vehicle.reply() == ack(txid))
    assert replies[:2] == [True, True]
    assert sum(replies) in (2, 3)


def status_of(place: Place, vin: str) -> int:
    try:
        with place.vehicle(vin):
            return 101
    except InvalidStatus as refused:
        return int(refused.response.status_code)


def test_over_the_limit_of_vehicles_new_ones_are_answered_503_and_those_here_may_come_again(world: World) -> None:
    with Inside(world, VEHICLE_PORT="0", MAX_VEHICLES="1") as server, server.place.vehicle("device-1") as first:
        first.tell(SPEED)
        assert status_of(server.place, "device-2") == 503
        assert status_of(server.place, "device-1") == 101
        assert server.counts("refused_requests") == {"too_many_vehicles": 1}


def test_a_vehicle_that_is_not_on_the_list_is_answered_403_and_the_log_says_why(world: World) -> None:
    with Inside(world, VEHICLE_PORT="0", TESLA_VIN="device-1") as server:
        assert status_of(server.place, "device-1") == 101
        assert status_of(server.place, "device-2") == 403
        assert server.lines.wait_for("request_refused")[0]["reason"] == "VIN device-2 is not in TESLA_VIN"


def test_a_certificate_of_no_vehicle_is_answered_403_and_the_log_says_why(mutual: Inside, world: World) -> None:
    strangers = {
        "unknown_issuer": world.pair(world.foreign_issuer, "device-1"),
        "no_product": world.pair(world.issuing, "device-1", usages=()),
        "wifi_certificate": world.pair(world.issuing, "device-1", usages=("1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.49279.2.5.1.1")),
        "not_a_vehicle": world.pair(world.issuing, "device-1", usages=("1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.49279.2.5.2")),
        "no_vin": world.pair(world.issuing, ""),
    }
    for cause, pair in strangers.items():
        with mutual.place.raw(pair, mutual.place.vehicle_port) as raw:
            head = raw.upgrade("/")
        assert head.startswith(b"HTTP/1.1 403 ")
        assert mutual.lines.wait_for("request_refused", cause=cause)[0]["reason"]
        assert mutual.counts("refused_requests")[cause] == 1


# ---- silence


def test_who_does_not_answer_a_ping_is_shown_out_and_told_as_disconnected() -> None:
    vin = new_vin()
    with Inside(PING_INTERVAL="0.4") as server, watch(server.place, vin) as dashboard, server.place.raw_vehicle(vin) as raw:
        assert dashboard.until("connectivity")["status"] == "CONNECTED"
        assert dashboard.until("connectivity")["status"] == "DISCONNECTED"
        assert [opcode for opcode, _ in raw.frames()] == [PING, CLOSE]
        assert server.counts("closes") == {"silent": 1}


def test_who_answers_pings_stays() -> None:
    vin = new_vin()
    with Inside(PING_INTERVAL="0.4") as server, server.place.raw_vehicle(vin) as raw:
        for _ in range(3):
            assert raw.read_frame()[0] is PING
            raw.frame(PONG)
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


def say(raw: Raw, **members: object) -> None:
    raw.frame(TEXT, json.dumps(members).encode())


def heard(raw: Raw) -> Any:
    opcode, text = raw.read_frame()
    assert opcode is TEXT
    return json.loads(text)


def test_in_development_a_vehicle_may_send_json(plain: Inside) -> None:
    vin = new_vin()
    with watch(plain.place, vin) as dashboard, plain.place.raw_vehicle(vin) as raw:
        say(raw, vin=vin, createdAt="2026-11-23T08:00:00Z", data={"Soc": 50, "MyField": "x"}, txid="tx-1")
        assert heard(raw) == {"type": "ack", "txid": "tx-1"}
        told = dashboard.until("data")
        assert told["data"] == {"Soc": 50, "MyField": "x"}
        say(raw, data={"Soc": 51})
        assert dashboard.until("data")["data"] == {"Soc": 51}
        say(raw, data=[{"key": "Soc", "value": {"floatValue": 52.0}}], txid="tx-2")
        assert heard(raw) == {"type": "ack", "txid": "tx-2"}
        assert dashboard.until("data")["data"] == {"Soc": 52.0}


@pytest.mark.parametrize(
    "text", [b"", b"nonsense", b"[]", b'{"data":7}', b"\xff", b'{"data":{"a":' + b"[" * 500 + b"]" * 500 + b"}}"]
)
def test_in_development_json_that_is_no_record_is_answered_with_the_reason(plain: Inside, text: bytes) -> None:
    with plain.place.raw_vehicle(new_vin()) as raw:
        raw.frame(TEXT, text)
        answer = heard(raw)
        assert answer["type"] == "error"
        assert answer["reason"]
        say(raw, data={}, txid="after")
        assert heard(raw) == {"type": "ack", "txid": "after"}


def test_in_development_json_over_the_rate_limit_is_answered_with_the_reason() -> None:
    with Inside(VEHICLE_RATE_LIMIT="1") as server, server.place.raw_vehicle(new_vin()) as raw:
        for _ in range(10):
            say(raw, data={}, txid="t")
        kinds = [heard(raw)["type"] for _ in range(10)]
    assert kinds[:2] == ["ack", "ack"]
    assert kinds.count("error") in (7, 8)


def test_in_development_a_vehicle_without_a_name_takes_that_of_its_first_message(plain: Inside) -> None:
    vin, other = new_vin(), new_vin()
    with watch(plain.place, vin) as dashboard, plain.place.raw() as raw:
        assert raw.upgrade("/").startswith(b"HTTP/1.1 101 ")
        say(raw, data={"Soc": 1})
        assert heard(raw)["type"] == "error"
        raw.frame(BINARY, message(b"tx-1", vin))
        assert raw.read_frame() == (BINARY, ack(b"tx-1"))
        assert dashboard.until("connectivity")["status"] == "CONNECTED"
        raw.frame(BINARY, message(b"tx-2", other))
        assert raw.read_frame() == (BINARY, ack(b"tx-2"))
        dashboard.until("data")
        assert dashboard.until("data")["vin"] == vin


# ---- two shapes


def test_the_fleet_shape_of_every_topic_is_the_references(server: Inside) -> None:
    vin = new_vin()
    content = payload(SPEED | {"Location": {"stringValue": "(37.5 N, 122.25 W)"}, "Soc": {"stringValue": "1.0e1"}})
    with server.place.dashboard(f"?vin={vin}&format=fleet") as dashboard, server.place.vehicle(vin) as vehicle:
        txid = vehicle.send_payload(b"V", content)
        assert vehicle.reply() == ack(txid)
        assert dashboard.next()["status"] == "CONNECTED"
        told = dashboard.next()
    seq = told.pop("seq")
    assert seq > 0
    assert told == oracle.fleet(b"V", content, vin)
