"""`/metrics/vehicles` of a real server, read by prometheus-client's own parsers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from teslafast.dashboards.tokens import Grant
from teslafast.http_messages import Request
from teslafast.outputs.field_types import BOOLEANS, NUMBERS, TEXTS
from teslafast.protocol.signals import ENUMS
from teslafast.server.server import Server
from teslafast.server.vehicle_metrics import FORGOTTEN_S, LABEL_AT_MOST, VEHICLES_AT_MOST, vehicle_metrics_page
from teslafast.server.vehicle_metrics_table import INFO_TABLE, NUMBERS_TABLE, STATES_TABLE

from tests.support.peers import token
from tests.support.servers import Inside

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
ONE, OTHER = "5YJ3TEST0PF000001", "5YJ3TEST0PF000002"
VALUES: dict[str, dict[str, Any]] = {
    "Soc": {"doubleValue": 64.5},
    "Odometer": {"doubleValue": 1000.0},
    "VehicleSpeed": {"doubleValue": 100.0},
    "InsideTemp": {"stringValue": "21.5"},
    "TpmsPressureFl": {"doubleValue": 2.9},
    "TimeToFullCharge": {"doubleValue": 1.5},
    "EnergyRemaining": {"doubleValue": 40.0},
    "Locked": {"booleanValue": True},
    "Location": {"locationValue": {"latitude": 37.4, "longitude": -122.1}},
    "DoorState": {"doorValue": {"DriverFront": True}},
    "Gear": {"shiftStateValue": "ShiftStateD"},
    "Version": {"stringValue": '2026.40.3 "x"\\\n' + "y" * 200},
}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def server() -> Iterator[Inside]:
    with Inside(VEHICLE_METRICS="true") as server:
        for vin in (ONE, OTHER):
            with server.place.vehicle(vin) as vehicle:
                vehicle.tell(VALUES)
        yield server


def scraped(server: Inside, vins: list[str] | None = None, accept: str = "*/*", query: str = "") -> str:
    bearer = f"Bearer {token(vins=vins)}"
    answer = server.place.get(f"/metrics/vehicles{query}", Authorization=bearer, Accept=accept)
    assert answer.status == HTTPStatus.OK, answer.body
    return answer.body.decode()


def families(text: str, openmetrics: bool = False) -> dict[str, Any]:
    read: Any = read_openmetrics if openmetrics else read_text
    return {family.name: family for family in read(text)}


def samples(text: str, openmetrics: bool = False) -> Samples:
    found = families(text, openmetrics).values()
    return {(one.name, frozenset(one.labels.items())): one.value for family in found for one in family.samples}


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(({"vin": ONE} | labels).items())))


# ---- what is told


@pytest.mark.parametrize("openmetrics", [False, True])
def test_values_are_in_base_units(server: Inside, openmetrics: bool) -> None:
    found = samples(scraped(server, accept=OPENMETRICS if openmetrics else "*/*"), openmetrics)
    assert value(found, "tesla_soc_ratio") == pytest.approx(0.645)
    assert value(found, "tesla_odometer_meters_total") == pytest.approx(1_609_344)
    assert value(found, "tesla_speed_meters_per_second") == pytest.approx(44.704)
    assert value(found, "tesla_inside_temperature_celsius") == 21.5
    assert value(found, "tesla_tire_pressure_pascals", tire="front_left") == pytest.approx(290_000)
    assert value(found, "tesla_time_to_full_charge_seconds") == 5400
    assert value(found, "tesla_energy_remaining_joules") == pytest.approx(144e6)
    assert value(found, "tesla_locked") == 1
    assert value(found, "tesla_latitude_degrees") == 37.4
    assert value(found, "tesla_longitude_degrees") == -122.1
    assert (value(found, "tesla_door_open", door="driver_front"), value(found, "tesla_door_open", door="trunk_rear")) == (1, 0)
    assert value(found, "tesla_connected") == 0
    heard_s = value(found, "tesla_last_heard_timestamp_seconds")
    assert heard_s is not None
    assert 0 <= time.time() - heard_s < 3600


def test_an_enum_is_a_state_set(server: Inside) -> None:
    gear = families(scraped(server, [ONE], OPENMETRICS), openmetrics=True)["tesla_gear"]
    assert gear.type == "stateset"
    assert {one.labels["tesla_gear"]: one.value for one in gear.samples} == {
        "Unknown": 0, "Invalid": 0, "P": 0, "R": 0, "N": 0, "D": 1, "SNA": 0,
    }  # fmt: skip


def test_openmetrics_tells_the_type_and_the_unit_of_each_and_ends(server: Inside) -> None:
    text = scraped(server, accept=OPENMETRICS)
    found = families(text, openmetrics=True)
    assert (found["tesla_odometer_meters"].type, found["tesla_odometer_meters"].unit) == ("counter", "meters")
    assert found["tesla"].type == "info"
    assert text.endswith("# EOF\n")


def test_a_text_is_shortened_and_escaped(server: Inside) -> None:
    labels = families(scraped(server))["tesla_info"].samples[0].labels
    assert labels["version"].startswith('2026.40.3 "x"\\ yyy')
    assert len(labels["version"]) == LABEL_AT_MOST


def test_no_sample_has_a_timestamp(server: Inside) -> None:
    for accept in ("*/*", OPENMETRICS):
        lines = [line for line in scraped(server, accept=accept).splitlines() if not line.startswith("#")]
        assert [line for line in lines if len(line.rpartition("}")[2].split()) != 1] == []


# ---- who may see it


def test_a_token_sees_the_vehicles_that_it_grants(server: Inside) -> None:
    assert ONE in scraped(server, [ONE])
    assert OTHER not in scraped(server, [ONE])
    assert {ONE, OTHER} == {dict(labels)["vin"] for _, labels in samples(scraped(server))}
    assert {dict(labels)["vin"] for _, labels in samples(scraped(server, query=f"?vin={OTHER}"))} == {OTHER}


def test_without_a_token_or_with_another_s_vehicle_nothing_is_told(server: Inside) -> None:
    assert server.place.get("/metrics/vehicles").status == HTTPStatus.UNAUTHORIZED
    limited = f"Bearer {token(vins=[ONE])}"
    assert server.place.get(f"/metrics/vehicles?vin={OTHER}", Authorization=limited).status == HTTPStatus.FORBIDDEN
    assert server.place.get("/metrics/vehicles?vni=x", Authorization=limited).status == HTTPStatus.BAD_REQUEST
    assert ONE not in server.place.get("/metrics").body.decode()


def test_it_is_not_there_unless_it_is_asked_for() -> None:
    with Inside() as server:
        assert server.place.get("/metrics/vehicles", Authorization=f"Bearer {token()}").status == HTTPStatus.NOT_FOUND
        assert server.ask(lambda it: it.hub.field_times) is None


# ---- what vanishes


def told(server: Inside, ahead_s: float) -> Samples:
    """What is told so many seconds from now, of what was heard until now."""

    def at(it: Server) -> str:
        assert it.hub.field_times is not None
        page = vehicle_metrics_page(it.hub, it.hub.field_times, lambda: time.time_ns() + int(ahead_s * 1e9))
        return page(Request("GET", "/metrics/vehicles", {}), Grant("tests", None, 0.0)).body.decode()

    return samples(server.ask(at))


def test_a_value_that_is_not_heard_any_more_vanishes_and_when_the_car_was_heard_does_not() -> None:
    with Inside(VEHICLE_METRICS="true") as server, server.place.vehicle(ONE) as vehicle:
        vehicle.tell({"Soc": {"doubleValue": 64.5}, "Version": {"stringValue": "1"}}, createdAt="2020-01-01T00:00:00Z")
        assert value(told(server, 0), "tesla_soc_ratio") == pytest.approx(0.645)
        assert value(told(server, FORGOTTEN_S - 60), "tesla_soc_ratio") == pytest.approx(0.645)
        later = told(server, FORGOTTEN_S + 60)
        assert {name for name, _ in later} == {"tesla_connected", "tesla_last_heard_timestamp_seconds"}


def test_each_value_vanishes_by_itself_and_an_invalid_one_at_once() -> None:
    with Inside(VEHICLE_METRICS="true") as server, server.place.vehicle(ONE) as vehicle:
        parked = {"Gear": {"shiftStateValue": "ShiftStateP"}}
        vehicle.tell({"Soc": {"doubleValue": 64.5}, "InsideTemp": {"doubleValue": 20.0}} | parked)

        def age(it: Server) -> None:
            assert it.hub.field_times is not None
            it.hub.field_times.heard(ONE, ["Soc"], time.time_ns() - (FORGOTTEN_S + 60) * 1_000_000_000)

        server.ask(age)
        found = told(server, 0)
        assert value(found, "tesla_soc_ratio") is None
        assert value(found, "tesla_inside_temperature_celsius") == 20
        vehicle.tell({"Soc": {"doubleValue": 64.5}, "InsideTemp": {"invalid": True}, "Gear": {"invalid": True}})
        found = told(server, 0)
        assert value(found, "tesla_soc_ratio") == pytest.approx(0.645)
        assert {name for name, _ in found} == {"tesla_soc_ratio", "tesla_connected", "tesla_last_heard_timestamp_seconds"}


# ---- bounds


def test_a_state_that_the_protocol_does_not_have_is_none_of_its_states() -> None:
    with Inside(VEHICLE_METRICS="true") as server:
        with server.place.vehicle(ONE) as vehicle:
            vehicle.tell({"Gear": {"shiftStateValue": 99}, "SentryMode": {"stringValue": 'x"} 1'}})
        found = samples(scraped(server, accept=OPENMETRICS), openmetrics=True)
    states = {dict(labels)["tesla_gear"]: number for (name, labels), number in found.items() if name == "tesla_gear"}
    assert set(states.values()) == {0}
    assert set(states) == {"Unknown", "Invalid", "P", "R", "N", "D", "SNA"}


def test_more_vehicles_than_fit_are_asked_for_by_name() -> None:
    with Inside(VEHICLE_METRICS="true") as server:

        def many(it: Server) -> None:
            for number in range(VEHICLES_AT_MOST + 1):
                it.hub.last_values.merge(f"car{number}", {"Soc": 1.0}, None, time.time_ns())

        server.ask(many)
        bearer = f"Bearer {token()}"
        refused = server.place.get("/metrics/vehicles", Authorization=bearer)
        assert refused.status == HTTPStatus.BAD_REQUEST
        assert b"201 vehicles, and 200 fit into one answer: name some with vin=" in refused.body
        assert server.place.get("/metrics/vehicles?vin=car1,car2", Authorization=bearer).status == HTTPStatus.OK


def test_every_row_is_of_a_field_of_the_protocol_and_no_family_stands_twice() -> None:
    doors = {row.field for row in NUMBERS_TABLE if row.field.startswith("DoorState_")}
    members = {"Location_latitude", "Location_longitude"} | doors
    assert {row.field for row in NUMBERS_TABLE} <= NUMBERS | BOOLEANS | members
    assert {row.field for row in STATES_TABLE} | set(INFO_TABLE) <= TEXTS
    assert {row.enum for row in STATES_TABLE} <= set(ENUMS)
    keys = [(row.family, row.label) for row in NUMBERS_TABLE] + [(row.family, ("", "")) for row in STATES_TABLE]
    assert len(keys) == len(set(keys))
    assert all(len(set(row.states.values())) == len(row.states) for row in STATES_TABLE)
