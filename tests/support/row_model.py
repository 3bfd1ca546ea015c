"""
The rows of TeslaMate's protocol in plain Python: the specification of `dashboards/_teslamate_rows.pyx`, which the tests hold
against it. Slower, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from teslafast.dashboards.teslamate_rows import COLUMN_FIELDS, GEARS, TESLAMATE_COLUMNS, HeightModel, nearest, number, power_kw
from teslafast.rfc3339 import parse_rfc3339

_FIELDS = frozenset(COLUMN_FIELDS)


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
    return GEARS.get(value, "") if isinstance(value, str) else ""


# field → the columns that are this field alone, and how each is written
_PLAIN: dict[str, tuple[tuple[str, Any], ...]] = {
    "VehicleSpeed": (("speed", _whole),),
    "Odometer": (("odometer", _decimal),),
    "Soc": (("soc", _whole),),
    "GpsHeading": (("est_heading", _whole), ("heading", _whole)),
    "Gear": (("shift_state", _gear),),
    "RatedRange": (("range", _whole),),
    "EstBatteryRange": (("est_range", _whole),),
}


class RowModel:
    """
    `VehicleRows`, in plain Python.

    time_ms   of the newest record that is in them, ms since 1970
    """

    __slots__ = ("_ahead", "_height", "_times_ms", "_values", "cells", "time_ms")

    def __init__(
        self,
        values: Mapping[str, Any],
        times_ms: Mapping[str, int],
        height: HeightModel | None = None,
        ahead: Collection[str] = (),
    ) -> None:
        """`values`, `times_ms`: what is known already; both have the same keys. `ahead`: of these, whose time was ahead."""
        self._height = height
        self.cells = dict.fromkeys(TESLAMATE_COLUMNS, "")
        self.cells["power"] = "0"
        known = [field for field in values if field in _FIELDS]
        self._values = {field: values[field] for field in known}
        self._times_ms = {field: times_ms[field] for field in known}
        self._ahead = {field for field in known if field in ahead}
        self.time_ms = max(self._times_ms.values(), default=0)
        self._write(known)

    def take_event(self, text: bytes, came_ms: int) -> bool:
        """Takes an event of the log in, its JSON; whether there is a row for it."""
        body = json.loads(text)
        created_ns = None if body["createdAt"] is None else parse_rfc3339(body["createdAt"])
        created_ms = came_ms if created_ns is None or created_ns < 0 else created_ns // 1_000_000
        for field, known_ms in self._times_ms.items():
            if known_ms > came_ms:
                self._times_ms[field] = came_ms
                self._ahead.add(field)
        self.time_ms = min(self.time_ms, came_ms)
        return self.take(body["data"], min(created_ms, came_ms), body.get("isResend") is True, created_ms > came_ms)

    def take(self, data: Mapping[str, Any], time_ms: int, is_resend: bool, ahead: bool = False) -> bool:
        """
        Takes a record's fields in; whether there is a row for it.

        `time_ms`: when it was made, as far as its receipt; `ahead`: its own time is later than that.
        """
        values, times_ms, newest_ms = self._values, self._times_ms, self.time_ms
        late = time_ms < newest_ms
        said = False
        changed = []
        for field, value in data.items():
            if field in _FIELDS:
                said = True
                if late and time_ms <= times_ms.get(field, -1) and (is_resend or field not in self._ahead):
                    continue
                times_ms[field] = time_ms
                (self._ahead.add if ahead else self._ahead.discard)(field)
                if field not in values or type(values[field]) is not type(value) or values[field] != value:
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
