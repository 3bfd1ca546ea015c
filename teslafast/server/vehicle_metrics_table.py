"""
Which metrics a vehicle has: a row each, with its field, the unit that Prometheus wants, and its help text.

The names are `tesla_`, what it is, and the base unit: a ratio for %, metres for miles, seconds for hours, joules for kWh. Enums
are state sets. One that only rises is a counter.
"""

from __future__ import annotations

from typing import NamedTuple

from ..protocol.signals import ENUMS


class Unit(NamedTuple):
    """`factor`: what a vehicle's number is multiplied by."""

    name: str
    factor: float = 1.0


NO_UNIT = Unit("")
RATIO, METERS, SPEED = Unit("ratio", 0.01), Unit("meters", 1609.344), Unit("meters_per_second", 0.44704)
CELSIUS, PASCALS, DEGREES = Unit("celsius"), Unit("pascals", 100_000.0), Unit("degrees")
WATTS, JOULES, VOLTS, AMPERES = Unit("watts", 1000.0), Unit("joules", 3_600_000.0), Unit("volts"), Unit("amperes")
HOURS, MINUTES = Unit("seconds", 3600.0), Unit("seconds", 60.0)
ACCURACY = Unit("meters")  # a field that has metres already


class VehicleMetric(NamedTuple):
    """
    field     as it is stored (outputs/field_values.py): a structure's member has a field of its own
    name      without `tesla_` and the unit
    label     a fixed label and its value, where several fields are one metric
    """

    field: str
    name: str
    unit: Unit
    help: str
    label: tuple[str, str] = ("", "")
    counter: bool = False

    @property
    def family(self) -> str:
        """The metric's name without the `_total` of a counter."""
        return f"tesla_{self.name}_{self.unit.name}" if self.unit.name else f"tesla_{self.name}"


class StateMetric(NamedTuple):
    """`enum`: of the protocol; a state is its name without the words that all of them begin with."""

    field: str
    name: str
    enum: str
    help: str

    @property
    def family(self) -> str:
        return f"tesla_{self.name}"

    @property
    def states(self) -> dict[str, str]:
        """The enum's name → the state."""
        words = ENUMS[self.enum]
        return {word: word.removeprefix(words[0].removesuffix("Unknown")) for word in words}


def _tyres() -> tuple[VehicleMetric, ...]:
    names = {"Fl": "front_left", "Fr": "front_right", "Rl": "rear_left", "Rr": "rear_right"}
    text = "pressure of a tyre"
    return tuple(
        VehicleMetric(f"TpmsPressure{end}", "tire_pressure", PASCALS, text, ("tire", name)) for end, name in names.items()
    )


def _doors() -> tuple[VehicleMetric, ...]:
    names = ("DriverFront", "PassengerFront", "DriverRear", "PassengerRear", "TrunkFront", "TrunkRear")
    places = ("driver_front", "passenger_front", "driver_rear", "passenger_rear", "trunk_front", "trunk_rear")
    return tuple(
        VehicleMetric(f"DoorState_{name}", "door_open", NO_UNIT, "1 while a door or a trunk is open", ("door", place))
        for name, place in zip(names, places, strict=True)
    )


NUMBERS_TABLE: tuple[VehicleMetric, ...] = (
    VehicleMetric("Soc", "soc", RATIO, "usable charge, as the display shows it"),
    VehicleMetric("BatteryLevel", "battery_level", RATIO, "charge including the buffer"),
    VehicleMetric("EnergyRemaining", "energy_remaining", JOULES, "energy in the battery"),
    VehicleMetric("RatedRange", "rated_range", METERS, "rated range"),
    VehicleMetric("EstBatteryRange", "estimated_range", METERS, "range by recent consumption"),
    VehicleMetric("IdealBatteryRange", "ideal_range", METERS, "ideal range"),
    VehicleMetric("ChargeLimitSoc", "charge_limit", RATIO, "charge at which charging stops"),
    VehicleMetric("ACChargingPower", "ac_charging_power", WATTS, "power of AC charging"),
    VehicleMetric("DCChargingPower", "dc_charging_power", WATTS, "power of DC charging"),
    VehicleMetric("ACChargingEnergyIn", "ac_charging_energy", JOULES, "energy of this AC charge"),
    VehicleMetric("DCChargingEnergyIn", "dc_charging_energy", JOULES, "energy of this DC charge"),
    VehicleMetric("ChargerVoltage", "charger_voltage", VOLTS, "voltage of the charger"),
    VehicleMetric("ChargeAmps", "charge_current", AMPERES, "current of the charger"),
    VehicleMetric("ChargeCurrentRequest", "charge_current_request", AMPERES, "current that the car asks for"),
    VehicleMetric("ChargeCurrentRequestMax", "charge_current_request_max", AMPERES, "largest current that the car may ask for"),
    VehicleMetric("ChargeRateMilePerHour", "charge_rate", SPEED, "range charged in a time"),
    VehicleMetric("TimeToFullCharge", "time_to_full_charge", HOURS, "time until the charge limit is reached"),
    VehicleMetric("PackVoltage", "pack_voltage", VOLTS, "voltage of the battery"),
    VehicleMetric("PackCurrent", "pack_current", AMPERES, "current into the battery, negative while driving"),
    VehicleMetric("ModuleTempMax", "module_temperature_max", CELSIUS, "warmest battery module"),
    VehicleMetric("ModuleTempMin", "module_temperature_min", CELSIUS, "coldest battery module"),
    VehicleMetric("BrickVoltageMax", "brick_voltage_max", VOLTS, "highest voltage of a brick"),
    VehicleMetric("BrickVoltageMin", "brick_voltage_min", VOLTS, "lowest voltage of a brick"),
    VehicleMetric("NominalFullPackEnergyKwh", "nominal_full_pack_energy", JOULES, "energy of the full battery"),
    VehicleMetric("LifetimeEnergyUsed", "lifetime_energy_used", JOULES, "energy used since the car was built", counter=True),
    VehicleMetric("LifetimeEnergyGainedRegen", "lifetime_energy_regenerated", JOULES, "energy won by braking", counter=True),
    VehicleMetric("LifetimeEnergyChargedKwh", "lifetime_energy_charged", JOULES, "energy charged", counter=True),
    VehicleMetric("Odometer", "odometer", METERS, "distance driven since the car was built", counter=True),
    VehicleMetric("VehicleSpeed", "speed", SPEED, "speed"),
    VehicleMetric("Location_latitude", "latitude", DEGREES, "position, north positive"),
    VehicleMetric("Location_longitude", "longitude", DEGREES, "position, east positive"),
    VehicleMetric("GpsHeading", "heading", DEGREES, "direction, clockwise from north"),
    VehicleMetric("GpsAccuracyMeters", "gps_accuracy", ACCURACY, "accuracy of the position"),
    VehicleMetric("PedalPosition", "pedal_position", RATIO, "accelerator"),
    VehicleMetric("MilesToArrival", "distance_to_arrival", METERS, "distance to the destination"),
    VehicleMetric("MinutesToArrival", "time_to_arrival", MINUTES, "time to the destination"),
    VehicleMetric("ExpectedEnergyPercentAtTripArrival", "battery_at_arrival", RATIO, "charge expected at the destination"),
    VehicleMetric("RouteTrafficMinutesDelay", "traffic_delay", MINUTES, "delay by traffic"),
    VehicleMetric("InsideTemp", "inside_temperature", CELSIUS, "temperature inside"),
    VehicleMetric("OutsideTemp", "outside_temperature", CELSIUS, "temperature outside"),
    VehicleMetric("HvacLeftTemperatureRequest", "left_set_temperature", CELSIUS, "temperature set on the left"),
    VehicleMetric("HvacRightTemperatureRequest", "right_set_temperature", CELSIUS, "temperature set on the right"),
    VehicleMetric("HvacFanSpeed", "fan_speed", NO_UNIT, "speed of the fan, in its steps"),
    VehicleMetric("SoftwareUpdateDownloadPercentComplete", "update_download", RATIO, "how much of an update is downloaded"),
    VehicleMetric("SoftwareUpdateInstallationPercentComplete", "update_installation", RATIO, "how much of one is installed"),
    *_tyres(),
    *_doors(),
    VehicleMetric("Locked", "locked", NO_UNIT, "1 while the car is locked"),
    VehicleMetric("ChargePortDoorOpen", "charge_port_open", NO_UNIT, "1 while the charge port is open"),
    VehicleMetric("FastChargerPresent", "fast_charger", NO_UNIT, "1 at a fast charger"),
    VehicleMetric("BatteryHeaterOn", "battery_heater", NO_UNIT, "1 while the battery is heated"),
    VehicleMetric("DriverSeatOccupied", "driver_present", NO_UNIT, "1 while somebody sits in the driver's seat"),
    VehicleMetric("LocatedAtHome", "at_home", NO_UNIT, "1 at home"),
    VehicleMetric("LocatedAtWork", "at_work", NO_UNIT, "1 at work"),
    VehicleMetric("ValetModeEnabled", "valet_mode", NO_UNIT, "1 in valet mode"),
    VehicleMetric("ServiceMode", "service_mode", NO_UNIT, "1 in service mode"),
)

STATES_TABLE: tuple[StateMetric, ...] = (
    StateMetric("Gear", "gear", "ShiftState", "gear"),
    StateMetric("DetailedChargeState", "charge_state", "DetailedChargeStateValue", "what charging does"),
    StateMetric("SentryMode", "sentry", "SentryModeState", "sentry mode"),
    StateMetric("HvacPower", "climate", "HvacPowerState", "climate control"),
    StateMetric("ClimateKeeperMode", "climate_keeper", "ClimateKeeperModeState", "climate kept while parked"),
    StateMetric("ChargePortLatch", "charge_port_latch", "ChargePortLatchValue", "latch of the charge port"),
    StateMetric("FdWindow", "front_driver_window", "WindowState", "window"),
    StateMetric("FpWindow", "front_passenger_window", "WindowState", "window"),
    StateMetric("RdWindow", "rear_driver_window", "WindowState", "window"),
    StateMetric("RpWindow", "rear_passenger_window", "WindowState", "window"),
)

INFO_TABLE = {"Version": "version", "CarType": "model", "Trim": "trim", "VehicleName": "name"}  # field → label
