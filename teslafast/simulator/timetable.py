"""
A day of a car as a timetable: for every half second where it is, how fast it goes and what its battery gives.

Whatever a car reports of its motion comes from one row, so no two values can contradict each other: distance is the integral of
speed, position lies that far along the route, energy is the integral of power. A day ends where it began, with the energy with
which it began, so it can be repeated for ever: the last row equals the first, but for `distance_m`, then the length of the day.
A day is two rounds of the route, each with a stop on the way; a fast charger ends the first, a wall box the second.
Pure: no clock, no chance. One timetable serves every car; each plays it in a place of its own (car.py).
"""

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from .route import BRAKING_MPS2, DrivingRoute

ROW_S = 0.5  # a vehicle sends no more often, so nothing between two rows would be seen
_TICKS_PER_ROW = 5
_TICK_S = ROW_S / _TICKS_PER_ROW
_ACCELERATION_MPS2 = 2.2
_UNSTEADY, _UNSTEADY_M = 0.015, 47.0  # no foot holds a speed quite still
_NEAR_M = 0.02  # a stop is reached this far from it: braking alone would take for ever
_BACKING_M = 8.0
_STOPOVER_M = 8000.0

MASS_KG, ROLLING, DRAG_M2, AIR_KGM3 = 1900.0, 0.0095, 0.55, 1.2
_DRIVE_EFFICIENCY, _REGEN_EFFICIENCY, _REGEN_LIMIT_KW = 0.88, 0.8, 60.0
_AWAKE_KW, _GUARDED_KW = 0.6, 0.25
CHARGER_KW = {"AC": 11.0, "DC": 120.0}
_WARM_UP_S, _COOL_DOWN_S = 900.0, 300.0


@dataclass(frozen=True, slots=True)
class Scene:
    """What stays the same for a while. No `gear`: asleep. `open` names doors, `charge` is the state of charging."""

    gear: str | None = "P"
    open: frozenset[str] = frozenset()
    locked: bool = False
    aboard: bool = True
    sentry: str = "Off"
    charge: str = "Disconnected"
    charger: str | None = None  # "AC" or "DC" while one is plugged in


class TimetableRow(NamedTuple):
    distance_m: float  # since the day began; reversing counts, too
    speed_mps: float
    acceleration_mps2: float
    lateral_mps2: float  # positive in a bend to the right
    east_m: float  # from home
    north_m: float
    heading_deg: float  # clockwise from north
    power_kw: float  # out of the battery; negative while it is charged
    used_kwh: float  # since the day began
    warmth: float  # of the tyres, 0 to 1
    scene: Scene


_OPEN = frozenset({"DriverFront"})
_GETTING_IN, _AT_THE_WHEEL, _GETTING_OUT = Scene(open=_OPEN, aboard=False), Scene(), Scene(open=_OPEN)
_BACKING, _SHIFTING, _DRIVING = Scene("R"), Scene("N"), Scene("D")
_PARKED, _GUARDED = Scene(locked=True, aboard=False, sentry="Idle"), Scene(locked=True, aboard=False, sentry="Armed")
_LOADING = Scene(aboard=False, open=frozenset({"TrunkRear"}))
_BOARDING = ((_GETTING_IN, 3.0), (_AT_THE_WHEEL, 2.0))
_HOME = ((_AT_THE_WHEEL, 3.0), (_GETTING_OUT, 5.0))
_STOPOVER = (*_HOME, (_PARKED, 20.0), (_GUARDED, 60.0), (_LOADING, 9.0), *_BOARDING)


@cache
def timetable() -> tuple[TimetableRow, ...]:
    """The day, a row each `ROW_S`. Made once, in a tenth of a second: some 7,000 rows."""
    day = _Day(DrivingRoute())
    for charger in ("DC", "AC"):
        day.round_trip(charger)
    home = day.rows[0]
    return (*day.rows, home._replace(distance_m=day.distance_m))


class _Day:
    """The day so far. `at_m` is the place on the route, `distance_m` what the wheels turned; `_tick` advances all of it."""

    def __init__(self, route: DrivingRoute) -> None:
        self.rows: list[TimetableRow] = []
        self.distance_m = 0.0
        self._route = route
        self._at_m = self._speed = self._used_kwh = self._warmth = 0.0
        self._ticks = 0

    def round_trip(self, charger: str) -> None:
        start_m = self._at_m
        self._stand(*_BOARDING)
        self._drive(_BACKING, start_m - _BACKING_M)
        self._stand((_SHIFTING, 2.0))
        waits = [(start_m + at_m, [(_DRIVING, seconds)]) for at_m, seconds in self._route.waits]
        stops = [*waits, (start_m + _STOPOVER_M, _STOPOVER), (start_m + self._route.length_m, _HOME)]
        for at_m, scenes in sorted(stops, key=lambda stop: stop[0]):
            self._drive(_DRIVING, at_m)
            self._stand(*scenes)
        self._charge(charger)

    def _stand(self, *scenes: tuple[Scene, float]) -> None:
        for scene, seconds in scenes:
            # Plugged in, the mains bear the standing load.
            kw = 0.0 if scene.charger else _AWAKE_KW if scene.aboard else _GUARDED_KW
            for _ in range(round(seconds / _TICK_S)):
                self._tick(scene, 0.0, kw)

    def _drive(self, scene: Scene, stop_m: float) -> None:
        """To a stand exactly at `stop_m`, as fast as route, acceleration and the way that is left for braking allow."""
        way = math.copysign(1.0, stop_m - self._at_m)
        slow = 1.5 if way < 0 else math.inf
        while self._at_m != stop_m:
            left_m = abs(stop_m - self._at_m)
            allowed = min(self._route.at(self._at_m)[3], math.sqrt(2 * BRAKING_MPS2 * left_m), slow)
            allowed *= 1 - _UNSTEADY * (1 + math.sin(self._at_m / _UNSTEADY_M))
            speed = min(allowed, self._speed + _ACCELERATION_MPS2 * _TICK_S)
            if speed * _TICK_S < left_m and left_m > _NEAR_M:
                self._at_m += way * speed * _TICK_S
            else:
                speed, self._at_m = left_m / _TICK_S, stop_m
            self._tick(scene, speed, self._drive_kw(speed, (speed - self._speed) / _TICK_S))

    def _charge(self, charger: str) -> None:
        waiting = Scene(aboard=False, charge="Starting", charger=charger)
        charging = replace(waiting, charge="Charging")
        self._stand((waiting, 6.0))
        ramp_kw = 0.0
        while self._used_kwh > 1e-9:
            ramp_kw = min(ramp_kw + 15.0 * _TICK_S, CHARGER_KW[charger])
            # The last tick takes in what is missing, not more.
            self._tick(charging, 0.0, -min(ramp_kw, self._used_kwh * 3600 / _TICK_S))
        self._used_kwh = 0.0
        done = Scene(aboard=False, locked=True, sentry="Idle", charge="Stopped", charger=charger)
        asleep = replace(done, gear=None)
        self._stand((done, 20.0))
        while self._ticks % _TICKS_PER_ROW or self._warmth > 0:
            self._tick(asleep, 0.0, 0.0)

    def _drive_kw(self, speed: float, acceleration: float) -> float:
        newtons = MASS_KG * (acceleration + 9.81 * ROLLING) + 0.5 * AIR_KGM3 * DRAG_M2 * speed**2
        kw = newtons * speed / 1000
        return _AWAKE_KW + (kw / _DRIVE_EFFICIENCY if kw > 0 else max(kw * _REGEN_EFFICIENCY, -_REGEN_LIMIT_KW))

    def _tick(self, scene: Scene, speed: float, power_kw: float) -> None:
        acceleration = (speed - self._speed) / _TICK_S
        if self._ticks % _TICKS_PER_ROW == 0:
            place, heading, bend, _ = self._route.at(self._at_m)
            motion = speed, acceleration, speed**2 * bend
            self.rows.append(
                TimetableRow(self.distance_m, *motion, *place, heading, power_kw, self._used_kwh, self._warmth, scene)
            )
        self._ticks += 1
        self._speed = speed
        self.distance_m += speed * _TICK_S
        self._used_kwh += power_kw * _TICK_S / 3600
        warmer = _TICK_S / _WARM_UP_S if speed else -_TICK_S / _COOL_DOWN_S
        self._warmth = min(max(self._warmth + warmer, 0.0), 1.0)
