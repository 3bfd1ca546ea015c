"""
The rows of TeslaMate's streaming protocol: what a vehicle has said, as one line of comma-separated cells for each record.

    values     the latest of each field that a column is made of, with its time; a late record fills in only what is newer
    a row      for a record that is neither late nor re-sent, holds such a field, and comes when place and gear are known

Laws, each of which a client breaks without (docs/connect/teslamate.md): whole numbers have no fraction, because `71.4` reads as
nothing; `power` is a number in every row, because an empty one means that the vehicle only seems awake; the time never steps
back, because TeslaMate stores the positions in the order in which they come; no gear without a place. What is not known is
empty, never made up. Pure: no clock, no I/O.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
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
_GEARS = {f"ShiftState{gear}": gear for gear in "PRND"}
_EMPTY = ""  # the name of the column that is always empty: every column that nobody knows

HeightModel = Callable[[float, float], int | None]  # latitude, longitude → metres above the sea
Cells = Mapping[str, str]


def number(value: object) -> float | None:
    """Finite, and no larger than what a cell may hold; None otherwise."""
    kind = type(value)  # JSON's own types, and no others; a bool is none of the two
    if (kind is float or kind is int) and -1e15 < value < 1e15:  # type: ignore[operator]
        return value  # type: ignore[return-value]
    return None


def nearest(value: float) -> int:
    """Halves away from zero, as TeslaMate itself rounds; no `-0`."""
    return math.floor(value + 0.5) if value >= 0 else -math.floor(0.5 - value)


def _whole(value: object) -> str:
    known = number(value)
    return "" if known is None else str(nearest(known))


def _decimal(value: object) -> str:
    """All digits, and never an exponent."""
    known = number(value)
    if known is None:
        return ""
    text = repr(known)
    return text if "e" not in text else f"{known:.12f}".rstrip("0").rstrip(".")


def _gear(value: object) -> str:
    return _GEARS.get(value, "") if isinstance(value, str) else ""


# field → the columns that are this field alone, and how each is written
_PLAIN: dict[str, tuple[tuple[str, Callable[[object], str]], ...]] = {
    "VehicleSpeed": (("speed", _whole),),
    "Odometer": (("odometer", _decimal),),
    "Soc": (("soc", _whole),),
    "GpsHeading": (("est_heading", _whole), ("heading", _whole)),
    "Gear": (("shift_state", _gear),),
    "RatedRange": (("range", _whole),),
    "EstBatteryRange": (("est_range", _whole),),
}
_OF_POWER = frozenset(("DCChargingPower", "ACChargingPower", "PackVoltage", "PackCurrent"))
ROW_FIELDS = frozenset((*_PLAIN, *_OF_POWER, "Location"))  # everything that a column is made of


def power_kw(values: Mapping[str, Any]) -> int:
    """What the battery gives (+) or takes (−). While charging it is the charger's power; a current below zero discharges."""
    for charger in ("DCChargingPower", "ACChargingPower"):
        kw = number(values.get(charger))
        if kw is not None and kw > 0:
            return -nearest(kw)
    volts, amperes = number(values.get("PackVoltage")), number(values.get("PackCurrent"))
    return 0 if volts is None or amperes is None else nearest(-volts * amperes / 1000)


def picker(columns: Iterable[str]) -> Callable[[Cells], str]:
    """Writes the cells of these columns, in this order; a column that nobody knows stays empty."""
    known = [column if column in TESLAMATE_COLUMNS else _EMPTY for column in columns]
    if not known:
        return lambda cells: ""
    if len(known) == 1:
        return lambda cells: "," + cells[known[0]]
    pick = itemgetter(*known)
    return lambda cells: "," + ",".join(pick(cells))


class VehicleRows:
    """
    One vehicle's latest values, as cells.

    time_ms   of the newest record that is in them, ms since 1970
    """

    __slots__ = ("_height", "_times_ms", "_values", "cells", "time_ms")

    def __init__(self, values: Mapping[str, Any], times_ms: Mapping[str, int], height: HeightModel | None = None) -> None:
        """`values`, `times_ms`: what is known already; both have the same keys."""
        self._height = height
        self.cells = dict.fromkeys((*TESLAMATE_COLUMNS, _EMPTY), "")
        self.cells["power"] = "0"
        known = [field for field in values if field in ROW_FIELDS]
        self._values = {field: values[field] for field in known}
        self._times_ms = {field: times_ms[field] for field in known}
        self.time_ms = max(self._times_ms.values(), default=0)
        self._write(known)

    def take(self, data: Mapping[str, Any], time_ms: int, is_resend: bool) -> bool:
        """Takes a record's fields in; whether there is a row for it. `time_ms`: its own time, not ahead of its receipt."""
        values, times_ms, newest_ms = self._values, self._times_ms, self.time_ms
        late = time_ms < newest_ms
        said = False
        changed = []
        for field, value in data.items():
            if field in ROW_FIELDS:
                said = True
                if late and time_ms <= times_ms.get(field, -1):
                    continue
                times_ms[field] = time_ms
                if field not in values or values[field] != value:
                    values[field] = value
                    changed.append(field)
        if changed:
            self._write(changed)
        if late or not said:
            return False
        self.time_ms = time_ms
        return not is_resend and (bool(changed) or time_ms > newest_ms) and self._complete()

    def _complete(self) -> bool:
        """Gear and place have been seen, and no gear but P stands without a place."""
        if "Gear" not in self._values or "Location" not in self._values:
            return False
        return bool(self.cells["est_lat"]) or self.cells["shift_state"] in ("", "P")

    def _write(self, fields: Iterable[str]) -> None:
        cells, values = self.cells, self._values
        power = False
        for field in fields:
            if field in _PLAIN:
                for column, written in _PLAIN[field]:
                    cells[column] = written(values[field])
            elif field == "Location":
                self._write_place(values[field])
            else:
                power = True
        if power:
            cells["power"] = str(power_kw(values))

    def _write_place(self, place: object) -> None:
        latitude = longitude = None
        if isinstance(place, dict):
            latitude, longitude = number(place.get("latitude")), number(place.get("longitude"))
        cells = self.cells
        if latitude is None or longitude is None:
            cells["est_lat"] = cells["est_lng"] = cells["elevation"] = ""
            return
        cells["est_lat"], cells["est_lng"] = _decimal(latitude), _decimal(longitude)
        if self._height is not None:
            height = self._height(latitude, longitude)
            cells["elevation"] = "" if height is None else str(height)
