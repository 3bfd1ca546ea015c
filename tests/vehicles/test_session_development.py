"""What a vehicle may do in development: send JSON text, and name itself in its first message."""

from __future__ import annotations

import json

import pytest
from teslafast.close_reasons import TEXT_FROM_VEHICLE

from tests.support.fake_loop import VIN
from tests.support.peers import ack, refusal
from tests.vehicles.test_session import OTHER, Stage, Vehicle, record


def text(**members: object) -> bytes:
    return json.dumps(members).encode()


def answer(replies: list[bytes]) -> dict[str, object]:
    (reply,) = replies
    told: dict[str, object] = json.loads(reply)
    return told


@pytest.fixture
def stage() -> Stage:
    return Stage()


# ---- JSON text


def test_text_from_a_verified_vehicle_is_counted_and_a_reason_to_close(stage: Stage) -> None:
    vehicle = Vehicle(stage)
    assert vehicle.session.receive_text(text(data={"Soc": 1}), stage.now) is TEXT_FROM_VEHICLE
    assert stage.hub.counts.refused_messages == {"text": 1}
    assert stage.kinds() == ["CONNECTED"]


@pytest.mark.parametrize("txid", ["tx-1", 7])
def test_a_json_record_with_a_txid_is_acknowledged_by_it(stage: Stage, txid: object) -> None:
    vehicle = Vehicle(stage, verified=False)
    assert answer(vehicle.say(text(data={"Soc": 50}, txid=txid))) == {"type": "ack", "txid": txid}
    assert stage.told()[-1]["data"] == {"Soc": 50}
    assert stage.hub.counts.records == {"data": 1}


def test_a_json_record_without_a_txid_is_taken_and_not_answered(stage: Stage) -> None:
    assert Vehicle(stage, verified=False).say(text(data={"Soc": 50})) == []
    assert stage.told()[-1]["data"] == {"Soc": 50}


def test_json_and_binary_messages_share_their_txids(stage: Stage) -> None:
    vehicle = Vehicle(stage, verified=False)
    vehicle.say(text(data={"Soc": 50}, txid="tx-1"))
    vehicle.send(record(b"tx-1"))
    entry = stage.hub.registry.get(VIN)
    assert entry is not None
    assert entry.duplicates == 1


@pytest.mark.parametrize("content", [b"", b"nonsense", b"[]", b'{"data":7}', b'{"data":{"a":' + b"[" * 500 + b"]" * 500 + b"}}"])
def test_json_that_is_not_a_record_is_answered_with_the_reason(stage: Stage, content: bytes) -> None:
    vehicle = Vehicle(stage, verified=False)
    told = answer(vehicle.say(content))
    assert told["type"] == "error"
    assert told["reason"]
    assert stage.hub.counts.refused_messages == {"malformed": 1}
    assert stage.kinds() == ["CONNECTED"]


def test_json_over_the_rate_limit_is_answered_with_the_reason() -> None:
    stage = Stage(rate=1.0)
    vehicle = Vehicle(stage, verified=False)
    answers = [answer(vehicle.say(text(data={}, txid="t"))) for _ in range(3)]
    assert [told["type"] for told in answers] == ["ack", "ack", "error"]
    assert stage.hub.counts.refused_messages == {"rate_limit": 1}


# ---- a vehicle that has not said who it is


def test_a_vehicle_without_a_name_is_connected_when_its_first_record_names_it(stage: Stage) -> None:
    vehicle = Vehicle(stage, "", verified=False)
    assert (stage.kinds(), vehicle.session.vin) == ([], "")
    assert vehicle.send(record()) == [ack(b"tx-1")]
    assert vehicle.session.vin == VIN
    assert stage.kinds() == ["CONNECTED", "data"]
    vehicle.end()
    assert stage.kinds()[-1] == "DISCONNECTED"


def test_the_name_of_the_first_message_holds_for_those_that_follow(stage: Stage) -> None:
    vehicle = Vehicle(stage, "", verified=False)
    vehicle.say(text(vin=VIN, data={"Soc": 1}))
    vehicle.send(record(vin=OTHER))
    assert {message["vin"] for message in stage.told()} == {VIN}


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 65])
def test_a_record_that_names_no_vehicle_is_refused_and_a_later_one_may_name_it(stage: Stage, name: str) -> None:
    vehicle = Vehicle(stage, "", verified=False)
    assert vehicle.send(record(vin=name)) == [refusal(b"tx-1")]
    assert stage.hub.counts.refused_messages == {"malformed": 1}
    assert vehicle.send(record()) == [ack(b"tx-1")]


def test_a_vehicle_that_never_said_who_it_was_ends_without_a_word(stage: Stage) -> None:
    vehicle = Vehicle(stage, "", verified=False)
    assert answer(vehicle.say(text(data={"Soc": 1})))["type"] == "error"
    vehicle.end()
    assert stage.kinds() == []
    assert list(stage.hub.registry) == []
