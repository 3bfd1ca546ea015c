"""
Last known values as lines of JSON, each vehicle's as of a seq: what a checkpoint holds, and what one node tells another.

    line 1      of what these are the values
    a line      one vehicle: its values and times, as of the seq in it
    last line   checksum of all before

Lines are made while a server runs, so they hold for different seqs; an event is applied to a vehicle only if its seq is later
than the vehicle's line. What comes of it is what a reader of the whole log would have. Pure. Lines may come from anywhere, so
each is checked when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import orjson

from .._crc32c import checksum
from ..rfc3339 import parse_rfc3339
from ..vin import is_vin
from .last_values import FARTHEST_NS, FIELDS_AT_MOST, LastValues, VehicleValues

VALUES_VERSION = 1
LINE_BYTES_AT_MOST = 1024 * 1024  # twice what a vehicle's values take whose every character is escaped (VALUE_BYTES_AT_MOST)
_MS = 1_000_000


class BadLines(Exception):
    """What was to be lines of values is something else. The message says what."""


class ReadableLog(Protocol):
    """What is read of a log."""

    @property
    def seq(self) -> int: ...
    @property
    def oldest(self) -> int: ...
    def events_after(self, seq: int, limit: int) -> list[tuple[int, int, str, bytes, int]]: ...


class ValueLine(NamedTuple):
    vin: str
    seq: int
    vehicle: VehicleValues


def head_line(of: str, members: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"teslafast": of, "version": VALUES_VERSION, **members}, option=orjson.OPT_APPEND_NEWLINE)


def vehicle_line(vin: str, vehicle: VehicleValues, seq: int) -> bytes:
    times = {name: time_ns // _MS for name, time_ns in vehicle.times.items()}
    members = {
        "vin": vin,
        "seq": seq,
        "newest": vehicle.newest_ns // _MS,
        "values": vehicle.values,
        "times": times,
        "ahead": sorted(vehicle.ahead),
    }
    return orjson.dumps(members, option=orjson.OPT_APPEND_NEWLINE)


def vehicle_lines(values: LastValues, log: ReadableLog) -> Iterator[bytes]:
    """A line of each vehicle, made when it is asked for, as of the log's seq at that moment."""
    for vin, vehicle in values.each():
        yield vehicle_line(vin, vehicle, log.seq)


def chained(crc: int, line: bytes) -> int:
    """The checksum of all lines up to this one."""
    return checksum(crc.to_bytes(4, "little") + line)


def sealed(lines: Iterable[bytes]) -> Iterator[bytes]:
    """These lines and the last one."""
    crc = 0
    for line in lines:
        crc = chained(crc, line)
        yield line
    yield b"%08x\n" % crc


def opened(content: bytes, of: str) -> tuple[dict[str, Any], list[bytes]]:
    """The first line's members, and the vehicles' lines. Raises BadLines."""
    *body, end = content.splitlines(keepends=True) or [b""]
    crc = 0
    for line in body:
        crc = chained(crc, line)
    if not body or end != b"%08x\n" % crc:
        raise BadLines("it is torn: its checksum is not that of its lines")
    head = _members(body[0])
    if head.get("teslafast") != of:
        raise BadLines(f"it is not a {of}")
    if head.get("version") != VALUES_VERSION:
        raise BadLines(f"its version is {head.get('version')!r}, and this teslafast reads {VALUES_VERSION}")
    return head, body[1:]


def number_in(head: Mapping[str, Any], name: str) -> int:
    """A count or a place in the first line. Raises BadLines."""
    number = head.get(name)
    if type(number) is not int or not 0 <= number < 1 << 63:
        raise BadLines(f"its {name} is {str(number)[:40]!r}")
    return number


def _members(line: bytes) -> dict[str, Any]:
    try:
        members = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadLines(f"a line is not JSON: {error}") from None
    if not isinstance(members, dict):
        raise BadLines("a line is not an object")
    return members


def read_vehicle(line: bytes) -> ValueLine:
    """Raises BadLines."""
    if len(line) > LINE_BYTES_AT_MOST:
        raise BadLines(f"a line has {len(line)} bytes")
    said = _members(line)
    vin, values, times, ahead = said.get("vin"), said.get("values"), said.get("times"), said.get("ahead", [])
    if not isinstance(vin, str) or not is_vin(vin):
        raise BadLines("a line names no vehicle")
    if not isinstance(values, dict) or not isinstance(times, dict) or not isinstance(ahead, list):
        raise BadLines(f"the line of {vin} lacks its values or times")
    if values.keys() != times.keys() or len(values) > FIELDS_AT_MOST or not _known(ahead, values):
        raise BadLines(f"the line of {vin} has other values than times, or more than {FIELDS_AT_MOST}")
    try:
        orjson.dumps([values])  # as deep as in a message to a dashboard: what is read may be deeper than what can be written
    except (TypeError, ValueError) as error:
        raise BadLines(f"the line of {vin} has a value that cannot be told: {error}") from None
    exact = {name: _time_ns(time_ms, vin) for name, time_ms in times.items()}
    vehicle = VehicleValues.restored(values, exact, _time_ns(said.get("newest"), vin), set(ahead))
    return ValueLine(vin, number_in(said, "seq"), vehicle)


def _known(ahead: list[Any], values: Mapping[str, Any]) -> bool:
    return all(isinstance(name, str) and name in values for name in ahead)


def _time_ns(time_ms: object, vin: str) -> int:
    if type(time_ms) is int and abs(time_ms) <= FARTHEST_NS // _MS + 1:
        return time_ms * _MS
    raise BadLines(f"the line of {vin} has a time that is none")


def merge_event(values: LastValues, vin: str, text: bytes, time_ms: int) -> None:
    """Takes in a data event as a log has it."""
    event = orjson.loads(text)
    created = event["createdAt"]
    created_ns = parse_rfc3339(created) if created is not None else None
    values.merge(vin, event["data"], created_ns, time_ms * _MS, event.get("isResend") is True, len(text))
