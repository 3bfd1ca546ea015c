r"""
Events as InfluxDB's line protocol.

    telemetry,vin=5YJ… Soc=64.5,Gear="ShiftStateD",Locked=true,Location_latitude=37.4,… 1795420800123000007
    alerts,vin=5YJ… name="VCFRONT_a182",active=true,audiences="Customer" …
    errors,vin=5YJ… name="unsupported_field",body="…",tags="{…}" …
    connectivity,vin=5YJ… status="CONNECTED",connection_id="…",network_interface="…" …

A point is (measurement, vin, time), and another one at the same time would replace it. So below the millisecond, which is as much
as an event tells, the time holds its seq: the same event has the same time however often it is sent, and another one another.
Each field has one type for ever (field_values.py). What was there before us with another type, InfluxDB says; then the field
goes by another name (`rename`). Fields that the protocol does not have are bounded: InfluxDB 3 takes 500 columns. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from ..core.records import ALERTS, CONNECTIVITY, DATA
from . import Event
from .field_types import BOOLEANS, NUMBERS, TEXTS
from .field_values import NAME_AT_MOST, STORED_TEXT_AT_MOST, Plain, clean, moment_ms, plain_values

NEW_FIELDS_AT_MOST = 200  # besides the 251 of the protocol: its structures' members, newer ones, and those of other types
TOO_MANY_FIELDS = "too_many_fields"
_KNOWN = NUMBERS | BOOLEANS | TEXTS
_KEPT_AT_MOST = 10_000  # VINs kept ready
_MS, _SEQS = 1_000_000, 1000  # ns; of events that are several points
_ENDINGS: dict[type, str] = {float: "_number", str: "_text", bool: "_bool"}
_TEXT = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": " ", "\r": " "})
_NAME = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ ", "\\": "_", "\n": "_", "\r": "_", "\t": "_"})


class LineEncoder:
    """`dropped`: counts values that have no room, by cause."""

    def __init__(self, dropped: Counter[str]) -> None:
        dropped[TOO_MANY_FIELDS] += 0  # a counter is there before it counts
        self._dropped = dropped
        self._keys: dict[str, str] = {}  # a field's name as it is written, with its `=`
        self._new = 0  # of those that the protocol does not have
        self._renamed: set[str] = set()
        self._points: dict[str, str] = {}  # by VIN: measurement and tag of its data

    def lines(self, event: Event) -> str:
        """With a line break at the end of each; "" if the event has no value."""
        parsed = orjson.loads(event.text)
        ms = moment_ms(parsed.get("createdAt"), event.time_ms)
        if event.kind != DATA:
            return "".join(_others(event, parsed, ms * _MS + event.seq % _SEQS * _SEQS))
        fields = self._fields(parsed.get("data") or {})
        if not fields:
            return ""
        point = self._points.get(event.vin) or self._point(event.vin)
        return f"{point}{fields} {ms * _MS + event.seq % _MS}\n"

    def rename(self, field: str) -> bool:
        """From now on this field's name has its type at its end. False if it has that already, or is none of ours."""
        if field in self._renamed or field not in self._keys:
            return False
        self._renamed.add(field)
        return True

    def _fields(self, data: dict[str, Any]) -> str:
        parts: list[str] = []
        add: Callable[[str], None] = parts.append
        keys = self._keys
        for name, value in plain_values(data):
            if value is None:
                continue
            if self._renamed and name in self._renamed:
                name += _ENDINGS[type(value)]
            key = keys.get(name) or self._key(name)
            if key:
                add(key + _written(value))
        return ",".join(parts)

    def _key(self, name: str) -> str:
        """ "" if there is no room for another one."""
        if name not in _KNOWN:
            if self._new >= NEW_FIELDS_AT_MOST:
                self._dropped[TOO_MANY_FIELDS] += 1
                return ""
            self._new += 1
        written = "time_" if name == "time" else name.translate(_NAME)  # `time` is the point's own
        key = self._keys[name] = f"{written}="
        return key

    def _point(self, vin: str) -> str:
        if len(self._points) >= _KEPT_AT_MOST:
            self._points.clear()
        point = self._points[vin] = f"telemetry,vin={_tag(vin)} "
        return point


def _tag(vin: str) -> str:
    return vin.translate(_NAME) or "_"


def _written(value: Plain) -> str:
    if type(value) is float:
        return repr(value)
    if isinstance(value, str):
        return f'"{value.translate(_TEXT)}"' if not value.isalnum() else f'"{value}"'
    return "true" if value else "false"


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else "" if value is None else orjson.dumps(value).decode()
    return f'"{clean(text, STORED_TEXT_AT_MOST).translate(_TEXT)}"'


def _others(event: Event, parsed: dict[str, Any], time_ns: int) -> Iterator[str]:
    vin = _tag(event.vin)
    if event.kind == CONNECTIVITY:
        said = {"status": "status", "connection_id": "connectionId", "network_interface": "networkInterface"}
        fields = ",".join(f"{name}={_quoted(parsed.get(key))}" for name, key in said.items())
        yield f"connectivity,vin={vin} {fields} {time_ns}\n"
        return
    measurement, words = ("alerts", _alert) if event.kind == ALERTS else ("errors", _error)
    for number, one in enumerate(parsed.get(measurement) or ()):
        yield f"{measurement},vin={vin} {words(one)} {time_ns + min(number, _SEQS - 1)}\n"


def _alert(alert: dict[str, Any]) -> str:
    audiences = _quoted(",".join(map(str, alert.get("audiences") or ())))
    times = f"started_at={_quoted(alert.get('startedAt'))},ended_at={_quoted(alert.get('endedAt'))}"
    active = "true" if alert.get("endedAt") is None else "false"
    return f"name={_quoted(clean(str(alert.get('name')), NAME_AT_MOST))},active={active},audiences={audiences},{times}"


def _error(error: dict[str, Any]) -> str:
    name = _quoted(clean(str(error.get("name")), NAME_AT_MOST))
    return f"name={name},body={_quoted(error.get('body'))},tags={_quoted(error.get('tags') or {})}"
