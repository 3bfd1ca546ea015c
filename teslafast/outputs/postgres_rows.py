"""
Events as rows of PostgreSQL's binary COPY.

    COPY_HEADER, rows, COPY_END             a row: the number of its columns, then for each its length and bytes; -1 is NULL

A row is put together of bytes that are ready: what all rows of an event begin with and end in, and the field's name. That costs
9 µs an event of 14 fields; the same through asyncpg's own encoder costs 16 (`bench/outputs/postgres.py`). Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from ..core.records import DATA
from . import Event
from .field_values import clean, moment_ms, plain_values

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"
VALUE_COLUMNS = ("time", "vin", "field", "num", "str", "epoch", "seq", "resend")
EVENT_COLUMNS = ("time", "vin", "type", "body", "epoch", "seq")
NAMES_AT_MOST = 10_000  # names kept ready; cars have some 300, and a stranger's made-up ones are forgotten
_YEAR_2000_MS = 946_684_800_000  # PostgreSQL counts from there
_JSONB = b"\x01"  # the version of jsonb's binary form, before its text

_HEAD = struct.Struct("!hiqi").pack  # columns, time, the VIN's length
_END = struct.Struct("!iiiqi?").pack  # epoch, seq, resend
_END_OF_EVENT = struct.Struct("!iiiq").pack
_NUMBER = struct.Struct("!idi").pack  # num, str: NULL
_TRUE, _FALSE = (struct.pack("!idi", 8, number, len(word)) + word for number, word in ((1.0, b"true"), (0.0, b"false")))
_TEXT = struct.Struct("!ii").pack  # num: NULL, str's length
_LENGTH = struct.Struct("!i").pack
_INVALID = struct.pack("!ii", -1, -1)


class Rows(NamedTuple):
    """`values` for the table, `events` for that of other events."""

    values: bytes
    events: bytes


class RowEncoder:
    """`epoch`: the number that rows name the log's epoch by."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._names: dict[str, bytes] = {}

    def rows(self, event: Event) -> Rows:
        parsed = orjson.loads(event.text)
        time_us = (moment_ms(parsed.get("createdAt"), event.time_ms) - _YEAR_2000_MS) * 1000
        vin = event.vin.encode()
        if event.kind != DATA:
            return Rows(b"", self._event(event, parsed, time_us, vin))
        begin = _HEAD(len(VALUE_COLUMNS), 8, time_us, len(vin)) + vin
        end = _END(4, self._epoch, 8, event.seq, 1, bool(parsed.get("isResend")))
        return Rows(self._values(parsed.get("data") or {}, begin, end), b"")

    def _values(self, data: dict[str, Any], begin: bytes, end: bytes) -> bytes:
        parts: list[bytes] = []
        add: Callable[[bytes], None] = parts.append
        names = self._names
        for name, value in plain_values(data):
            key = names.get(name) or self._named(name)
            kind = type(value)
            if kind is float:
                add(begin + key + _NUMBER(8, value, -1) + end)
            elif kind is str:
                text = value.encode()  # type: ignore[union-attr]  # its kind has been asked
                add(begin + key + _TEXT(-1, len(text)) + text + end)
            elif value is None:
                add(begin + key + _INVALID + end)
            else:
                add(begin + key + (_TRUE if value else _FALSE) + end)
        return b"".join(parts)

    def _named(self, name: str) -> bytes:
        if len(self._names) >= NAMES_AT_MOST:
            self._names.clear()
        text = name.encode()
        key = self._names[name] = _LENGTH(len(text)) + text
        return key

    def _event(self, event: Event, parsed: dict[str, Any], time_us: int, vin: bytes) -> bytes:
        text = orjson.dumps(_without_nul(parsed)) if b"\\u0000" in event.text else event.text
        kind = str(parsed["type"]).encode()
        head = _HEAD(len(EVENT_COLUMNS), 8, time_us, len(vin)) + vin + _LENGTH(len(kind)) + kind
        return head + _LENGTH(len(text) + 1) + _JSONB + text + _END_OF_EVENT(4, self._epoch, 8, event.seq)


def _without_nul(value: Any) -> Any:
    """The same JSON value; jsonb has no room for a NUL."""
    if isinstance(value, dict):
        return {clean(key, len(key)): _without_nul(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_nul(inner) for inner in value]
    return clean(value, len(value)) if isinstance(value, str) else value
