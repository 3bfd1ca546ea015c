"""
Records as batches carry them: a vehicle's own bytes where there are some, which every node decodes for itself.

    what was submitted ──▶ Entry ──▶ the stream ──▶ Entry ──▶ what is applied: the same record, on whatever node

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import orjson

from ..core.hub import MakeFleet
from ..core.records import CONNECTIVITY_MEMBERS, KIND_NUMBERS, OwnBytes, Record, Report, fleet_of_connectivity
from ..errors import Malformed
from ..protocol._wire import FLEET, TOPICS, read_record, write_record
from .batch import CONNECTIVITY_CODE, TEXT_CODE, Entry

FleetOfFlat = Callable[[Mapping[str, Any]], dict[str, Any]]
VERSIONED = (
    64  # added to a code: a byte, and so many bytes of the version that the vehicle's client named, come before the payload
)
_TOPIC_OF_CODE = {KIND_NUMBERS[kind] | more: topic for topic, kind in TOPICS.items() for more in (0, VERSIONED)}
_TEXT_MEMBERS: dict[str, type | tuple[type, ...]] = {
    "kind": str,
    "body": dict,
    "created_ns": (int, type(None)),
    "is_resend": bool,
    "signals": int,
    "vin_differs": bool,
}
_MOST = 1 << 63  # no number of a record reaches it


# What `Hub.apply` takes of an entry. A plain tuple: there is one for each event of every node.
AppliedRecord = tuple[Record, MakeFleet, bytes | None]


def entry_of(vin: str, record: Record, txid: bytes | None, now_ns: int, own: OwnBytes | None) -> Entry:
    """Raises Malformed if the record cannot be JSON."""
    now_ms = now_ns // 1_000_000
    try:
        if txid is None:  # such an event has no txid: the client's version stands there
            return Entry(CONNECTIVITY_CODE, vin, own[1] if own is not None else b"", orjson.dumps(record.body), now_ms)
        if own is not None and len(own) == 3:
            code, version = KIND_NUMBERS[record.kind], own[1][:255]
            if version:
                return Entry(code | VERSIONED, vin, txid, bytes([len(version)]) + version + own[2], now_ms)
            return Entry(code, vin, txid, own[2], now_ms)
        text = orjson.dumps({name: getattr(record, name) for name in _TEXT_MEMBERS})
    except (ValueError, TypeError) as error:
        raise Malformed(f"cannot be kept: {error}") from None
    return Entry(TEXT_CODE, vin, txid, text, now_ms)


def no_fleet() -> dict[str, Any]:
    """In the place of the other shape, where nobody asks for it: making the real one costs each event of every node."""
    raise AssertionError


def shown(entry: Entry, fleet_of_flat: FleetOfFlat, has_fleet: bool = True) -> AppliedRecord:
    """
    The record that another node took in; `fleet_of_flat`: the other shape of a record that came as text.

    has_fleet    whether the other shape may be asked for
    Raises Malformed if this version cannot read it.
    """
    code, vin, txid, payload, _ = entry
    topic = _TOPIC_OF_CODE.get(code)
    if topic is not None:
        if code & VERSIONED:
            payload = _parted(entry)[1]
        record = read_record(topic, payload, vin)
        return record, partial(_fleet_body, topic, payload, vin) if has_fleet else no_fleet, txid
    if entry.code not in (CONNECTIVITY_CODE, TEXT_CODE):
        raise Malformed(f"an event of code {entry.code}")
    try:
        said = orjson.loads(entry.payload)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"not a record: {error}") from None
    if entry.code == CONNECTIVITY_CODE:
        if not _is_connectivity(said):
            raise Malformed("not an event of connectivity")
        return Report("connectivity", said), partial(fleet_of_connectivity, said), None
    report = _report_of(said)
    return report, partial(_fleet_of_text, fleet_of_flat, report.body), entry.txid


def _is_connectivity(said: Any) -> bool:
    return isinstance(said, dict) and all(isinstance(said.get(name), str) for name in CONNECTIVITY_MEMBERS)


def _report_of(said: Any) -> Report:
    """A record that came as text, as another node wrote it down. Raises Malformed."""
    if not isinstance(said, dict):
        raise Malformed("not a record")
    for name, kinds in _TEXT_MEMBERS.items():
        if name not in said or not isinstance(said[name], kinds):
            raise Malformed(f"not a record: its {name}")
    report = Report(**{name: said[name] for name in _TEXT_MEMBERS})
    values = report.body.get("data")
    if report.kind not in KIND_NUMBERS or not report.body or (report.kind == "data" and not isinstance(values, dict)):
        raise Malformed("not a record: its body")
    if not 0 <= report.signals < _MOST or not 0 <= (report.created_ns or 0) < _MOST:
        raise Malformed("not a record: its numbers")
    return report


def _fleet_of_text(fleet_of_flat: FleetOfFlat, body: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return fleet_of_flat(body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Malformed(f"has no other shape: {error!r}") from None


def own_of(entry: Entry) -> OwnBytes | None:
    """What the ring keeps of it besides its event, where an output wants that; None if it has none."""
    if entry.code in _TOPIC_OF_CODE:
        version, payload = _parted(entry) if entry.code & VERSIONED else (b"", entry.payload)
        return entry.txid, version, payload
    if entry.code != CONNECTIVITY_CODE:
        return entry.txid, b""
    try:
        body = orjson.loads(entry.payload)
        return body["connectionId"].encode(), entry.txid, write_record(b"connectivity", fleet_of_connectivity(body))
    except (ValueError, KeyError, TypeError, AttributeError):  # its record is made from the event, as far as that tells
        return None


def _parted(entry: Entry) -> tuple[bytes, bytes]:
    """The client's version, and the record. Raises Malformed."""
    if not entry.payload:
        raise Malformed("a record without its version")
    end = 1 + entry.payload[0]
    return entry.payload[1:end], entry.payload[end:]


def _fleet_body(topic: bytes, payload: bytes, vin: str) -> dict[str, Any]:
    return read_record(topic, payload, vin, FLEET).body
