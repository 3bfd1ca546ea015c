"""Topics and payloads, of Tesla's layout and of TeslaMate's. What a consumer gets over a real broker: test_mqtt_payloads.py."""

from __future__ import annotations

import json
from typing import Any

import pytest
from teslafast.outputs.mqtt_topics import FleetLayout, Placed, snake_case
from teslafast.outputs.teslamate_topics import TeslamateLayout

VIN = "5YJ3E1EA7KF000001"


def fleet(field: str, value: Any) -> tuple[str, bytes]:
    [placed] = FleetLayout("telemetry").values(VIN, field, value)
    return placed.topic.decode(), placed.payload


@pytest.mark.parametrize(
    ("field", "value", "payload"),
    [
        ("Soc", 75.0, b"75"),
        ("Soc", 71.25, b"71.25"),
        ("Odometer", 1e300, b"1e+300"),
        ("Soc", None, b"null"),
        ("Locked", True, b"true"),
        ("Gear", "ShiftStateD", b'"ShiftStateD"'),
        ("Gear", 99, b'"99"'),
        ("HvacPower", 99, b"99"),
        ("ChargeLimitSoc", 80, b"80"),
        ("ScheduledDepartureTime", {"hour": 7, "minute": 5, "second": 0}, b'"07:05:00"'),
        ("TpmsHardWarnings", {"frontLeft": True, "rearLeft": False, "semiMiddleAxleLeft2": True}, None),
        ("Location", {"latitude": 37.4, "longitude": -122.1}, b'{"latitude":37.4,"longitude":-122.1}'),
        ("VehicleName", 'a "b" <&>', b'"a \\"b\\" <&>"'),
    ],
)
def test_a_value_is_published_as_teslas_server_does(field: str, value: Any, payload: bytes | None) -> None:
    wanted = payload or b'{"front_left":true,"semi_middle_axle_left_2":true}'
    assert fleet(field, value) == (f"telemetry/{VIN}/v/{field}", wanted)


def test_a_field_that_we_do_not_know_has_its_number_as_its_name() -> None:
    assert fleet("Field_9999", "z")[0] == f"telemetry/{VIN}/v/9999"


@pytest.mark.parametrize("name", ["a/b", "a+b", "a#b", "a\0b"])
def test_a_name_that_would_be_a_wildcard_or_a_further_level_is_neither(name: str) -> None:
    layout = FleetLayout("t")
    alert: dict[str, Any] = {"name": name, "startedAt": "2023-11-14T22:13:20.000Z", "endedAt": None, "audiences": []}
    topics = [placed.topic for placed in layout.reports(VIN, {"alerts": [alert]})]
    assert topics == [f"t/{VIN}/alerts/a_b/current".encode(), f"t/{VIN}/alerts/a_b/history".encode()]
    assert layout.values("a/b", "", 1)[0].topic == b"t/a_b/v/_"


def test_the_current_alert_is_the_one_that_started_last_and_the_history_has_all() -> None:
    def alert(started: str | None, ended: str | None = None) -> dict[str, Any]:
        return {"name": "x", "startedAt": started, "endedAt": ended, "audiences": ["Customer"]}

    first, last = "2023-11-14T22:13:20.005Z", "2023-11-14T22:13:21.500Z"
    placed = FleetLayout("t").reports(VIN, {"alerts": [alert(last), alert(first, last), alert(None)]})
    assert json.loads(placed[0].payload) == {"StartedAt": "2023-11-14T22:13:21Z", "Audiences": ["Customer"]}
    assert [one.get("StartedAt") for one in json.loads(placed[1].payload)] == [
        "2023-11-14T22:13:21Z",
        "2023-11-14T22:13:20Z",
        None,
    ]


@pytest.mark.parametrize(
    ("name", "snake"),
    [("Soc", "soc"), ("ACChargingPower", "ac_charging_power"), ("frontLeft", "front_left"), ("BMSState", "bms_state")],
)
def test_names_in_snake_case(name: str, snake: str) -> None:
    assert snake_case(name) == snake


# ---- TeslaMate


def mate(field: str, value: Any, layout: TeslamateLayout | None = None) -> dict[str, str]:
    layout = layout or TeslamateLayout("teslamate", [VIN])
    return {
        placed.topic.decode().removeprefix("teslamate/cars/1/"): placed.payload.decode()
        for placed in layout.values(VIN, field, value)
    }


@pytest.mark.parametrize(
    ("field", "value", "published"),
    [
        ("Soc", 64.4, {"usable_battery_level": "64"}),
        ("BatteryLevel", 66.6, {"battery_level": "67"}),
        ("RatedRange", 100.0, {"rated_battery_range_km": "160.93"}),
        ("Odometer", 100000.0, {"odometer": "160934.4"}),
        ("VehicleSpeed", 62.0, {"speed": "100"}),
        ("InsideTemp", 21.5, {"inside_temp": "21.5"}),
        ("Locked", False, {"locked": "false"}),
        ("SentryMode", "SentryModeStateArmed", {"sentry_mode": "true"}),
        ("Version", "2026.40.3 abcdef", {"version": "2026.40.3"}),
        ("SoftwareUpdateVersion", " ", {"update_version": "", "update_available": "false"}),
        ("VehicleName", None, {"display_name": ""}),
        ("VehicleName", "Sparky", {"display_name": "Sparky"}),
        ("FdWindow", "WindowStateOpened", {"windows_open": "true"}),
        ("PackVoltage", 400.0, {}),
    ],
)
def test_a_value_is_published_as_teslamate_does(field: str, value: Any, published: dict[str, str]) -> None:
    assert mate(field, value) == published


def test_doors_and_a_position_are_several_topics_of_teslamate() -> None:
    doors = mate("DoorState", {"DriverFront": False, "TrunkFront": True})
    assert (doors["frunk_open"], doors["driver_front_door_open"], doors["doors_open"]) == ("true", "false", "false")
    where = mate("Location", {"latitude": 52.5, "longitude": 13.4})
    assert (where["latitude"], where["longitude"]) == ("52.5", "13.4")


def test_state_follows_the_gear_the_charger_and_the_connection() -> None:
    layout = TeslamateLayout("teslamate", [VIN])
    assert mate("DetailedChargeState", "DetailedChargeStateCharging", layout)["state"] == "charging"
    assert mate("Gear", "ShiftStateD", layout)["state"] == "driving"
    assert mate("Gear", "ShiftStateP", layout) == {"shift_state": "P", "state": "charging"}
    assert layout.reports(VIN, {"status": "DISCONNECTED"}) == [
        Placed(b"teslamate/cars/1/state", b"offline"),
        Placed(b"teslamate/cars/1/healthy", b"false", lasting=False),
    ]


def test_a_vehicle_that_is_not_listed_is_called_by_its_vin() -> None:
    [placed] = TeslamateLayout("teslamate", []).values(VIN, "Locked", True)
    assert placed.topic == f"teslamate/cars/{VIN}/locked".encode()
