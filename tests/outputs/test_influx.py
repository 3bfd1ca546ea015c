"""InfluxDB, a real one of version 1: every value under its one type, whatever is sent again, was there before, or is refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from teslafast.errors import Undelivered, Unreachable
from teslafast.outputs import Context
from teslafast.outputs.influx_lines import NEW_FIELDS_AT_MOST

from tests.support.influx import Influx
from tests.support.influx_stage import output_for, run, store
from tests.support.output_events import EPOCH, VIN, alert, connectivity, data, error_event

pytestmark = pytest.mark.outputs

CREATED_NS = 1_795_420_800_123_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    with Influx(tmp_path_factory.mktemp("influx")) as server:
        yield server


@pytest.fixture
def influx(server: Influx) -> Influx:
    """The server, empty."""
    server.ask("DROP DATABASE telemetry")
    server.ask("CREATE DATABASE telemetry")
    return server


def points(influx: Influx, measurement: str = "telemetry") -> list[dict[str, Any]]:
    """Without what a point lacks."""
    rows = influx.ask(f'SELECT * FROM "{measurement}"')  # noqa: S608 — a test's own word
    return [{key: value for key, value in row.items() if value is not None} for row in rows]


# ---- what is stored


def test_an_event_is_a_point_with_a_field_for_each_value(influx: Influx) -> None:
    values = {
        "Soc": 64.5,
        "Odometer": 12,
        "Gear": "ShiftStateD",
        "Locked": True,
        "VehicleSpeed": None,
        "Location": {"latitude": 37.4, "longitude": -122.1},
    }
    store(influx.url, [data(7, values)])
    stored = {"Location_latitude": 37.4, "Location_longitude": -122.1}
    assert points(influx) == [
        {"time": CREATED_NS + 7, "vin": VIN, "Soc": 64.5, "Odometer": 12, "Gear": "ShiftStateD", "Locked": True} | stored
    ]
    types = {row["fieldKey"]: row["fieldType"] for row in influx.ask("SHOW FIELD KEYS")}
    assert types == {
        "Soc": "float",
        "Odometer": "float",
        "Gear": "string",
        "Locked": "boolean",
        "Location_latitude": "float",
        "Location_longitude": "float",
    }


@pytest.mark.parametrize("text", ['"quoted"', "back\\slash", "a,b=c d", "Ünïcødé 🚗", "\\", '\\"', "", "it's"])
def test_a_text_is_what_it_was(influx: Influx, text: str) -> None:
    store(influx.url, [data(1, {"VehicleName": text, "Soc": 1})])
    assert points(influx)[0]["VehicleName"] == text


@pytest.mark.parametrize(
    ("name", "stored"),
    [("a b", "a b_number"), ("a,b", "a,b"), ("a=b", "a=b"), ("a\\", "a_"), ("a\nb", "a_b"), ("time", "time_"), ('a"b', 'a"b')],
)
def test_a_name_that_a_stranger_made_up_breaks_no_line(influx: Influx, name: str, stored: str) -> None:
    store(influx.url, [data(1, {name: 1, "Soc": 2})])
    assert points(influx) == [{"time": CREATED_NS + 1, "vin": VIN, stored.removesuffix("_number"): 1, "Soc": 2}]


def test_a_line_break_in_a_text_is_a_blank(influx: Influx) -> None:
    store(influx.url, [data(1, {"VehicleName": "a\r\nb"})])
    assert points(influx)[0]["VehicleName"] == "a  b"


def test_alerts_errors_and_connectivity_are_points_of_their_own(influx: Influx) -> None:
    store(influx.url, [alert(1, "a182", "w222"), error_event(2), connectivity(3)])
    first, second = points(influx, "alerts")
    assert (first["name"], first["active"], first["audiences"], second["name"]) == ("a182", True, "Customer", "w222")
    [error] = points(influx, "errors")
    assert (error["name"], error["tags"]) == ("unsupported_field", '{"field_name":"SunroofInstalled"}')
    [state] = points(influx, "connectivity")
    assert (state["status"], state["network_interface"]) == ("CONNECTED", "wifi")


def test_events_of_the_same_moment_are_all_there_and_one_that_comes_again_is_there_once(influx: Influx) -> None:
    events = [data(seq, {"Odometer": seq}) for seq in range(1, 600)]
    store(influx.url, events, events[300:], [*events[:10], data(600, {"Odometer": 600})])
    assert [point["Odometer"] for point in points(influx)] == list(range(1, 601))


def test_an_event_without_a_value_is_no_point(influx: Influx) -> None:
    store(influx.url, [data(1, {"VehicleSpeed": None})], [data(2, {}), data(3, {"Soc": 1})])
    assert [point["Soc"] for point in points(influx)] == [1]


# ---- types


def test_a_vehicle_that_changes_its_mind_about_a_type_loses_nothing(influx: Influx) -> None:
    sent = [64.5, 64, "64.5", "SNA", True, None]
    context = Context(EPOCH, Counter())
    store(influx.url, [data(seq, {"Soc": value, "Odometer": seq}) for seq, value in enumerate(sent, 1)], context=context)
    found = points(influx)
    assert [point.get("Soc") for point in found] == [64.5, 64, 64.5, None, None, None]
    assert (found[3]["Soc_text"], found[4]["Soc_bool"]) == ("SNA", True)
    assert [point["Odometer"] for point in found] == [1, 2, 3, 4, 5, 6]
    assert context.given_up == []


def test_a_field_that_was_there_before_with_another_type_goes_by_another_name(
    influx: Influx, lines: Callable[[], list[str]]
) -> None:
    influx.write(f'telemetry,vin={VIN} Soc="64",Gear=3 {CREATED_NS}')
    context = Context(EPOCH, Counter())
    store(influx.url, [data(1, {"Soc": 64.5, "Gear": "ShiftStateD", "Odometer": 1}), data(2, {"Odometer": 2})], context=context)
    _, first, second = points(influx)
    assert (first["Soc_number"], first["Gear_text"], first["Odometer"], second["Odometer"]) == (64.5, "ShiftStateD", 1, 2)
    assert lines().count("influx_field_renamed") == 2
    assert (context.given_up, context.dropped["refused"]) == ([], 0)


def test_an_event_that_the_database_refuses_is_dropped_alone(influx: Influx) -> None:
    influx.write(f"alerts,vin={VIN} name=1 {CREATED_NS}")
    context = Context(EPOCH, Counter())
    store(
        influx.url,
        [data(1, {"Soc": 1}), data(2, {"Soc": 2}), alert(3), data(4, {"Soc": 4}), data(5, {"Soc": 5})],
        context=context,
    )
    assert [point["Soc"] for point in points(influx)] == [1, 2, 4, 5]
    assert (context.given_up, context.dropped["refused"]) == ([3], 1)


def test_names_without_end_are_bounded_and_counted(influx: Influx) -> None:
    context = Context(EPOCH, Counter())
    events = [data(seq, {f"Name{seq}x{number}": 1 for number in range(100)} | {"Soc": seq}) for seq in range(1, 5)]
    store(influx.url, events, context=context)
    assert len(influx.ask("SHOW FIELD KEYS")) == NEW_FIELDS_AT_MOST + 1
    assert context.dropped["too_many_fields"] == 400 - NEW_FIELDS_AT_MOST
    assert [point["Soc"] for point in points(influx)] == [1, 2, 3, 4]


# ---- who is not let in


def test_a_database_that_is_missing_is_said_and_once_it_is_there_everything_arrives(influx: Influx) -> None:
    async def scene() -> None:
        output = output_for(influx.url, bucket="cars")
        with pytest.raises(Undelivered, match=r"127\.0\.0\.1 answers 404 .*database not found.*leave out INFLUX_ORG"):
            await output.connect()
        influx.ask("CREATE DATABASE cars")
        await output.connect()
        await output.send([data(1, {"Soc": 1})])
        await output.close()

    asyncio.run(scene())
    assert influx.ask("SELECT Soc FROM telemetry", "cars")[0]["Soc"] == 1
    influx.ask("DROP DATABASE cars")


def test_a_retention_policy_may_be_named(influx: Influx) -> None:
    influx.ask('CREATE RETENTION POLICY "week" ON "telemetry" DURATION 7d REPLICATION 1')
    run(output_for(influx.url, bucket="telemetry/week"), lambda output: output.send([data(1, {"Soc": 1}, created="")]))
    influx.ask('ALTER RETENTION POLICY "week" ON "telemetry" DURATION 0s')
    assert influx.ask('SELECT Soc FROM "week"."telemetry"')[0]["Soc"] == 1


def test_a_login_stands_in_the_url_and_a_wrong_one_is_said_without_it(tmp_path: Path) -> None:
    with Influx(tmp_path, login=("owner", "hunter2")) as server:
        with pytest.raises(Undelivered, match="answers 401") as caught:
            store(server.url.replace("//", "//owner:wrong%20one@"), [data(1, {"Soc": 1})])
        assert "wrong" not in str(caught.value)
        store(server.url.replace("//", "//owner:hunter2@"), [data(1, {"Soc": 1})])
        assert server.ask("SELECT Soc FROM telemetry")[0]["Soc"] == 1


def test_a_server_that_is_away_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        asyncio.run(output_for("http://127.0.0.1:1").connect())


def test_the_check_writes_nothing(influx: Influx) -> None:
    said = asyncio.run(output_for(influx.url).check())
    assert said == "127.0.0.1 takes writes to telemetry (InfluxDB's v1 interface)"
    assert influx.ask("SHOW MEASUREMENTS") == []
