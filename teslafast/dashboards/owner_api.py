"""
Last known values in the shape of the Owner API's answers, which TeslaMate asks for besides the stream.

Telemetry's units are the Owner API's already (miles, mph, °C, bar, kW, hours), so nothing is converted but names. A key whose
field has not come, or is `invalid`, is left out: nothing is made up. What telemetry never tells (option codes, tokens, service
mode of the account) is not there at all. Pure: the time is an argument.

    state   online    the vehicle is connected
            offline   it is not, but it was not parked, or it has gone within the last ASLEEP_AFTER_S: a tunnel, another network
            asleep    it is not, and was parked: a parked car ends its connection when it goes to sleep
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from ..core.last_values import VehicleValues
from .teslamate_rows import nearest, number, power_kw
from .vehicle_ids import vehicle_id

VehicleState = Literal["online", "offline", "asleep"]

ASLEEP_AFTER_S = 60  # a change of network takes seconds
_DRIVING = ("ShiftStateD", "ShiftStateR", "ShiftStateN")
_MS, _S = 1_000_000, 1_000_000_000

Convert = Callable[[Any], object]


def _rounded(value: object) -> int | None:
    known = number(value)
    return None if known is None else nearest(known)


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _words(words: Mapping[str, object]) -> Convert:
    return lambda value: words.get(value) if isinstance(value, str) else None


def _cut(prefix: str, unknown: tuple[str, ...] = ("Unknown", "SNA", "Invalid")) -> Convert:
    def convert(value: object) -> str | None:
        word = value.removeprefix(prefix) if isinstance(value, str) else None
        return None if word in unknown else word

    return convert


def _member(name: str, convert: Convert) -> Convert:
    return lambda value: convert(value.get(name)) if isinstance(value, dict) else None


def _door(name: str) -> Convert:
    """1 if it is open."""
    return _member(name, lambda value: int(value) if isinstance(value, bool) else None)


_GEAR = _words({f"ShiftState{gear}": gear for gear in "PRND"})
_WINDOW = _words({"WindowStateClosed": 0, "WindowStatePartiallyOpen": 1, "WindowStateOpened": 2})
_HVAC = ("Off", "On", "Precondition", "OverheatProtect")
_CHARGES = ("Disconnected", "NoPower", "Starting", "Charging", "Complete", "Stopped")
_SENTRY = _words(
    {"SentryModeStateOff": False, "SentryModeStateIdle": False}
    | {f"SentryModeState{word}": True for word in ("Armed", "Aware", "Panic", "Quiet")}
)
_CHARGING = _words({f"DetailedChargeState{word}": word for word in _CHARGES})
_CLIMATE = _words({f"HvacPowerState{word}": word != "Off" for word in _HVAC})
_PRECONDITIONING = _words({f"HvacPowerState{word}": word == "Precondition" for word in _HVAC})
_CAR = _words({f"CarType{word}": word.lower() for word in ["ModelS", "ModelX", "Model3", "ModelY", "Cybertruck"]})

# part of vehicle_data → its keys: from which field, and how. Of two rows with one key the first that is known wins.
DATA_PARTS: dict[str, tuple[tuple[str, str, Convert], ...]] = {
    "drive_state": (
        ("latitude", "Location", _member("latitude", number)),
        ("longitude", "Location", _member("longitude", number)),
        ("heading", "GpsHeading", _rounded),
        ("speed", "VehicleSpeed", _rounded),
        ("shift_state", "Gear", _GEAR),
        ("active_route_destination", "DestinationName", _text),
        ("active_route_latitude", "DestinationLocation", _member("latitude", number)),
        ("active_route_longitude", "DestinationLocation", _member("longitude", number)),
        ("active_route_miles_to_arrival", "MilesToArrival", number),
        ("active_route_minutes_to_arrival", "MinutesToArrival", number),
        ("active_route_energy_at_arrival", "ExpectedEnergyPercentAtTripArrival", _rounded),
        ("active_route_traffic_minutes_delay", "RouteTrafficMinutesDelay", number),
    ),
    "charge_state": (
        ("battery_level", "Soc", _rounded),
        ("battery_level", "BatteryLevel", _rounded),
        ("battery_range", "RatedRange", number),
        ("est_battery_range", "EstBatteryRange", number),
        ("ideal_battery_range", "IdealBatteryRange", number),
        ("charging_state", "DetailedChargeState", _CHARGING),
        ("charge_limit_soc", "ChargeLimitSoc", _rounded),
        ("charger_voltage", "ChargerVoltage", _rounded),
        ("charger_actual_current", "ChargeAmps", _rounded),
        ("charger_phases", "ChargerPhases", _rounded),
        ("charge_rate", "ChargeRateMilePerHour", number),
        ("charge_current_request", "ChargeCurrentRequest", _rounded),
        ("charge_current_request_max", "ChargeCurrentRequestMax", _rounded),
        ("charge_enable_request", "ChargeEnableRequest", _flag),
        ("charge_port_cold_weather_mode", "ChargePortColdWeatherMode", _flag),
        ("charge_port_door_open", "ChargePortDoorOpen", _flag),
        ("charge_port_latch", "ChargePortLatch", _cut("ChargePortLatch")),
        ("conn_charge_cable", "ChargingCableType", _cut("CableType")),
        ("fast_charger_present", "FastChargerPresent", _flag),
        ("fast_charger_type", "FastChargerType", _cut("FastCharger")),
        ("time_to_full_charge", "TimeToFullCharge", number),
        ("battery_heater_on", "BatteryHeaterOn", _flag),
        ("not_enough_power_to_heat", "NotEnoughPowerToHeat", _flag),
        ("scheduled_charging_pending", "ScheduledChargingPending", _flag),
    ),
    "climate_state": (
        ("inside_temp", "InsideTemp", number),
        ("outside_temp", "OutsideTemp", number),
        ("driver_temp_setting", "HvacLeftTemperatureRequest", number),
        ("passenger_temp_setting", "HvacRightTemperatureRequest", number),
        ("fan_status", "HvacFanStatus", _rounded),
        ("is_climate_on", "HvacPower", _CLIMATE),
        ("is_preconditioning", "HvacPower", _PRECONDITIONING),
        ("is_rear_defroster_on", "RearDefrostEnabled", _flag),
        ("battery_heater", "BatteryHeaterOn", _flag),
        ("climate_keeper_mode", "ClimateKeeperMode", lambda value: _lower(_cut("ClimateKeeperModeState")(value))),
        ("seat_heater_left", "SeatHeaterLeft", _rounded),
        ("seat_heater_right", "SeatHeaterRight", _rounded),
        ("wiper_blade_heater", "WiperHeatEnabled", _flag),
    ),
    "vehicle_state": (
        ("odometer", "Odometer", number),
        ("locked", "Locked", _flag),
        ("car_version", "Version", _text),
        ("vehicle_name", "VehicleName", _text),
        ("sentry_mode", "SentryMode", _SENTRY),
        ("is_user_present", "DriverSeatOccupied", _flag),
        ("valet_mode", "ValetModeEnabled", _flag),
        ("df", "DoorState", _door("DriverFront")),
        ("dr", "DoorState", _door("DriverRear")),
        ("pf", "DoorState", _door("PassengerFront")),
        ("pr", "DoorState", _door("PassengerRear")),
        ("ft", "DoorState", _door("TrunkFront")),
        ("rt", "DoorState", _door("TrunkRear")),
        ("fd_window", "FdWindow", _WINDOW),
        ("fp_window", "FpWindow", _WINDOW),
        ("rd_window", "RdWindow", _WINDOW),
        ("rp_window", "RpWindow", _WINDOW),
        ("tpms_pressure_fl", "TpmsPressureFl", number),
        ("tpms_pressure_fr", "TpmsPressureFr", number),
        ("tpms_pressure_rl", "TpmsPressureRl", number),
        ("tpms_pressure_rr", "TpmsPressureRr", number),
        ("homelink_nearby", "HomelinkNearby", _flag),
        ("homelink_device_count", "HomelinkDeviceCount", _rounded),
    ),
    "vehicle_config": (
        ("car_type", "CarType", _CAR),
        ("trim_badging", "Trim", lambda value: _lower(_text(value))),
        ("exterior_color", "ExteriorColor", _text),
        ("roof_color", "RoofColor", _text),
        ("wheel_type", "WheelType", _text),
        ("charge_port_type", "ChargePort", _cut("ChargePort")),
        ("eu_vehicle", "EuropeVehicle", _flag),
        ("rhd", "RightHandDrive", _flag),
    ),
}


def _lower(text: object) -> str | None:
    return text.lower() if isinstance(text, str) else None


def state_of(connected: bool, values: VehicleValues | None, heard_ns: int, now_ns: int) -> VehicleState:
    """`heard_ns`: when its last record came, 0 if none has since the server started."""
    if connected:
        return "online"
    driving = values is not None and values.values.get("Gear") in _DRIVING
    return "offline" if driving or now_ns - heard_ns < ASLEEP_AFTER_S * _S else "asleep"


def summary(vin: str, state: VehicleState, values: VehicleValues | None) -> dict[str, object]:
    """A vehicle as `/api/1/products` and `/api/1/vehicles/ID` show it."""
    name = None if values is None else values.values.get("VehicleName")
    number_of = vehicle_id(vin)
    said: dict[str, object] = {"id": number_of, "id_s": str(number_of), "vehicle_id": number_of, "vin": vin, "state": state}
    return said | ({"display_name": name} if isinstance(name, str) else {})


def vehicle_data(vin: str, state: VehicleState, vehicle: VehicleValues, now_ns: int) -> dict[str, object]:
    """All that is known of it, in the Owner API's parts."""
    values = vehicle.values
    parts: dict[str, dict[str, object]] = {}
    for part, rows in DATA_PARTS.items():
        known: dict[str, object] = {"timestamp": vehicle.newest_at(now_ns) // _MS}  # so that the stream's rows are never older
        for key, field, convert in rows:
            if key not in known and (value := convert(values.get(field))) is not None:
                known[key] = value
        parts[part] = known
    parts["drive_state"]["power"] = power_kw(values)
    if "Location" in vehicle.times:
        parts["drive_state"]["gps_as_of"] = min(vehicle.times["Location"], now_ns) // _S
    parts["charge_state"] |= _charging(values)
    update = _update(values)
    if update:
        parts["vehicle_state"]["software_update"] = update
    return summary(vin, state, vehicle) | parts


def _charging(values: Mapping[str, Any]) -> dict[str, object]:
    """The charger's power, and the energy of this session as the side that charges counts it."""
    fast = values.get("FastChargerPresent") is True
    said: dict[str, object] = {}
    powers = [kw for field in ("DCChargingPower", "ACChargingPower") if (kw := number(values.get(field))) is not None]
    if powers:
        said["charger_power"] = nearest(max(powers))
    energy = number(values.get("DCChargingEnergyIn" if fast else "ACChargingEnergyIn"))
    if energy is not None:
        said["charge_energy_added"] = energy
    return said


def _update(values: Mapping[str, Any]) -> dict[str, object]:
    rows: tuple[tuple[str, str, Convert], ...] = (
        ("version", "SoftwareUpdateVersion", _text),
        ("download_perc", "SoftwareUpdateDownloadPercentComplete", _rounded),
        ("install_perc", "SoftwareUpdateInstallationPercentComplete", _rounded),
    )
    said = {key: value for key, field, convert in rows if (value := convert(values.get(field))) is not None}
    return said if said.get("version") else {}
