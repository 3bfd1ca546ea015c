"""
Both of Tesla's shapes from a real server, through outages of the other end, restarts and `kill -9`: the bodies are what they
would have been at once.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from teslafast.protocol import _wire

from tests.protocol.test_wire_examples import CONTRACT, frames
from tests.support import oracle
from tests.support.faults import Load, Victim
from tests.support.peers import Place, Vehicle
from tests.support.sink import Sent, Sink

CASES = [case for case in CONTRACT if case["dispatched"] not in ([], [None])]
VINS = ["one", "two", "three"]


class ShapedVictim(Victim):
    module = "tests.programs.shaped_outputs"


class Sinks:
    """One for each shape."""

    def __init__(self) -> None:
        self.fleet, self.protobuf = Sink(), Sink()
        self.environment = {"SINK_FLEET": str(self.fleet.port), "SINK_PROTOBUF": str(self.protobuf.port)}
        self.up = False

    def start(self) -> None:
        self.fleet.start()
        self.protobuf.start()
        self.up = True

    def stop(self) -> None:
        self.fleet.stop()
        self.protobuf.stop()
        self.up = False

    def all_until(self, seq: int) -> tuple[list[Sent], list[Sent]]:
        """What both have got, once they have everything up to this one; each event once."""
        found = []
        for sink in (self.fleet, self.protobuf):
            got = sink.until(lambda got: got and got[-1].seq >= seq)
            found.append(sorted({sent.seq: sent for sent in got}.values(), key=lambda sent: sent.seq))
        return found[0], found[1]


@pytest.fixture
def sinks() -> Iterator[Sinks]:
    made = Sinks()
    yield made
    if made.up:
        made.stop()


def send_cases(vehicle: Vehicle) -> list[tuple[str, Any, Any]]:
    """Every recorded frame whose record the reference dispatched: (txid, topic, the record as it was dispatched)."""
    expected = []
    for case in CASES:
        for frame, dispatched in zip(frames(case), case["dispatched"], strict=True):
            envelope = _wire.read_envelope(frame)
            vehicle.connection.send(frame)
            assert vehicle.reply() == _wire.ack(envelope.txid, envelope.topic)
            expected.append((envelope.txid.decode("latin-1"), envelope.topic, dispatched))
    return expected


def newest(place: Place) -> int:
    return int(place.get("/health").json["seq"])


def is_what_the_reference_dispatched(fleet: list[Sent], protobuf: list[Sent], expected: list[tuple[str, Any, Any]]) -> None:
    assert [(sent.metadata["txid"], sent.metadata["txtype"].encode(), json.loads(sent.body)) for sent in fleet] == expected
    for sent, (_, topic, record) in zip(protobuf, expected, strict=True):
        assert oracle.printed(topic, oracle.parse(topic, sent.body)) == record
    for one, other in zip(fleet, protobuf, strict=True):
        assert (one.seq, one.topic, one.metadata, one.rebuilt) == (other.seq, other.topic, other.metadata, other.rebuilt)
        assert one.topic == f"tesla_telemetry_{one.metadata['txtype']}"
        assert (one.metadata["device_client_version"], one.metadata["vin"], one.rebuilt) == ("1.2.0", "device-1", False)
        assert (one.shape, other.shape) == ("fleet", "protobuf")


def test_every_recorded_case_arrives_after_an_outage_and_a_kill_as_the_reference_dispatched_it(
    tmp_path: Path, sinks: Sinks
) -> None:
    environment = {"JOURNAL_PATH": str(tmp_path / "journal"), **sinks.environment}
    with ShapedVictim(None, **environment) as victim, victim.place.vehicle(Version="1.2.0") as vehicle:
        first = newest(victim.place) + 1
        expected = send_cases(vehicle)
        victim.kill()
    with ShapedVictim(None, **environment) as victim:
        sinks.start()
        fleet, protobuf = sinks.all_until(first + len(expected) - 1)
        victim.lines.wait_for("output_up", 2)
    last = first + len(expected)
    is_what_the_reference_dispatched(fleet[first - 1 : last - 1], protobuf[first - 1 : last - 1], expected)
    assert [sent.seq for sent in fleet] == list(range(1, len(fleet) + 1))


def test_a_connect_of_a_vehicle_is_a_record_like_any_other(sinks: Sinks) -> None:
    sinks.start()
    with ShapedVictim(None, **sinks.environment) as victim:
        with victim.place.vehicle(Version="1.2.0", X_Network_Interface="wifi"):
            (fleet, *_), (protobuf, *_) = sinks.all_until(1)
        sinks.all_until(2)
    record = json.loads(fleet.body)
    assert (record["vin"], record["status"], record["networkInterface"]) == ("device-1", "CONNECTED", "wifi")
    assert oracle.printed(b"connectivity", oracle.parse(b"connectivity", protobuf.body)) == record
    assert fleet.metadata["txid"] == record["connectionId"] != ""
    assert (fleet.topic, fleet.metadata["txtype"]) == ("tesla_telemetry_connectivity", "connectivity")


def test_a_fleet_body_is_what_a_dashboard_is_shown_without_its_seq(sinks: Sinks) -> None:
    sinks.start()
    with (
        ShapedVictim(None, **sinks.environment) as victim,
        victim.place.vehicle() as vehicle,
        victim.place.dashboard("?format=fleet") as dashboard,
    ):
        first = newest(victim.place)
        expected = send_cases(vehicle)
        shown = [dashboard.connection.recv() for _ in expected]
        fleet, _ = sinks.all_until(first + len(expected))
    for sent, text in zip(fleet[first:], shown, strict=False):
        assert f'{{"seq":{sent.seq},{sent.body[1:].decode()}' == text


@pytest.mark.outputs
def test_kills_and_outages_under_load_lose_nothing_and_keep_the_order(tmp_path: Path, sinks: Sinks) -> None:
    chance = random.Random(11)
    environment = {"JOURNAL_PATH": str(tmp_path / "journal"), **sinks.environment}
    load = None
    for number in range(4):
        with ShapedVictim(None, **environment) as victim:
            load = Load(victim.place, VINS, 1) if load is None else load.resumed(victim.place)
            with load:
                load.wait_for(load.total + chance.randint(200, 1000))
                sinks.stop() if sinks.up else sinks.start()
                load.wait_for(load.total + chance.randint(200, 1000))
                if number < 3:
                    victim.kill()
            if number == 3:
                if not sinks.up:
                    sinks.start()
                fleet, protobuf = sinks.all_until(newest(victim.place))
    assert load is not None
    for sent in (fleet, protobuf):
        assert len({one.epoch for one in sent}) == 1
        assert [one.seq for one in sent][: len(sent)] == list(range(1, len(sent) + 1))
    for sink in (sinks.fleet, sinks.protobuf):
        again = [two.seq <= one.seq for one, two in zip(sink.got, sink.got[1:], strict=False)]
        assert sum(again) <= 8, "an event comes again only when a batch was not confirmed"
    told = {vin: {json.loads(one.body)["data"][0]["value"]["doubleValue"] for one in data_of(fleet, vin)} for vin in VINS}
    for vin, acked in load.acked.items():
        assert set(acked) <= told[vin]
    for one, other in zip(fleet, protobuf, strict=True):
        topic = one.metadata["txtype"].encode()
        assert oracle.printed(topic, oracle.parse(topic, other.body)) == json.loads(one.body)
        assert not one.rebuilt


def data_of(events: list[Sent], vin: str) -> list[Sent]:
    return [one for one in events if one.metadata["txtype"] == "V" and one.metadata["vin"] == vin]


GEAR = {"key": "Gear", "value": {"shiftStateValue": "ShiftStateD"}}


def test_events_from_while_the_output_was_not_set_are_rebuilt_and_counted(tmp_path: Path, sinks: Sinks) -> None:
    journal = {"JOURNAL_PATH": str(tmp_path / "journal")}
    for environment in (journal | sinks.environment, journal):
        with ShapedVictim(None, **environment) as victim, victim.place.vehicle() as vehicle:
            vehicle.tell({"Gear": {"shiftStateValue": "ShiftStateD"}, "VehicleSpeed": {"floatValue": 65.1}})
            victim.kill()
    with ShapedVictim(None, **journal, **sinks.environment) as victim:
        sinks.start()
        fleet, protobuf = sinks.all_until(newest(victim.place))
        victim.lines.wait_for("output_record_rebuilt", output="sink_fleet")
        metrics = victim.place.get("/metrics").body.decode()
    for sent in (fleet, protobuf):
        exact, rebuilt = data_of(sent, "device-1")
        assert (exact.rebuilt, rebuilt.rebuilt, rebuilt.metadata["txid"]) == (False, True, "")
    assert [json.loads(one.body)["data"] for one in data_of(fleet, "device-1")] == [
        [GEAR, {"key": "VehicleSpeed", "value": {"floatValue": 65.1}}],
        [GEAR, {"key": "VehicleSpeed", "value": {"doubleValue": 65.1}}],
    ]
    count = sum(one.rebuilt for one in fleet)
    assert f'teslafast_output_rebuilt_total{{output="sink_fleet"}} {count}' in metrics


def test_json_text_is_rebuilt_if_it_is_flat_and_exact_if_it_is_fleet(sinks: Sinks) -> None:
    sinks.start()
    texts = (
        {"data": {"Gear": "ShiftStateD"}, "txid": "t-1"},
        {"data": {"Gear": "ShiftStateD", "MyField": 1}, "txid": "t-2"},
        {"data": [GEAR], "createdAt": "2026-11-23T08:00:00.123456789Z", "txid": "t-3"},
    )
    with ShapedVictim(None, **sinks.environment) as victim:
        with victim.place.vehicle() as vehicle:
            for text in texts:
                vehicle.connection.send(json.dumps(text))
                assert json.loads(vehicle.connection.recv())["type"] == "ack"
            fleet, protobuf = sinks.all_until(newest(victim.place))
        metrics = victim.place.get("/metrics").body.decode()
    mine, its = data_of(fleet, "device-1"), data_of(protobuf, "device-1")
    assert [(one.metadata["txid"], one.rebuilt) for one in mine] == [("t-1", True), ("t-2", True), ("t-3", False)]
    assert [json.loads(one.body)["data"] for one in mine] == [
        [GEAR],
        [GEAR, {"key": "MyField", "value": {"intValue": 1}}],
        [GEAR],
    ]
    assert json.loads(mine[2].body)["createdAt"] == "2026-11-23T08:00:00.123456789Z"
    assert [(one.metadata["txid"], one.rebuilt) for one in its] == [("t-1", True), ("t-3", False)]
    assert 'teslafast_output_dropped_total{cause="not_a_record",output="sink_protobuf"} 1' in metrics
