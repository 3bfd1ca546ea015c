"""Bodies in Tesla's shapes: from the record's own bytes what the reference dispatched, and without them what the values tell."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, reject
from teslafast._fanout import KINDS
from teslafast.core.tail import Event
from teslafast.errors import Malformed
from teslafast.outputs import Shape
from teslafast.outputs.shapes import NOT_A_RECORD, SHAPING_S, Shaper, metadata, shaped, topic
from teslafast.protocol import _wire

from tests.protocol.test_wire_examples import CONTRACT, frames, names
from tests.protocol.test_wire_oracle import law
from tests.support import oracle, payloads, virtual_time

VIN = "5YJ3E1EA7KF000001"
CASES = [case for case in CONTRACT if case["dispatched"] not in ([], [None])]
CREATED = "2026-11-23T08:00:00.123Z"


def event_of(topic: bytes, payload: bytes, vin: str = VIN, own: bool = True, seq: int = 1) -> Event:
    """As the log has it."""
    record = _wire.read_record(topic, payload, vin)
    kind = KINDS.index(record.kind)
    text = orjson.dumps({"type": record.kind, "seq": seq} | record.body)
    return Event(seq, kind, vin, text, 1_795_420_800_456, (b"tx-1", b"1.2.0", payload) if own else None)


def from_json(body: dict[str, Any], kind: str = "data", seq: int = 1) -> Event:
    text = orjson.dumps({"type": kind, "seq": seq, "vin": VIN, "createdAt": CREATED} | body)
    return Event(seq, KINDS.index(kind), VIN, text, 1_795_420_800_456)


def body(event: Event | None) -> bytes:
    assert event is not None
    return event.body


# ---- from its own bytes


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_a_recorded_frame_has_the_bodies_that_the_reference_dispatched(case: dict[str, Any]) -> None:
    fleet, protobuf = [], []
    for frame in frames(case):
        envelope = _wire.read_envelope(frame)
        event = event_of(envelope.topic, envelope.payload, "device-1")
        fleet.append(json.loads(body(shaped(event, "fleet"))))
        protobuf.append(oracle.printed(envelope.topic, oracle.parse(envelope.topic, body(shaped(event, "protobuf")))))
    assert fleet == protobuf == case["dispatched"]


@law
@given(payloads.PAYLOADS)
def test_both_bodies_say_the_same_whatever_the_record(given_payload: tuple[bytes, bytes]) -> None:
    record_topic, payload = given_payload
    try:
        event = event_of(record_topic, payload)
    except Malformed:
        reject()
    fleet, protobuf = shaped(event, "fleet"), shaped(event, "protobuf")
    assert body(fleet) == orjson.dumps(_wire.read_record(record_topic, payload, VIN, _wire.FLEET).body)
    assert json.loads(body(fleet)) == oracle.printed(record_topic, oracle.parse(record_topic, body(protobuf)))
    assert fleet is not None
    assert not fleet.rebuilt


def test_what_is_not_shaped_has_its_text_for_a_body() -> None:
    event = from_json({"data": {"Soc": 1}, "isResend": False})
    assert event.body is event.text


# ---- round a body


def test_the_metadata_are_the_seven_strings_of_teslas_server() -> None:
    assert metadata(event_of(b"V", b"")) == {
        "vin": VIN.encode(),
        "receivedat": b"1795420800456",
        "timestamp": b"0",
        "txid": b"tx-1",
        "txtype": b"V",
        "version": b"0",
        "device_client_version": b"1.2.0",
    }


def test_metadata_that_were_not_kept_are_empty() -> None:
    found = metadata(from_json({"data": {}, "isResend": False}))
    assert (found["txid"], found["device_client_version"], found["txtype"]) == (b"", b"", b"V")


def test_a_topic_is_teslas_name_for_the_record_type() -> None:
    assert [topic(event_of(name.encode(), b"")) for name in ("V", "alerts", "errors", "connectivity")] == [
        "V",
        "alerts",
        "errors",
        "connectivity",
    ]


# ---- without its own bytes


def test_a_record_is_rebuilt_with_the_types_that_its_values_tell() -> None:
    values: dict[str, object] = {
        "Gear": "ShiftStateD",
        "VehicleName": "Blue",
        "VehicleSpeed": 65.5,
        "Odometer": 10_000_000_000,
        "Locked": True,
        "Soc": None,
        "Location": {"latitude": 52.5, "longitude": 13.4},
        "DoorState": dict.fromkeys(_wire_doors(), False),
        "ScheduledDepartureTime": {"hour": 7, "minute": 30, "second": 0},
        "Field_9999": 3,
    }
    event = from_json({"data": values, "isResend": True})
    fleet, protobuf = shaped(event, "fleet"), shaped(event, "protobuf")
    assert fleet is not None
    assert protobuf is not None
    assert (fleet.rebuilt, protobuf.rebuilt) == (True, True)
    message = oracle.parse(b"V", protobuf.body)
    assert oracle.printed(b"V", message) == json.loads(fleet.body)
    assert json.loads(fleet.body) == {
        "data": [
            {"key": "Gear", "value": {"shiftStateValue": "ShiftStateD"}},
            {"key": "VehicleName", "value": {"stringValue": "Blue"}},
            {"key": "VehicleSpeed", "value": {"doubleValue": 65.5}},
            {"key": "Odometer", "value": {"longValue": "10000000000"}},
            {"key": "Locked", "value": {"booleanValue": True}},
            {"key": "Soc", "value": {"invalid": True}},
            {"key": "Location", "value": {"locationValue": {"latitude": 52.5, "longitude": 13.4}}},
            {"key": "DoorState", "value": {"doorValue": dict.fromkeys(_wire_doors(), False)}},
            {"key": "ScheduledDepartureTime", "value": {"timeValue": {"hour": 7, "minute": 30, "second": 0}}},
            {"key": 9999, "value": {"intValue": 3}},
        ],
        "createdAt": CREATED,
        "vin": VIN,
        "isResend": True,
    }


def _wire_doors() -> list[str]:
    return ["DriverFront", "DriverRear", "PassengerFront", "PassengerRear", "TrunkFront", "TrunkRear"]


READ_AGAIN = [case for case in CASES if case["id"] != "loc_twice"]  # a correction of its text would be done now


@pytest.mark.parametrize("case", READ_AGAIN, ids=names(READ_AGAIN))
def test_a_recorded_record_without_its_bytes_keeps_all_but_what_flat_does_not_say(case: dict[str, Any]) -> None:
    for frame in frames(case):
        envelope = _wire.read_envelope(frame)
        event = event_of(envelope.topic, envelope.payload, "device-1", own=False)
        for shape in ("fleet", "protobuf"):
            again = body(shaped(event, shape))
            payload = again if shape == "protobuf" else _wire.write_record(envelope.topic, json.loads(again))
            flat = _wire.read_record(envelope.topic, payload, "device-1").body
            assert orjson.loads(orjson.dumps(flat)) == {
                name: value for name, value in orjson.loads(event.text).items() if name not in ("type", "seq")
            }


@pytest.mark.parametrize(
    "data",
    [{"MyField": 1}, {"Soc": 1 << 63}, {"Location": {"latitude": "x", "longitude": 1}}, {"Field_99999999999": 1}],
    ids=["a field of any name", "a number too large", "a position of texts", "a field's number too large"],
)
def test_what_is_no_record_has_no_protobuf(data: dict[str, object]) -> None:
    assert shaped(from_json({"data": data, "isResend": False}), "protobuf") is None


def test_a_field_of_any_name_can_be_said_in_fleet() -> None:
    made = json.loads(body(shaped(from_json({"data": {"MyField": {"a": [1]}}, "isResend": False}), "fleet")))
    assert made["data"] == [{"key": "MyField", "value": {"stringValue": '{"a":[1]}'}}]


# ---- an output's events


class Acks:
    def __init__(self) -> None:
        self.lost: list[tuple[int, int]] = []

    def confirm(self, output: str, seq: int) -> None:
        raise AssertionError("the runner does that")

    def lose(self, first: int, last: int) -> None:
        self.lost.append((first, last))

    def stop(self) -> None:
        raise AssertionError("the runner does that")


def test_events_keep_their_order_and_those_without_a_shape_are_counted_and_told(lines: Callable[[], list[str]]) -> None:
    dropped: Counter[str] = Counter()
    acks = Acks()
    shaper = Shaper("kafka", "protobuf", dropped, acks)
    assert dropped == {NOT_A_RECORD: 0}
    events = [event_of(b"V", b"", seq=seq, own=seq % 2 == 0) for seq in range(1, 101)]
    events[4] = from_json({"data": {"MyField": 1}, "isResend": False}, seq=5)
    made: list[Event] = []

    async def scene() -> None:
        made.extend(await shaper.shape_all(events))
        assert list(await shaper.shape_all(made)) == made, "a second try makes nothing anew"

    virtual_time.run(scene())
    assert [event.seq for event in made] == [event.seq for event in events if event.seq != 5]
    assert (dropped[NOT_A_RECORD], acks.lost, shaper.rebuilt) == (1, [(5, 5)], 49)
    assert len([line for line in lines() if "output_record_rebuilt" in line]) == 1


def test_the_event_loop_has_its_turn_between_the_events_of_a_batch_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event takes as long as a stretch may, in time that this test makes pass."""
    now_s = 0.0

    async def scene() -> None:
        turns = 0
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "time", lambda: now_s, raising=False)

        def count() -> None:
            nonlocal turns
            turns += 1
            loop.call_soon(count)

        def slow(event: Event, shape: Shape) -> Event:
            nonlocal now_s
            now_s += SHAPING_S
            return event._replace(shaped=b"")

        monkeypatch.setattr("teslafast.outputs.shapes.shaped", slow)
        loop.call_soon(count)
        await Shaper("kafka", "fleet", Counter()).shape_all([event_of(b"V", b"", seq=seq) for seq in range(1, 21)])
        assert turns == 10

    asyncio.run(scene())
