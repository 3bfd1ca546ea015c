"""Every device message against Home Assistant's rules for discovery; every template rendered; what goes is removed explicitly."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from teslafast.outputs import home_assistant as ha
from teslafast.outputs.home_assistant import AnnouncedCar, Places
from teslafast.outputs.home_assistant_entities import ENTITIES, THRESHOLDS
from teslafast.protocol import signals

VIN = "5YJ3E1EA7KF000001"
PLACES = Places("homeassistant", "telemetry", "telemetry/teslafast/status", "1.2.3")
MESSAGE: dict[str, Any] = json.loads(ha.discovery(AnnouncedCar(VIN, "Sparky", "2026.40.3"), PLACES))
COMPONENTS: dict[str, dict[str, Any]] = MESSAGE["components"]

UNITS = {
    "battery": {"%"},
    "energy_storage": {"kWh"},
    "energy": {"kWh"},
    "distance": {"mi"},
    "power": {"kW"},
    "voltage": {"V"},
    "current": {"A"},
    "speed": {"mph"},
    "duration": {"h", "min"},
    "temperature": {"°C"},
    "pressure": {"bar"},
}
STATE_CLASSES = {device_class: {"measurement"} for device_class in UNITS} | {"energy": {"total_increasing"}}
STATE_CLASSES |= {"distance": {"measurement", "total_increasing"}}
BINARY = set(
    "plug battery_charging opening heat connectivity presence lock door window safety occupancy problem".split()  # noqa: SIM905
)


def test_the_device_is_named_as_its_owner_named_it() -> None:
    assert MESSAGE["device"] == {
        "identifiers": [f"teslafast_{VIN}"],
        "name": "Sparky",
        "manufacturer": "Tesla",
        "model": "Model 3",
        "serial_number": VIN,
        "sw_version": "2026.40.3",
    }
    assert json.loads(ha.discovery(AnnouncedCar(VIN), PLACES))["device"]["name"] == "Tesla 000001"
    assert MESSAGE["origin"]["name"] == "teslafast"
    assert MESSAGE["availability"] == [{"topic": PLACES.status}]


def test_there_are_109_entities_with_ids_of_their_own() -> None:
    assert len(COMPONENTS) == 109
    for name in ("unique_id", "default_entity_id"):
        assert len({component[name] for component in COMPONENTS.values()}) == 109
    names = [(component["platform"], component["name"]) for component in COMPONENTS.values()]
    assert len(set(names)) == 109, "two entities of one name cannot be told apart"


def test_two_cars_of_one_name_share_no_id() -> None:
    other = json.loads(ha.discovery(AnnouncedCar(f"{VIN[:-1]}2", "Sparky"), PLACES))["components"]
    for name in ("unique_id", "default_entity_id"):
        assert not {one[name] for one in other.values()} & {one[name] for one in COMPONENTS.values()}


@pytest.mark.parametrize("key", COMPONENTS)
def test_a_component_keeps_the_rules_of_its_platform(key: str) -> None:
    one = COMPONENTS[key]
    assert re.fullmatch(r"[a-z0-9_]+", key)
    assert re.fullmatch(r"[a-z_]+\.[a-z0-9_]+", one["default_entity_id"])
    assert one.get("entity_category", "diagnostic") == "diagnostic"
    assert re.fullmatch(r"mdi:[a-z0-9-]+", one.get("icon", "mdi:x"))
    device_class, state_class, unit = (one.get(name, "") for name in ("device_class", "state_class", "unit_of_measurement"))
    match one["platform"]:
        case "sensor" if device_class == "enum":
            assert one["options"]
            assert (state_class, unit) == ("", "")
        case "sensor":
            assert unit in UNITS.get(device_class, {unit})
            assert state_class in STATE_CLASSES.get(device_class, {state_class})
            assert (state_class == "measurement_angle") == (unit == "°")
        case "binary_sensor":
            assert device_class in BINARY | {""}
            assert (state_class, unit) == ("", "")
        case "device_tracker":
            assert set(one) >= {"json_attributes_topic", "json_attributes_template"}
            assert "state_topic" not in one
        case "update":
            assert one["latest_version_topic"].endswith("/v/SoftwareUpdateVersion")
        case other:
            raise AssertionError(other)


def test_every_field_is_one_of_the_protocols() -> None:
    assert {entity.field for entity in ENTITIES} - {"connectivity"} <= set(signals.FIELDS)


def test_every_enum_lists_the_names_that_the_protocol_has() -> None:
    known = {tuple(names) for names in signals.ENUMS.values()}
    for entity in ENTITIES:
        if entity.device_class == "enum":
            prefix, listed = ha.states_of(entity)
            names = [names for names in known if f"{prefix}Unknown" in names]
            assert [name.removeprefix(prefix).lower() for name in names[0] if not name.endswith("Unknown")] == listed


def test_chatty_fields_are_disabled_by_default() -> None:
    disabled = {entity.field for entity in ENTITIES if not entity.enabled}
    assert {"VehicleSpeed", "PedalPosition", "PackCurrent", "PackVoltage", "LateralAcceleration", "BrakePedal"} <= disabled
    assert sum(1 for entity in ENTITIES if entity.enabled) < 60


def test_a_threshold_is_less_than_what_is_shown() -> None:
    assert THRESHOLDS["Soc"] == pytest.approx(0.01)
    assert THRESHOLDS["Odometer"] == pytest.approx(0.1)
    assert "DoorState" not in THRESHOLDS


# ---- removal


def test_what_an_earlier_version_had_is_removed_explicitly_and_then_left_out() -> None:
    kept = json.dumps({"components": {"soc": {"platform": "sensor"}, "old": {"platform": "binary_sensor", "name": "Old"}}})
    gone = ha.removed(kept.encode())
    assert gone == {"old": "binary_sensor"}
    with_stub = json.loads(ha.discovery(AnnouncedCar(VIN), PLACES, gone))["components"]
    assert with_stub["old"] == {"platform": "binary_sensor"}
    assert len(with_stub) == 110
    assert "old" not in json.loads(ha.discovery(AnnouncedCar(VIN), PLACES))["components"]


@pytest.mark.parametrize("kept", [b"", b"[]", b"{}", b'{"components":[]}', b'{"components":{"a":{}}}', b"\xff"])
def test_what_is_no_message_of_ours_removes_nothing(kept: bytes) -> None:
    assert ha.removed(kept) == {}


def test_an_id_has_only_characters_that_home_assistant_takes() -> None:
    assert ha.config_topic("homeassistant", "a/b ä") == b"homeassistant/device/teslafast_a_b__/config"
