"""
What the columns of TeslaMate's streaming protocol are made of. How a row is made of them: `_teslamate_rows.pyx`.

Pure: no clock, no I/O.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

TESLAMATE_COLUMNS = (
    "speed",
    "odometer",
    "soc",
    "elevation",
    "est_heading",
    "est_lat",
    "est_lng",
    "power",
    "shift_state",
    "range",
    "est_range",
    "heading",
)
GEARS = {f"ShiftState{gear}": gear for gear in "PRND"}
COLUMN_FIELDS = (
    "VehicleSpeed",
    "Odometer",
    "Soc",
    "GpsHeading",
    "Gear",
    "RatedRange",
    "EstBatteryRange",
    "Location",
    "DCChargingPower",
    "ACChargingPower",
    "PackVoltage",
    "PackCurrent",
)  # everything that a column is made of; their order is _teslamate_rows.pyx's, too
ROW_FIELDS = frozenset(COLUMN_FIELDS)

HeightModel = Callable[[float, float], int | None]  # latitude, longitude → metres above the sea


def number(value: object) -> float | None:
    """Finite, and no larger than what a cell may hold; None otherwise."""
    kind = type(value)  # JSON's own types, and no others; a bool is none of the two
    if (kind is float or kind is int) and -1e15 < value < 1e15:  # type: ignore[operator]
        return value  # type: ignore[return-value]
    return None


def nearest(value: float) -> int:
    """Halves away from zero, as TeslaMate itself rounds; no `-0`."""
    return math.floor(value + 0.5) if value >= 0 else -math.floor(0.5 - value)


def power_kw(values: Mapping[str, Any]) -> int:
    """What the battery gives (+) or takes (−). While charging it is the charger's power; a current below zero discharges."""
    for charger in ("DCChargingPower", "ACChargingPower"):
        kw = number(values.get(charger))
        if kw is not None and kw > 0:
            return -nearest(kw)
    volts, amperes = number(values.get("PackVoltage")), number(values.get("PackCurrent"))
    kw = None if volts is None or amperes is None else number(float(-volts * amperes / 1000))
    return 0 if kw is None else nearest(kw)
