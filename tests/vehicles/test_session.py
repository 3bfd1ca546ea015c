"""A vehicle's conversation, without a socket, a server or a clock: what each message is answered, and what is told of it."""

from __future__ import annotations

from typing import Any

import pytest
from teslafast.core.turn import Replies
from teslafast.errors import Malformed
from teslafast.protocol.identity import Device
from teslafast.vehicles.admission import AdmitVehicle
from teslafast.vehicles.rate_limit import RateLimits
from teslafast.vehicles.session import Now, VehicleSession
from websockets.frames import Opcode

from tests.support import oracle
from tests.support.datums import datum
from tests.support.fake_log import Dashboard, frames_in
from tests.support.fake_loop import RECEIVED_NS, VIN, FakeLoop, make_hub
from tests.support.payloads import VARINT, tagged
from tests.support.peers import ack, envelope, payload, refusal

OTHER = "5YJ3E1EA7KF000002"
SPEED = {"VehicleSpeed": {"floatValue": 65.5}}


class FakeOutlet:
    """`written`: every byte of the replies."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        raise AssertionError("nothing here is held")

    def pause_reading(self) -> None:
        raise AssertionError("nothing here is held")

    def resume_reading(self) -> None:
        raise AssertionError("nothing here is held")


class Stage:
    """A hub with one dashboard that sees everything, and vehicles' sessions."""

    def __init__(self, rate: float = 0.0) -> None:
        self.hub, self.loop = make_hub()
        self.limits = RateLimits(rate)
        self.dashboard = Dashboard()
        self.hub.log.subscribe(self.dashboard.reader)
        self.now = Now(100.0, RECEIVED_NS)

    def told(self) -> list[dict[str, Any]]:
        self.loop.settle()
        return self.dashboard.messages()

    def kinds(self) -> list[str]:
        return [str(message.get("status", message["type"])) for message in self.told()]


class Vehicle:
    """One connection's session; `replies` are those since it was asked last."""

    def __init__(self, stage: Stage, vin: str = VIN, verified: bool = True, **admitted: Any) -> None:
        self._stage = stage
        self._loop: FakeLoop = stage.loop
        self._outlet = FakeOutlet()
        device = Device(vin, "vehicle_device")
        about = {"network_interface": "wifi", "client_version": "1.2.0", "connection_id": "c1"} | admitted
        replies = Replies(stage.hub.turn, self._outlet)
        self.session = VehicleSession(stage.hub, stage.limits, AdmitVehicle(device, verified, **about), "192.0.2.1", replies)
        self.session.begin(stage.now)

    def send(self, content: bytes) -> list[bytes]:
        """One binary message; the binary replies to it."""
        self.session.receive(memoryview(content), self._stage.now)
        return self._replies(Opcode.BINARY)

    def say(self, text: bytes) -> list[bytes]:
        """One text message, which is taken; the text replies to it."""
        assert self.session.receive_text(text, self._stage.now) is None
        return self._replies(Opcode.TEXT)

    def too_large(self) -> list[bytes]:
        self.session.too_large()
        return self._replies(Opcode.BINARY)

    def end(self) -> None:
        self.session.end(self._stage.now)

    def _replies(self, opcode: Opcode) -> list[bytes]:
        self._loop.settle()
        frames, self._outlet.written = frames_in(self._outlet.written), b""
        assert all(frame.opcode is opcode and frame.fin for frame in frames)
        return [bytes(frame.data) for frame in frames]


def record(txid: bytes = b"tx-1", vin: str = VIN) -> bytes:
    return envelope(b"V", txid, payload(SPEED), vin)


@pytest.fixture
def stage() -> Stage:
    return Stage()


# ---- its life


def test_the_first_connection_tells_connected_and_the_last_one_disconnected(stage: Stage) -> None:
    first, second = Vehicle(stage), Vehicle(stage, connection_id="c2")
    first.end()
    second.end()
    connected, disconnected = stage.told()
    assert (connected["status"], connected["connectionId"], connected["networkInterface"]) == ("CONNECTED", "c1", "wifi")
    assert (disconnected["status"], disconnected["connectionId"]) == ("DISCONNECTED", "c2")


def test_a_connection_without_an_id_of_its_own_is_given_a_uuid(stage: Stage) -> None:
    vehicle = Vehicle(stage, connection_id=None)
    vehicle.end()
    connected, disconnected = stage.told()
    assert len(connected["connectionId"]) == 36
    assert disconnected["connectionId"] == connected["connectionId"]


def test_connecting_counts_no_message(stage: Stage) -> None:
    Vehicle(stage).end()
    entry = stage.hub.registry.get(VIN)
    assert entry is not None
    assert (entry.report(0)["messages"], stage.hub.counts.records) == (0, {})


# ---- records


@pytest.mark.parametrize("topic", list(oracle.TOPICS))
def test_a_record_of_each_topic_is_acknowledged_told_and_counted(stage: Stage, topic: bytes) -> None:
    vehicle = Vehicle(stage)
    content = payload(SPEED) if topic == b"V" else oracle.CLASSES[topic]().SerializeToString()
    assert vehicle.send(envelope(topic, b"tx-1", content, VIN)) == [ack(b"tx-1", topic)]
    told = stage.told()[-1]
    expected = oracle.flat(topic, content, VIN)
    assert {name: told[name] for name in expected} == expected
    assert stage.hub.counts.records == {told["type"]: 1}
    assert stage.hub.counts.record_bytes == {told["type"]: len(content)}
    assert vehicle.session.messages == 1


def test_the_message_that_lends_its_memory_may_change_afterwards(stage: Stage) -> None:
    vehicle, fleet = Vehicle(stage), Dashboard()
    from teslafast.core.views import ViewKey

    stage.hub.views.log_for(ViewKey("fleet"), stage.hub.log).subscribe(fleet.reader)
    content = bytearray(record())
    vehicle.session.receive(memoryview(content), stage.now)
    content[:] = b"\xff" * len(content)
    assert stage.told()[-1]["data"] == {"VehicleSpeed": 65.5}
    assert fleet.messages()[-1]["data"] == [{"key": "VehicleSpeed", "value": {"floatValue": 65.5}}]


def test_the_connections_vin_goes_before_the_payloads_and_the_difference_is_counted(stage: Stage) -> None:
    vehicle = Vehicle(stage)
    vehicle.send(envelope(b"V", b"t", payload(SPEED, vin=OTHER), VIN))
    assert stage.told()[-1]["vin"] == VIN
    assert stage.hub.counts.vin_differs == 1


def test_a_message_that_comes_again_is_told_again_and_counted_as_a_duplicate(stage: Stage) -> None:
    vehicle = Vehicle(stage)
    for _ in range(2):
        assert vehicle.send(record(b"same")) == [ack(b"same")]
    entry = stage.hub.registry.get(VIN)
    assert entry is not None
    assert entry.duplicates == 1
    assert stage.kinds() == ["CONNECTED", "data", "data"]


# ---- what is not a record


@pytest.mark.parametrize(
    ("content", "reply", "cause"),
    [
        (envelope(b"V", b"tx-1", b"\xff\xff", VIN), refusal(b"tx-1"), "malformed"),
        (envelope(b"V", b"tx-1", payload(SPEED)[:-3], VIN), refusal(b"tx-1"), "malformed"),
        (b"x", refusal(b""), "malformed"),
        (b"\xff" * 64, refusal(b""), "malformed"),
        (b"", ack(b"", b""), "unknown_message_type"),
        (ack(b"tx-1"), ack(b"tx-1", b""), "unknown_message_type"),
        (envelope(b"new", b"t", b"", OTHER), refusal(b"t"), "unknown_sender"),
    ],
)
def test_a_message_that_is_not_a_record_is_answered_once_and_counted(
    stage: Stage, content: bytes, reply: bytes, cause: str
) -> None:
    vehicle = Vehicle(stage)
    assert vehicle.send(content) == [reply]
    assert stage.hub.counts.refused_messages == {cause: 1}
    assert stage.kinds() == ["CONNECTED"]
    entry = stage.hub.registry.get(VIN)
    assert entry is not None
    assert entry.refused == 1
    assert vehicle.send(record()) == [ack(b"tx-1")], "the conversation goes on"


@pytest.mark.parametrize("sender", [f"vehicle_device.{VIN}", VIN])
def test_an_unknown_topic_is_acknowledged_to_a_sender_that_is_who_it_says(stage: Stage, sender: str) -> None:
    stream = {"sender_id": sender.encode(), "payload": b"\xff"}
    assert Vehicle(stage).send(oracle.build_envelope(b"new", b"t", stream)) == [ack(b"t", b"new")]
    assert stage.hub.counts.refused_messages == {}


def test_a_message_beyond_the_limit_is_answered_without_a_txid_and_counted(stage: Stage) -> None:
    vehicle = Vehicle(stage)
    assert vehicle.too_large() == [refusal(b"")]
    assert stage.hub.counts.refused_messages == {"too_large": 1}
    assert vehicle.session.messages == 1


def test_a_record_that_the_log_cannot_keep_is_refused_with_its_txid(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*submission: object) -> None:
        raise Malformed("cannot be kept")

    vehicle = Vehicle(stage)
    monkeypatch.setattr(stage.hub, "submit", full)
    assert vehicle.send(record()) == [refusal(b"tx-1")]
    assert (stage.hub.counts.records, stage.hub.counts.refused_messages) == ({}, {"malformed": 1})


# ---- the rate limit


def test_over_the_rate_limit_a_record_is_refused_with_its_txid_on_whatever_connection() -> None:
    stage = Stage(rate=1.0)
    replies = [Vehicle(stage).send(record()) for _ in range(3)]
    assert replies == [[ack(b"tx-1")], [ack(b"tx-1")], [refusal(b"tx-1")]]
    assert stage.hub.counts.refused_messages == {"rate_limit": 1}
    assert Vehicle(stage, OTHER).send(record(vin=OTHER)) == [ack(b"tx-1")]
    stage.now = Now(101.0, RECEIVED_NS)
    assert Vehicle(stage).send(record()) == [ack(b"tx-1")]


def test_a_value_of_an_unknown_type_is_kept_and_counted(stage: Stage) -> None:
    vehicle = Vehicle(stage)
    content = datum(tagged(99, VARINT, b"\x07"))
    assert vehicle.send(envelope(b"V", b"tx-1", content, VIN)) == [ack(b"tx-1", b"V")]
    assert list(stage.told()[-1]["data"].values()) == [7]
    assert stage.hub.counts.unknown_values == 1
