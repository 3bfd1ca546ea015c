"""
What the stream sends and takes is what `docs/asyncapi.yaml` says, and so are the samples in docs/stream.md; `docs/teslafast.d.ts`
has the same messages with the same members.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from teslafast.dashboards.subscription import INTERVALS_MS
from teslafast.protocol import messages, signals

from tests.support import ROOT, oracle
from tests.support.clocks import SetClockAhead
from tests.support.pages import blocks
from tests.support.peers import Dashboard, Place, token
from tests.support.servers import Inside

ASYNCAPI: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text())
TYPES = (ROOT / "docs" / "teslafast.d.ts").read_text()
STREAM, HTTP = ROOT / "docs" / "stream.md", ROOT / "docs" / "http-api.md"
FROM_SERVER = [*("hello", "snapshot", "data", "alerts", "errors", "connectivity", "gap", "token_expiring")]
ANSWERS = ["authorized", "subscribed", "pong", "error"]
REQUESTS = ["auth", "subscribe", "ping"]
INTERFACES = {
    **{name: name.title().replace("_", "") for name in [*FROM_SERVER, *ANSWERS, *REQUESTS]},
    "error": "Refused",
}
VIN = "5YJ3E1EA7KF000001"
RECORDS: dict[bytes, dict[str, Any]] = {
    b"alerts": {"alerts": [{"name": "APP_w1", "audiences": [1, 9], "started_at": {"seconds": 1_700_000_000}}]},
    b"errors": {"errors": [{"name": "unsupported_field", "tags": {"field_name": "Soc"}, "body": "x"}]},
    b"connectivity": {"connection_id": "c1", "network_interface": "wifi", "status": 1},
}
OF_EACH_SORT = {
    "Soc": {"invalid": True},
    "Gear": {"shiftStateValue": "ShiftStateD"},
    "Location": {"locationValue": {"latitude": 37.4, "longitude": -122.1}},
    "DoorState": {"doorValue": {"DriverFront": True}},
    "Version": {"stringValue": "2026.38"},
}


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": ASYNCAPI["components"]})


def samples(kind: str, page: Any = STREAM) -> list[dict[str, Any]]:
    return [json.loads(line) for block in blocks(page) if block.info == f"json {kind}" for line in block.text.splitlines()]


# The documents among themselves


@pytest.mark.parametrize("sample", samples("messages"), ids=lambda sample: str(sample["type"]))
def test_a_sample_of_what_the_server_sends_fits_its_schema(sample: dict[str, Any]) -> None:
    validator(sample["type"]).validate(sample)


@pytest.mark.parametrize("sample", samples("requests"), ids=lambda sample: str(sample["type"]))
def test_a_sample_of_what_a_dashboard_sends_fits_its_schema(sample: dict[str, Any]) -> None:
    validator(sample["type"]).validate(sample)


def test_the_page_has_a_sample_of_everything() -> None:
    assert [sample["type"] for sample in samples("messages")] == FROM_SERVER
    assert [sample["type"] for sample in samples("requests")] == REQUESTS


@pytest.mark.parametrize("name", [*FROM_SERVER, *ANSWERS, *REQUESTS])
def test_an_interface_has_the_members_of_the_schema(name: str) -> None:
    schema = ASYNCAPI["components"]["schemas"][name]
    match = re.search(rf"export interface {INTERFACES[name]} \{{(.*?)\}}$", TYPES, re.DOTALL | re.MULTILINE)
    assert match, f"no interface {INTERFACES[name]}"
    members = dict(re.findall(r"(\w+)(\??):", match[1]))
    assert members.keys() == schema["properties"].keys()
    assert {member for member, optional in members.items() if not optional} == set(schema["required"])
    kind = schema["properties"]["type"]["const"]
    assert f'type: "{kind}"' in match[1]


def test_the_types_name_every_field() -> None:
    named = set(re.findall(r"^  (\w+)\?:", TYPES, re.MULTILINE))
    hollow = ("Unknown", "Deprecated_", "Experimental_")
    assert {field for field in signals.FIELDS if not field.startswith(hollow)} <= named


def test_the_query_of_the_schema_is_the_one_of_the_page() -> None:
    told = ASYNCAPI["channels"]["stream"]["bindings"]["ws"]["query"]["properties"]
    table = STREAM.read_text().partition("## Query")[2].partition("## ")[0]
    on_page = set(re.findall(r"^\| `(\w+)=", table, re.MULTILINE))
    assert on_page | {"token", "access_token"} == told.keys()
    assert tuple(told["interval"]["enum"]) == INTERVALS_MS
    assert all(re.search(rf"interval=MS.*\b{interval}\b", table) for interval in INTERVALS_MS)


def test_every_reference_in_the_schema_leads_somewhere() -> None:
    for reference in re.findall(r"\$ref: '#/([^']+)'", (ROOT / "docs" / "asyncapi.yaml").read_text()):
        place: Any = ASYNCAPI
        for word in reference.split("/"):
            place = place[word]


# A real server


@pytest.fixture(scope="module")
def server() -> Iterator[Inside]:
    with Inside(RING_BYTES="1MiB", MAX_FRAME_BYTES="64KiB") as running:
        yield running


@pytest.fixture
def place(server: Inside) -> Place:
    return server.place


def checked(message: dict[str, Any], name: str = "") -> dict[str, Any]:
    """The message, which is as its schema says. `name`: the schema's, if it is not the message's type."""
    validator(name or message["type"]).validate(message)
    return message


def test_events_of_every_kind_are_as_the_schema_says(place: Place) -> None:
    with place.vehicle(VIN) as vehicle, place.dashboard(f"?vin={VIN}&snapshot=0") as dashboard:
        vehicle.tell(OF_EACH_SORT)
        for topic, members in RECORDS.items():
            vehicle.send_payload(topic, oracle.CLASSES[topic](**members).SerializeToString())
        kinds = {message["type"] for message in (checked(dashboard.next()) for _ in range(5))}
    assert kinds == {"hello", "data", "alerts", "errors", "connectivity"}
    with place.dashboard(f"?vin={VIN}") as dashboard:
        assert [checked(dashboard.next())["type"] for _ in range(2)] == ["hello", "snapshot"]


def test_answers_are_as_the_schema_says(place: Place) -> None:
    with place.dashboard("?snapshot=0") as dashboard:
        dashboard.until("hello")
        for request, name in [
            ({"type": "auth", "token": token()}, "authorized"),
            ({"type": "subscribe", "vins": [VIN], "types": ["data"]}, "subscribed"),
            ({"type": "subscribe", "vins": None, "types": None}, "subscribed"),
            ({"type": "ping"}, "pong"),
            ({"type": "dance"}, "error"),
        ]:
            dashboard.say(request)
            checked(answer(dashboard), name)
        dashboard.connection.send("ping")
        checked(answer(dashboard), "pong")


def answer(dashboard: Dashboard) -> dict[str, Any]:
    """The next message that is no event."""
    while "vin" in (message := dashboard.next()):
        pass
    return message


def test_a_warning_and_a_gap_are_as_the_schema_says(place: Place, set_clock_ahead: SetClockAhead) -> None:
    with place.dashboard("?since=0&epoch=another", bearer=token(exp=int(time.time()) + 3600)) as dashboard:
        assert checked(dashboard.next())["type"] == "hello"
        assert checked(dashboard.until("gap"))["from"] == 0
        set_clock_ahead(3600 - 30)
        checked(dashboard.until("token_expiring"))


def test_all_snapshots_after_a_gap_come_before_the_next_event() -> None:
    vins = [f"gap-{number}" for number in range(20)]
    with Inside() as server:
        for vin in vins:
            with server.place.vehicle(vin) as vehicle:
                vehicle.tell({"Soc": {"floatValue": 1.0}})
        with server.place.dashboard("?since=0&epoch=another") as dashboard:
            told = [dashboard.next()["type"] for _ in range(3 + len(vins))]
    assert told == ["hello", "gap", *["snapshot"] * len(vins), "connectivity"]


# HTTP


def test_the_pages_are_as_the_samples_say(place: Place) -> None:
    bearer = f"Bearer {token()}"
    with place.vehicle("5YJ3E1EA7KF000009") as vehicle:
        vehicle.tell({"Soc": {"floatValue": 71.5}})
        (health,), (listed,), (one,) = (samples(kind, HTTP) for kind in ("health", "vehicles", "vehicle"))
        assert health.keys() <= place.get("/health").json.keys()
        answered = place.get("/vehicles", Authorization=bearer).json
        assert listed["vehicles"][0].keys() == answered["vehicles"][0].keys()
        report = place.get("/vehicles/5YJ3E1EA7KF000009", Authorization=bearer).json
    assert report.keys() == one.keys()
    assert report["data"]["Soc"].keys() == one["data"]["Soc"].keys()


def test_the_table_of_vehicles_explains_every_member() -> None:
    (listed,) = samples("vehicles", HTTP)
    table = HTTP.read_text().partition("## /vehicles\n")[2].partition("## ")[0]
    explained = {name for cell in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)}
    assert listed["vehicles"][0].keys() - {"vin"} == explained


def test_every_alternative_of_a_value_has_a_type() -> None:
    """What a field can be is a scalar, an enum or a structure that docs/enums.md explains."""
    plain = {"string", "int32", "int64", "float", "double", "bool"}
    structures = {"LocationValue", "Doors", "TireLocation", "Time"}
    assert {field.type for field in messages.VALUE} - plain - set(signals.ENUMS) <= structures
