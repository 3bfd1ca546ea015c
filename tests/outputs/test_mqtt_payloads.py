"""
What MQTT carries of the reference server's recorded conversations, read by paho and compared with what the reference publishes.

`expected` is written from the protobuf's JSON (`dispatched`), not from the flat event that ours is made from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.frames import Opcode

from tests.end_to_end.test_examples import CASES, CONTRACT, OPCODES, RECORDED_CONNECTIONS, connect, content, next_reply
from tests.support.certificates import World
from tests.support.mosquitto import Mosquitto, Subscriber
from tests.support.peers import envelope, payload
from tests.support.servers import Inside

pytestmark = pytest.mark.outputs

VIN = "device-1"
Stage = tuple[Inside, Subscriber]
# The reference's faults that ours has not: a value with nothing set is `{}` there; a time beyond the year 9999 has no JSON.
OURS_INSTEAD = {"value_empty": {f"{VIN}/v/Gear": None}}


@pytest.fixture(scope="module")
def stage(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with (
        Mosquitto(tmp_path_factory.mktemp("mosquitto")) as broker,
        Inside(world, VEHICLE_PORT="0", MQTT_URL=broker.url, MQTT_INTERVAL="0") as server,
        Subscriber(broker, "telemetry/#") as seen,
    ):
        yield server, seen


def second(text: str) -> str:
    return text.split(".")[0].rstrip("Z") + "Z"


def go_value(value: dict[str, Any]) -> Any:
    """What the reference's transformation makes of one Value."""
    [(kind, content)] = value.items()
    match kind:
        case "invalid":
            return None
        case "longValue":
            return int(content)
        case "timeValue":
            return f"{content['hour']:02}:{content['minute']:02}:{content['second']:02}"
        case "tireLocationValue":
            names = {"frontLeft": "front_left", "semiMiddleAxleLeft2": "semi_middle_axle_left_2"}
            return {names[name]: True for name, warns in content.items() if warns}
        case "shiftStateValue":
            return str(content)
    return content


def expected(record: dict[str, Any]) -> dict[str, Any]:
    """Topic below the base → parsed payload."""
    vin = record["vin"]
    if "data" in record:
        return {f"{vin}/v/{one['key']}": go_value(one["value"]) for one in record["data"] if one["value"]}
    if "alerts" in record:
        found: dict[str, Any] = {}
        for alert in record["alerts"]:
            said = {"StartedAt": alert["startedAt"], "EndedAt": alert["endedAt"]}
            one = {key: second(text) for key, text in said.items() if text} | {"Audiences": alert["audiences"]}
            found |= {f"{vin}/alerts/{alert['name']}/current": one, f"{vin}/alerts/{alert['name']}/history": [one]}
        return found
    if "errors" in record:
        return {
            f"{vin}/errors/{one['name']}": {"Body": one["body"], "Tags": one["tags"], "CreatedAt": second(one["createdAt"])}
            for one in record["errors"]
        }
    said = {"ConnectionId": record["connectionId"], "CreatedAt": second(record["createdAt"]), "Status": record["status"]}
    return {f"{vin}/connectivity": said}


def is_of_the_server(topic: str, payload: Any) -> bool:
    """Its own story of connections, and its status."""
    own = topic.endswith("/connectivity") and payload["ConnectionId"] not in RECORDED_CONNECTIONS
    return own or topic.startswith("teslafast/")


@pytest.mark.parametrize("name", CONTRACT)
def test_a_consumer_gets_what_the_reference_publishes(stage: Stage, name: str) -> None:
    server, seen = stage
    case = CASES[name]
    begin = len(seen.messages)
    with connect(server, case) as vehicle:
        for sent in case["sent"]:
            vehicle.frame(OPCODES[sent["opcode"]], content(sent))
        for _ in case["replies"]:
            next_reply(vehicle)
        end = envelope(b"V", b"end", payload({"MediaNowPlayingTitle": {"stringValue": name}}))
        vehicle.frame(Opcode.BINARY, end)
        next_reply(vehicle)
    last = ("telemetry/device-1/v/MediaNowPlayingTitle", json.dumps(name).encode())
    seen.wait_for(lambda messages: any((one.topic, one.payload) == last for one in messages[begin:]))
    found: list[tuple[str, Any]] = []
    for topic, text, retained in seen.messages[begin:]:
        if (topic, text) == last:
            break
        parsed = json.loads(text) if not topic.startswith("telemetry/teslafast/") else None
        below = topic.removeprefix("telemetry/")
        if not is_of_the_server(below, parsed):
            found.append((below, parsed))
            assert not retained
    wanted: list[tuple[str, Any]] = []
    for record in case["dispatched"]:
        wanted += (expected(record) if record is not None else {}).items()
    wanted += OURS_INSTEAD.get(name, {}).items()
    if name == "alerts_ms":
        assert all(topic.startswith("device-1/alerts/") for topic, _ in found)
        return
    assert sorted(found, key=repr) == sorted(wanted, key=repr)


def test_a_whole_number_has_no_point_and_a_float_is_at_its_shortest(stage: Stage) -> None:
    server, seen = stage
    with server.place.vehicle(VIN) as vehicle:
        vehicle.tell({"BrickVoltageMax": {"floatValue": 4.0}, "BrickVoltageMin": {"floatValue": 0.1}})
    assert seen.value("telemetry/device-1/v/BrickVoltageMax") == b"4"
    assert seen.value("telemetry/device-1/v/BrickVoltageMin") == b"0.1"
