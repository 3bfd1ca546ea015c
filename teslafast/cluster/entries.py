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
from ..core.records import KIND_NUMBERS, OwnBytes, Record, Report, fleet_of_connectivity
from ..errors import Malformed
from ..protocol._wire import FLAT, FLEET, TOPICS, read_record
from .batch import CONNECTIVITY_CODE, TEXT_CODE, Entry

FleetOfFlat = Callable[[Mapping[str, Any]], dict[str, Any]]
_TOPIC_OF_CODE = {KIND_NUMBERS[kind]: topic for topic, kind in TOPICS.items()}
_TEXT_MEMBERS = ("kind", "body", "created_ns", "is_resend", "signals", "vin_differs")


# What `Hub.apply` takes of an entry. A plain tuple: there is one for each event of every node.
AppliedRecord = tuple[Record, MakeFleet, bytes | None]


def entry_of(vin: str, record: Record, txid: bytes | None, now_ns: int, own: OwnBytes | None) -> Entry:
    """Raises Malformed if the record cannot be JSON."""
    now_ms = now_ns // 1_000_000
    try:
        if txid is None:
            return Entry(CONNECTIVITY_CODE, vin, b"", orjson.dumps(record.body), now_ms)
        if own is not None and len(own) == 3:
            return Entry(KIND_NUMBERS[record.kind], vin, txid, own[2], now_ms)
        text = orjson.dumps({name: getattr(record, name) for name in _TEXT_MEMBERS})
    except (ValueError, TypeError) as error:
        raise Malformed(f"cannot be kept: {error}") from None
    return Entry(TEXT_CODE, vin, txid, text, now_ms)


def shown(entry: Entry, fleet_of_flat: FleetOfFlat) -> AppliedRecord:
    """
    The record that another node took in; `fleet_of_flat`: the other shape of a record that came as text.

    Raises Malformed if this version cannot read it.
    """
    topic = _TOPIC_OF_CODE.get(entry.code)
    if topic is not None:
        record = read_record(topic, entry.payload, entry.vin, FLAT)
        return record, partial(_fleet_body, topic, entry), entry.txid
    if entry.code not in (CONNECTIVITY_CODE, TEXT_CODE):
        raise Malformed(f"an event of code {entry.code}")
    try:
        said = orjson.loads(entry.payload)
        if entry.code == CONNECTIVITY_CODE:
            return Report("connectivity", said), partial(fleet_of_connectivity, said), None
        report = Report(**{name: said[name] for name in _TEXT_MEMBERS})
        if report.kind not in KIND_NUMBERS or not isinstance(report.body, dict):
            raise Malformed("not a record")
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Malformed(f"not a record: {error}") from None
    return report, partial(fleet_of_flat, report.body), entry.txid


def _fleet_body(topic: bytes, entry: Entry) -> dict[str, Any]:
    return read_record(topic, entry.payload, entry.vin, FLEET).body
