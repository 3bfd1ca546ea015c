"""
An event as TeslaMate publishes it: for whoever has its topics in an automation, in evcc or on a wall.

    BASE/cars/ID/NAME      bare text, not JSON; kilometres, degrees Celsius, bar; `true` and `false`; empty for nothing

ID is the vehicle's place in TESLA_VIN, from 1, and the VIN of a vehicle that is not in there. `state` is what TeslaMate would say
as far as telemetry tells: driving, charging, online, offline; `healthy` is never retained, because it says nothing later. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from .mqtt_topics import Placed, level

REMEMBERED_AT_MOST = 10_000  # of which is remembered what `state` and `windows_open` are made from
WINDOWS = ("FdWindow", "FpWindow", "RdWindow", "RpWindow")
KM = 1.609344  # a mile
CHARGING = ("DetailedChargeStateCharging", "DetailedChargeStateStarting")
MOVING = ("ShiftStateD", "ShiftStateR", "ShiftStateN")
DOOR_TOPICS = {
    "driver_front_door_open": "DriverFront",
    "driver_rear_door_open": "DriverRear",
    "passenger_front_door_open": "PassengerFront",
    "passenger_rear_door_open": "PassengerRear",
    "frunk_open": "TrunkFront",
    "trunk_open": "TrunkRear",
}

Text = Callable[[Any], str]


def plain(value: Any) -> str:
    """What TeslaMate writes of a value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{round(value, 2):g}" if abs(value) < 1e5 else f"{value:.2f}".rstrip("0").rstrip(".")
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def kilometres(value: Any) -> str:
    return plain(value * KM) if isinstance(value, int | float) and not isinstance(value, bool) else plain(value)


def whole(value: Any) -> str:
    return str(round(value)) if isinstance(value, int | float) and not isinstance(value, bool) else plain(value)


def whole_kilometres(value: Any) -> str:
    return whole(value * KM) if isinstance(value, int | float) and not isinstance(value, bool) else plain(value)


def after(prefix: str) -> Text:
    """An enum's name without its type."""
    return lambda value: plain(value).removeprefix(prefix)


def lowered(prefix: str) -> Text:
    return lambda value: plain(value).removeprefix(prefix).lower()


def is_not(*names: str) -> Text:
    return lambda value: plain(value is not None and value not in names)


# Tesla's field → TeslaMate's name, and its text
NAMES: dict[str, tuple[str, Text]] = {
    "VehicleName": ("display_name", plain),
    "Version": ("version", lambda value: plain(value).split(" ")[0]),
    "SoftwareUpdateVersion": ("update_version", lambda value: plain(value).strip()),
    "Trim": ("trim_badging", plain),
    "ExteriorColor": ("exterior_color", plain),
    "WheelType": ("wheel_type", plain),
    "Gear": ("shift_state", after("ShiftState")),
    "VehicleSpeed": ("speed", whole_kilometres),
    "GpsHeading": ("heading", whole),
    "Locked": ("locked", plain),
    "SentryMode": ("sentry_mode", is_not("SentryModeStateOff", "SentryModeStateUnknown")),
    "DriverSeatOccupied": ("is_user_present", plain),
    "HvacPower": ("is_climate_on", is_not("HvacPowerStateOff", "HvacPowerStateUnknown")),
    "ClimateKeeperMode": ("climate_keeper_mode", lowered("ClimateKeeperModeState")),
    "InsideTemp": ("inside_temp", plain),
    "OutsideTemp": ("outside_temp", plain),
    "PreconditioningEnabled": ("is_preconditioning", plain),
    "Odometer": ("odometer", kilometres),
    "EstBatteryRange": ("est_battery_range_km", kilometres),
    "RatedRange": ("rated_battery_range_km", kilometres),
    "IdealBatteryRange": ("ideal_battery_range_km", kilometres),
    "BatteryLevel": ("battery_level", whole),
    "Soc": ("usable_battery_level", whole),
    "ACChargingEnergyIn": ("charge_energy_added", plain),
    "DCChargingEnergyIn": ("charge_energy_added", plain),
    "ChargeLimitSoc": ("charge_limit_soc", whole),
    "ChargePortDoorOpen": ("charge_port_door_open", plain),
    "ChargeAmps": ("charger_actual_current", whole),
    "ChargerPhases": ("charger_phases", whole),
    "ACChargingPower": ("charger_power", whole),
    "DCChargingPower": ("charger_power", whole),
    "ChargerVoltage": ("charger_voltage", whole),
    "ChargeCurrentRequest": ("charge_current_request", whole),
    "ChargeCurrentRequestMax": ("charge_current_request_max", whole),
    "ScheduledChargingStartTime": ("scheduled_charging_start_time", plain),
    "TimeToFullCharge": ("time_to_full_charge", plain),
    "TpmsPressureFl": ("tpms_pressure_fl", plain),
    "TpmsPressureFr": ("tpms_pressure_fr", plain),
    "TpmsPressureRl": ("tpms_pressure_rl", plain),
    "TpmsPressureRr": ("tpms_pressure_rr", plain),
    "DestinationName": ("active_route_destination", plain),
    "CenterDisplay": ("center_display_state", after("DisplayState")),
}


class TeslamateLayout:
    """`vins`: whose ids are 1, 2, …"""

    def __init__(self, base: str, vins: Sequence[str]) -> None:
        self._base = base
        self._ids = {vin: str(number) for number, vin in enumerate(vins, 1)}
        self._doing: dict[str, dict[str, bool]] = {}  # VIN → what `state` and `windows_open` are made from

    def _place(self, vin: str, name: str, text: str, lasting: bool = True) -> Placed:
        return Placed(f"{self._base}/cars/{self._ids.get(vin) or level(vin)}/{name}".encode(), text.encode(), lasting)

    def values(self, vin: str, field: str, value: Any) -> list[Placed]:
        return [self._place(vin, name, text) for name, text in self._texts(vin, field, value)]

    def _texts(self, vin: str, field: str, value: Any) -> Iterator[tuple[str, str]]:
        if field in NAMES:
            name, text = NAMES[field]
            yield name, text(value)
        if field == "Location" and isinstance(value, dict):
            yield "latitude", repr(value["latitude"])
            yield "longitude", repr(value["longitude"])
            yield "location", orjson.dumps(value).decode()
        elif field == "DoorState" and isinstance(value, dict):
            yield from ((name, plain(bool(value.get(door)))) for name, door in DOOR_TOPICS.items())
            yield "doors_open", plain(any(bool(is_open) for door, is_open in value.items() if not door.startswith("Trunk")))
        elif field == "SoftwareUpdateVersion":
            yield "update_available", plain(bool(plain(value).strip()))
        elif field == "Gear":
            yield "state", self._state(vin, driving=value in MOVING)
        elif field == "DetailedChargeState":
            yield "plugged_in", is_not("DetailedChargeStateDisconnected", "DetailedChargeStateUnknown")(value)
            yield "charging_state", after("DetailedChargeState")(value)
            yield "state", self._state(vin, charging=value in CHARGING)
        elif field in WINDOWS:
            doing = self._known(vin)
            doing[field] = value not in (None, "WindowStateClosed", "WindowStateUnknown")
            yield "windows_open", plain(any(doing.get(window, False) for window in WINDOWS))

    def _known(self, vin: str) -> dict[str, bool]:
        if len(self._doing) >= REMEMBERED_AT_MOST:
            self._doing.clear()
        return self._doing.setdefault(vin, {"connected": True, "driving": False, "charging": False})

    def _state(self, vin: str, **said: bool) -> str:
        doing = self._known(vin)
        doing.update(said)
        if not doing["connected"]:
            return "offline"
        return "driving" if doing["driving"] else "charging" if doing["charging"] else "online"

    def reports(self, vin: str, event: Mapping[str, Any]) -> list[Placed]:
        if "status" not in event:
            return []
        connected = event["status"] == "CONNECTED"
        state = self._place(vin, "state", self._state(vin, connected=connected))
        return [state, self._place(vin, "healthy", plain(connected), lasting=False)]

    def wildcard(self, vin: str) -> bytes:
        return f"{self._base}/cars/{self._ids.get(vin) or level(vin)}/#".encode()
