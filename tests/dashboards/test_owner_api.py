"""Last known values as the Owner API would answer them: complete for TeslaMate, nothing made up."""

from __future__ import annotations

from typing import Any

import pytest
from teslafast.core.last_values import VehicleValues
from teslafast.dashboards.owner_api import ASLEEP_AFTER_S, DATA_PARTS, state_of, summary, vehicle_data
from teslafast.dashboards.vehicle_ids import find_vin, vehicle_id
from teslafast.protocol.signals import ENUMS, FIELDS

from tests.support.drives import states

VIN = "5YJ3E1EA7KF000001"
NOW_NS = 1_790_000_000_123_000_000


def known(**values: Any) -> VehicleValues:
    vehicle = VehicleValues()
    if values:
        vehicle.merge(values, NOW_NS, NOW_NS, False, 100)
    return vehicle


def part(name: str, **values: Any) -> dict[str, Any]:
    found = vehicle_data(VIN, "online", known(**values), NOW_NS)[name]
    assert isinstance(found, dict)
    found.pop("timestamp", None)
    return found


def test_every_part_is_there_and_names_the_time_of_the_newest_value() -> None:
    answer: Any = vehicle_data(VIN, "online", known(Soc=70.0), NOW_NS)
    for name in ("drive_state", "charge_state", "climate_state", "vehicle_state", "vehicle_config"):
        assert answer[name]["timestamp"] == NOW_NS // 1_000_000
    assert (answer["vin"], answer["state"], answer["id"], answer["vehicle_id"]) == (
        VIN,
        "online",
        vehicle_id(VIN),
        vehicle_id(VIN),
    )


def test_what_is_not_known_or_invalid_is_left_out_but_power_is_always_a_number() -> None:
    assert part("drive_state") == {"power": 0}
    assert part("charge_state", Soc=None) == {}
    assert part("climate_state") == part("vehicle_state") == part("vehicle_config") == {}


def test_a_drive_is_told_in_the_owner_apis_words_and_units() -> None:
    place = {"latitude": 52.5, "longitude": 13.5}
    told = part(
        "drive_state",
        Location=place,
        Gear="ShiftStateD",
        VehicleSpeed=65.5,
        GpsHeading=201.7,
        PackVoltage=360.0,
        PackCurrent=-50.0,
    )
    assert told == {
        "latitude": 52.5,
        "longitude": 13.5,
        "gps_as_of": NOW_NS // 1_000_000_000,
        "heading": 202,
        "speed": 66,
        "shift_state": "D",
        "power": 18,
    }


@pytest.mark.parametrize(
    ("fast", "field"), [(True, "DCChargingEnergyIn"), (False, "ACChargingEnergyIn"), (None, "ACChargingEnergyIn")]
)
def test_charging_tells_power_current_and_the_energy_of_the_side_that_charges(fast: bool | None, field: str) -> None:
    told = part(
        "charge_state",
        Soc=55.5,
        DetailedChargeState="DetailedChargeStateCharging",
        ACChargingPower=0.0 if fast else 11.2,
        DCChargingPower=120.4 if fast else 0.0,
        FastChargerPresent=fast,
        ChargeLimitSoc=80,
        IdealBatteryRange=200.5,
        TimeToFullCharge=1.25,
        **{"DCChargingEnergyIn": 1.0, "ACChargingEnergyIn": 2.0} | {field: 7.5},
    )
    assert (told["charging_state"], told["battery_level"], told["charge_energy_added"]) == ("Charging", 56, 7.5)
    assert told["charger_power"] == (120 if fast else 11)
    assert told["ideal_battery_range"] == 200.5


def test_doors_windows_and_the_guard_are_told_as_numbers_and_flags() -> None:
    doors = dict.fromkeys(("DriverFront", "DriverRear", "PassengerFront", "PassengerRear", "TrunkFront", "TrunkRear"), False)
    told = part(
        "vehicle_state",
        DoorState=doors | {"TrunkRear": True},
        FdWindow="WindowStateClosed",
        RpWindow="WindowStateOpened",
        SentryMode="SentryModeStateArmed",
        Odometer=1234.5,
        Locked=True,
        SoftwareUpdateVersion="2026.44.1",
        SoftwareUpdateDownloadPercentComplete=40,
    )
    assert [told[door] for door in ("df", "dr", "pf", "pr", "ft", "rt")] == [0, 0, 0, 0, 0, 1]
    assert (told["fd_window"], told["rp_window"], told["sentry_mode"], told["locked"]) == (0, 2, True, True)
    assert told["software_update"] == {"version": "2026.44.1", "download_perc": 40}


@pytest.mark.parametrize(("word", "told"), [("CarTypeModel3", "model3"), ("CarTypeModelY", "modely"), ("CarTypeUnknown", None)])
def test_a_car_type_is_the_owner_apis_word(word: str, told: str | None) -> None:
    assert part("vehicle_config", CarType=word).get("car_type") == told


@pytest.mark.parametrize("nonsense", [True, "word", {"a": 1}, [1], 1e300, -1])
def test_values_of_another_kind_never_fail(nonsense: Any) -> None:
    everything = {field: nonsense for rows in DATA_PARTS.values() for _, field, _ in rows}
    assert isinstance(vehicle_data(VIN, "online", known(**everything), NOW_NS), dict)


def test_every_field_and_every_word_of_the_table_is_the_protocols() -> None:
    assert {field for rows in DATA_PARTS.values() for _, field, _ in rows} <= set(FIELDS)
    converts = {key: convert for rows in DATA_PARTS.values() for key, _, convert in rows}
    for key, enum, unknown in (
        ("shift_state", "ShiftState", {"Unknown", "Invalid", "SNA"}),
        ("charging_state", "DetailedChargeStateValue", {"Unknown", "Calibrating"}),
        ("sentry_mode", "SentryModeState", {"Unknown"}),
        ("is_climate_on", "HvacPowerState", {"Unknown"}),
        ("fd_window", "WindowState", {"Unknown"}),
        ("fast_charger_type", "FastCharger", {"Unknown", "SNA"}),
    ):
        prefix = enum.removesuffix("Value")
        assert {word for word in ENUMS[enum] if converts[key](word) is None} == {prefix + word for word in unknown}


@pytest.mark.parametrize(
    ("connected", "gear", "silent_s", "state"),
    [
        (True, "ShiftStateP", 0, "online"),
        (True, None, 10_000, "online"),
        (False, "ShiftStateD", 10_000, "offline"),
        (False, "ShiftStateP", ASLEEP_AFTER_S - 1, "offline"),
        (False, "ShiftStateP", ASLEEP_AFTER_S, "asleep"),
        (False, None, ASLEEP_AFTER_S, "asleep"),
    ],
)
def test_a_vehicle_is_online_offline_or_asleep(connected: bool, gear: str | None, silent_s: int, state: str) -> None:
    assert state_of(connected, known(Gear=gear), NOW_NS - silent_s * 10**9, NOW_NS) == state


def test_a_vehicle_of_which_nothing_is_known_has_a_number_and_no_name() -> None:
    assert summary(VIN, "asleep", None) == {
        "id": vehicle_id(VIN),
        "id_s": str(vehicle_id(VIN)),
        "vehicle_id": vehicle_id(VIN),
        "vin": VIN,
        "state": "asleep",
    }


def test_numbers_are_the_same_for_ever_and_small_enough_for_javascript() -> None:
    assert vehicle_id(VIN) == 191_349_027_397_195
    assert 0 < vehicle_id("A") < 2**53
    assert find_vin(str(vehicle_id(VIN)), ["X", VIN]) == find_vin(VIN.lower(), [VIN]) == VIN
    assert find_vin("7", [VIN]) is None


def test_a_simulated_day_goes_through_every_state_that_teslamate_records() -> None:
    seen = set()
    for _, values in states(6 * 3600, seed=1, every_s=5.0):
        answer: Any = vehicle_data(VIN, "online", known(**values), NOW_NS)
        seen.add((answer["drive_state"].get("shift_state"), answer["charge_state"].get("charging_state")))
        assert isinstance(answer["drive_state"]["power"], int)
    assert {gear for gear, _ in seen} >= {"P", "D"}
    assert {charging for _, charging in seen} >= {"Disconnected", "Charging"}
