"""
One car at one moment: what it is, and every value that it could report then.

A `Car` is drawn from a seed: its town, its battery, its driver's pace. A `Moment` is a row of the timetable (timetable.py) seen
through that car: turned and moved to its town, played at its pace, measured with its battery. `CAR_FIELDS` says which
protocol fields that gives, in which of the value alternatives that cars use today (always typed), and how often a car sends each.
Units are the vehicles': miles and mph, degrees Celsius, bar, kW, kWh, hours. Pure: seed and time are arguments.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from .timetable import CHARGER_KW, ROW_S, Scene, TimetableRow, timetable

MILE_M = 1609.344
METRES_PER_DEGREE = 111_320.0
_CONSUMPTION_KWH_PER_KM = 0.16
_CELLS, _PACK_OHM = 96, 0.045
_BUFFER = 0.04  # the share of the battery that the display keeps to itself
_BAR_COLD, _BAR_WARM = 2.75, 0.25
# A third of the cars are charged up to their limit; the others leave before that.
_BELOW_LIMIT = (0, 0, 9, 21, 34, 41)
_TOWNS = (
    (37.4419, -122.1430),
    (30.2672, -97.7431),
    (52.3906, 13.0645),
    (59.9139, 10.7522),
    (48.1351, 11.5820),
    (51.9244, 4.4777),
)
_TYPES = (
    ("CarTypeModel3", "74D", 75.0),
    ("CarTypeModel3", "50", 57.5),
    ("CarTypeModelY", "74D", 75.0),
    ("CarTypeModelS", "100D", 95.0),
)
_VERSIONS = ("2026.32.7", "2026.38.4.1", "2026.40.3")
_DOORS = ("DriverFront", "DriverRear", "PassengerFront", "PassengerRear", "TrunkFront", "TrunkRear")


@dataclass(frozen=True, slots=True)
class Car:
    """
    What never changes. `pace`: how fast it plays the timetable; `offset_s`: when in the day it begins; `turned_deg`: how far its
    map is turned.
    """

    name: str
    kind: str
    trim: str
    version: str
    capacity_kwh: float
    limit_percent: int
    top_percent: float
    odometer_miles: float
    latitude: float
    longitude: float
    turned_deg: float
    pace: float
    offset_s: float
    outside_c: float

    @classmethod
    def from_seed(cls, seed: int, phase: float) -> "Car":
        """The car of this seed; `phase` in [0, 1) is how far its day has gone when it begins."""
        rng = random.Random(seed)
        latitude, longitude = rng.choice(_TOWNS)
        kind, trim, capacity_kwh = rng.choice(_TYPES)
        limit = rng.choice((80, 80, 80, 90))
        return cls(
            name=f"Test car {seed}",
            kind=kind,
            trim=trim,
            version=rng.choice(_VERSIONS),
            capacity_kwh=capacity_kwh,
            limit_percent=limit,
            top_percent=limit - rng.choice(_BELOW_LIMIT),
            odometer_miles=rng.uniform(300, 60_000),
            latitude=latitude + rng.uniform(-0.1, 0.1),
            longitude=longitude + rng.uniform(-0.15, 0.15),
            turned_deg=rng.uniform(0, 360),
            pace=rng.uniform(0.92, 1.08),
            offset_s=phase * (len(timetable()) - 1) * ROW_S,
            outside_c=rng.uniform(4, 22),
        )


class Moment:
    """A car `elapsed_s` after it began; `inside_c` is remembered by whoever makes moments, because it has inertia."""

    def __init__(self, car: Car, elapsed_s: float, inside_c: float) -> None:
        rows = timetable()
        days, position = divmod((car.offset_s + elapsed_s * car.pace) / ROW_S, len(rows) - 1)
        before, after = rows[int(position)], rows[int(position) + 1]
        share = position % 1
        self.car = car
        self.before: TimetableRow = before
        self.scene: Scene = before.scene
        self.inside_c = inside_c
        # Those that matter between two rows are drawn straight from one to the other.
        self.metres = before.distance_m + share * (after.distance_m - before.distance_m) + days * rows[-1].distance_m
        self.mps = (before.speed_mps + share * (after.speed_mps - before.speed_mps)) * car.pace
        self.kw = (before.power_kw + share * (after.power_kw - before.power_kw)) * car.pace
        self.kwh = car.capacity_kwh * car.top_percent / 100 - before.used_kwh - share * (after.used_kwh - before.used_kwh)
        self._east_m = before.east_m + share * (after.east_m - before.east_m)
        self._north_m = before.north_m + share * (after.north_m - before.north_m)

    @property
    def mph(self) -> float | None:
        """None while parked, as real cars have it."""
        return None if self.scene.gear in ("P", None) else round(self.mps * 3600 / MILE_M, 2)

    @property
    def location(self) -> dict[str, float]:
        car, turned = self.car, math.radians(self.car.turned_deg)
        east = self._east_m * math.cos(turned) + self._north_m * math.sin(turned)
        north = self._north_m * math.cos(turned) - self._east_m * math.sin(turned)
        longitude = car.longitude + east / METRES_PER_DEGREE / math.cos(math.radians(car.latitude))
        return {"latitude": round(car.latitude + north / METRES_PER_DEGREE, 6), "longitude": round(longitude, 6)}

    @property
    def percent(self) -> float:
        return 100 * self.kwh / self.car.capacity_kwh

    @property
    def range_miles(self) -> float:
        return (self.kwh - _BUFFER * self.car.capacity_kwh) / _CONSUMPTION_KWH_PER_KM * 1000 / MILE_M

    @property
    def amperes(self) -> float:
        """Into the battery, so negative while driving."""
        return -self.kw * 1000 / self._rest_volts

    @property
    def volts(self) -> float:
        return self._rest_volts + _PACK_OHM * self.amperes

    @property
    def _rest_volts(self) -> float:
        return _CELLS * (3.35 + 0.0075 * self.percent)

    def charging_kw(self, charger: str) -> float:
        return max(-self.kw, 0.0) if self.scene.charger == charger else 0.0

    @property
    def hours_to_full(self) -> float:
        """To the limit, at the charger's full power; 0 when it does not charge."""
        if self.scene.charge != "Charging" or self.scene.charger is None:
            return 0.0
        missing_kwh = (self.car.limit_percent - self.percent) / 100 * self.car.capacity_kwh
        return max(missing_kwh, 0.0) / (CHARGER_KW[self.scene.charger] * self.car.pace)

    @property
    def charge_state(self) -> str:
        full = self.scene.charge == "Stopped" and self.car.top_percent == self.car.limit_percent
        return "Complete" if full else self.scene.charge

    @property
    def signal(self) -> str:
        """The turn signal: Left, Right or Off."""
        lateral = self.before.lateral_mps2
        return "Off" if abs(lateral) < 1 else "Right" if lateral > 0 else "Left"

    def bar(self, wheel: int) -> float:
        """Tyre pressure: no two wheels quite alike, all rise as they get warm."""
        return round(_BAR_COLD + 0.03 * wheel + _BAR_WARM * self.before.warmth, 3)


class CarField(NamedTuple):
    """A protocol field: its value alternative (protojson), the shortest time between two sends, its value (None: `invalid`)."""

    key: str
    alternative: str
    interval_s: float
    read: Callable[[Moment], object]


CAR_FIELDS: tuple[CarField, ...] = (
    CarField("VehicleSpeed", "doubleValue", 0.5, lambda m: m.mph),
    CarField("Location", "locationValue", 0.5, lambda m: m.location),
    CarField("GpsHeading", "doubleValue", 0.5, lambda m: round((m.before.heading_deg + m.car.turned_deg) % 360, 1)),
    CarField(
        "LongitudinalAcceleration", "doubleValue", 0.5, lambda m: round(m.before.acceleration_mps2 * m.car.pace**2, 2) or 0.0
    ),
    CarField("LateralAcceleration", "doubleValue", 0.5, lambda m: round(m.before.lateral_mps2 * m.car.pace**2, 2) or 0.0),
    CarField("Gear", "shiftStateValue", 0.5, lambda m: f"ShiftState{m.scene.gear}" if m.scene.gear else None),
    CarField("LightsTurnSignal", "turnSignalStateValue", 1, lambda m: f"TurnSignalState{m.signal}"),
    CarField("DoorState", "doorValue", 1, lambda m: {door: door in m.scene.open for door in _DOORS}),
    CarField("Locked", "booleanValue", 1, lambda m: m.scene.locked),
    CarField("PackVoltage", "doubleValue", 2, lambda m: round(m.volts, 1)),
    CarField("PackCurrent", "doubleValue", 2, lambda m: round(m.amperes, 1)),
    CarField("DriverSeatOccupied", "booleanValue", 2, lambda m: m.scene.aboard),
    CarField("DriverSeatBelt", "buckleStatusValue", 2, lambda m: f"BuckleStatus{'Latched' if m.scene.aboard else 'Unlatched'}"),
    CarField("SentryMode", "sentryModeStateValue", 2, lambda m: f"SentryModeState{m.scene.sentry}"),
    CarField("DetailedChargeState", "detailedChargeStateValue", 2, lambda m: f"DetailedChargeState{m.charge_state}"),
    CarField("ChargePortDoorOpen", "booleanValue", 2, lambda m: m.scene.charger is not None),
    CarField("Odometer", "doubleValue", 5, lambda m: round(m.car.odometer_miles + m.metres / MILE_M, 3)),
    CarField("ACChargingPower", "doubleValue", 5, lambda m: round(m.charging_kw("AC"), 2)),
    CarField("DCChargingPower", "doubleValue", 5, lambda m: round(m.charging_kw("DC"), 2)),
    CarField("ChargeAmps", "doubleValue", 5, lambda m: round(m.charging_kw("AC") * 1000 / 690, 1)),
    CarField("FastChargerPresent", "booleanValue", 5, lambda m: m.scene.charger == "DC"),
    CarField("Soc", "doubleValue", 10, lambda m: round(m.percent, 2)),
    CarField("BatteryLevel", "doubleValue", 10, lambda m: round(100 * (m.percent / 100 - _BUFFER) / (1 - _BUFFER), 2)),
    CarField("EnergyRemaining", "doubleValue", 10, lambda m: round(m.kwh, 2)),
    CarField("EstBatteryRange", "doubleValue", 10, lambda m: round(m.range_miles, 2)),
    CarField("TimeToFullCharge", "doubleValue", 10, lambda m: round(m.hours_to_full, 2)),
    CarField("InsideTemp", "doubleValue", 30, lambda m: round(m.inside_c, 1)),
    CarField("OutsideTemp", "doubleValue", 30, lambda m: round(m.car.outside_c, 1)),
    CarField("TpmsPressureFl", "doubleValue", 60, lambda m: m.bar(0)),
    CarField("TpmsPressureFr", "doubleValue", 60, lambda m: m.bar(1)),
    CarField("TpmsPressureRl", "doubleValue", 60, lambda m: m.bar(2)),
    CarField("TpmsPressureRr", "doubleValue", 60, lambda m: m.bar(3)),
    CarField("ChargeLimitSoc", "intValue", 60, lambda m: m.car.limit_percent),
    CarField("VehicleName", "stringValue", 3600, lambda m: m.car.name),
    CarField("Version", "stringValue", 3600, lambda m: m.car.version),
    CarField("CarType", "carTypeValue", 3600, lambda m: m.car.kind),
    CarField("Trim", "stringValue", 3600, lambda m: m.car.trim),
)
