"""
A loop of road that exists nowhere: corners in metres from home, rounded, with a speed that a calm driver would not exceed.

The road is a row of points `step_m` apart, the first at home; a distance driven, modulo the length, is a place on it. Limits are
those of the signs, lowered in bends to what the tyres' grip asks for, and before them to what braking asks for.
Pure geometry: no clock, no chance.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

BRAKING_MPS2, CORNERING_MPS2 = 1.9, 2.2
_GRID_M = 5.0

Place = tuple[float, float]  # metres east and north of home


class Corner(NamedTuple):
    east_m: float
    north_m: float
    limit_kmh: float  # on the way to the next corner
    wait_s: float = 0.0  # at a light or a stop sign here


# A town, its ring road, a stretch of motorway, and back through the suburbs: 14 km. Home lies on a straight street.
LOOP = tuple(
    Corner(*corner)
    for corner in (
        (0, 0, 30),
        (220, 0, 30, 3),
        (220, 340, 50),
        (540, 420, 50, 14),
        (900, 420, 50),
        (1350, 700, 70),
        (1500, 1500, 80, 22),
        (2100, 2000, 110),
        (3600, 2300, 120),
        (5200, 1700, 110),
        (5600, 600, 80),
        (5200, 100, 60, 18),
        (4500, -150, 50),
        (3900, -150, 50, 4),
        (3300, -420, 50),
        (2300, -700, 70),
        (1400, -600, 50, 25),
        (900, -250, 50),
        (300, -420, 30, 3),
        (-200, -250, 30),
        (-200, 0, 30),
    )
)


class DrivingRoute:
    """Of each grid point: `points`, `headings` (degrees from north), `bends` (1/m, positive to the right), `speeds` (m/s)."""

    def __init__(self, loop: Sequence[Corner] = LOOP) -> None:
        vertices, limits, waits = _rounded(loop)
        reached = [0.0]
        for here, there in pairwise([*vertices, vertices[0]]):
            reached.append(reached[-1] + math.dist(here, there))
        self.length_m = reached[-1]
        self.waits = tuple((reached[index], seconds) for index, seconds in waits)
        count = round(self.length_m / _GRID_M)
        self.step_m = self.length_m / count
        legs = [bisect_right(reached, index * self.step_m) - 1 for index in range(count)]
        self.points = [
            _towards(vertices[leg], vertices[(leg + 1) % len(vertices)], index * self.step_m - reached[leg])
            for index, leg in enumerate(legs)
        ]
        around = [(self.points[index - 1], self.points[(index + 1) % count]) for index in range(count)]
        self.headings = [math.degrees(math.atan2(b[0] - a[0], b[1] - a[1])) % 360 for a, b in around]
        self.bends = [
            math.radians(turn(self.headings[index - 1], self.headings[(index + 1) % count])) / (2 * self.step_m)
            for index in range(count)
        ]
        self.speeds = _drivable([limits[leg] for leg in legs], self.bends, self.step_m)

    def at(self, distance_m: float) -> tuple[Place, float, float, float]:
        """The place after so many metres, its heading in degrees, its bend in 1/m and the speed driven there in m/s."""
        position = distance_m % self.length_m / self.step_m
        index, share = int(position) % len(self.points), position % 1
        after = (index + 1) % len(self.points)
        (east, north), (east_after, north_after) = self.points[index], self.points[after]
        place = east + share * (east_after - east), north + share * (north_after - north)
        heading = (self.headings[index] + share * turn(self.headings[index], self.headings[after])) % 360
        speed = self.speeds[index] + share * (self.speeds[after] - self.speeds[index])
        return place, heading, self.bends[index], speed


def turn(before_deg: float, after_deg: float) -> float:
    """The shorter way from one heading to another, in degrees; positive is to the right."""
    return (after_deg - before_deg + 180) % 360 - 180


def _rounded(loop: Sequence[Corner]) -> tuple[list[Place], list[float], list[tuple[int, float]]]:
    """Vertices of the loop with its corners rounded, the limit (m/s) from each on, and (vertex, seconds) where one waits."""
    vertices: list[Place] = []
    limits: list[float] = []
    waits = []
    for index, corner in enumerate(loop):
        here, before, after = corner[:2], loop[index - 1][:2], loop[(index + 1) % len(loop)][:2]
        # Faster roads have wider bends; a bend takes at most a third of the way to the next.
        radius = min(corner.limit_kmh**2 / 30, math.dist(here, before) / 3, math.dist(here, after) / 3)
        entry, leave = _towards(here, before, radius), _towards(here, after, radius)
        if corner.wait_s:
            waits.append((len(vertices), corner.wait_s))  # the line is before the bend
        for share in (0, 0.2, 0.4, 0.6, 0.8, 1):  # a parabola that touches both legs
            to_corner, from_corner = _between(entry, here, share), _between(here, leave, share)
            vertices.append(_between(to_corner, from_corner, share))
            limits.append(corner.limit_kmh / 3.6)
    return vertices, limits, waits


def _drivable(limits: Sequence[float], bends: Sequence[float], step_m: float) -> list[float]:
    speeds = [min(limit, math.sqrt(CORNERING_MPS2 / max(abs(bend), 1e-6))) for limit, bend in zip(limits, bends, strict=True)]
    for _ in range(2):  # the road is a loop: what lies behind its end is its beginning
        for index in range(len(speeds) - 1, -1, -1):
            ahead = speeds[(index + 1) % len(speeds)]
            speeds[index] = min(speeds[index], math.sqrt(ahead**2 + 2 * BRAKING_MPS2 * step_m))
    return speeds


def _towards(start: Place, end: Place, metres: float) -> Place:
    return _between(start, end, metres / math.dist(start, end))


def _between(start: Place, end: Place, share: float) -> Place:
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
