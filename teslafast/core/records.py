"""
What dashboards are told, as bytes: a vehicle's record in its shape, and the log's own words (hello, snapshot, gap …).

A record becomes the body of an event: a dict without `type` and `seq`, which the log puts in front (`_fanout.publish`). `flat` is
the shape that the log always has; `fleet` is the reference server's JSON. Values in, values out: no clock, no I/O.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson

from .. import __version__
from .._fanout import KINDS, frame
from ..config import is_vin
from ..errors import Malformed
from ..protocol._wire import FLAT, FLEET, TOPICS, read_record, write_record

DATA, ALERTS, ERRORS, CONNECTIVITY = range(len(KINDS))
KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
TOPIC_OF_KIND = {kind: topic for topic, kind in TOPICS.items()}

TEXT, BINARY = 1, 2
FIELDS_AT_MOST = 4096  # in one JSON text message

_MARKS = {"data": "data", "alerts": "alerts", "errors": "errors", "status": "connectivity"}  # fleet shape: member → kind
_NOT_THE_RECORDS = {"txid", "seq"}  # what a message has besides: its own name, and its place in the stream that it was taken from


@dataclass(frozen=True, slots=True)
class Report:
    """
    One record as it goes into the log; `_wire.Record` has the same attributes.

    body         the flat event without `type` and `seq`
    created_ns   the vehicle's own time, ns since 1970, None if it gave none
    signals      how many datums, alerts or errors it holds
    """

    kind: str
    body: dict[str, Any]
    created_ns: int | None = None
    is_resend: bool = False
    signals: int = 0
    vin_differs: bool = False


def rfc3339(time_ns: int) -> str:
    """RFC 3339, UTC, milliseconds, `Z`; `time_ns`: ns since 1970, years 1 to 9999."""
    moment = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat()  # strftime's %Y has no leading zeros
    return f"{moment[:19]}.{time_ns // 1_000_000 % 1000:03}Z"


def parse_rfc3339(text: str) -> int | None:
    """ns since 1970, None if the text is no such time."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: its year in UTC is 0 or 10000
        return None
    seconds = moment.replace(microsecond=0).timestamp()
    return int(seconds) * 1_000_000_000 + moment.microsecond * 1000


# ---- records that come as JSON (development)


@dataclass(frozen=True, slots=True)
class Text:
    """A vehicle's JSON message: its record, how to say it in `fleet` shape, and the txid to be acknowledged, if it has one."""

    report: Report
    fleet: Callable[[], dict[str, Any]]
    txid: str | int | None


def read_text(text: bytes, vin: str) -> Text:
    """A JSON text message in `flat` or `fleet` shape; `vin`: the connection's, "" if not known. Raises Malformed."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Malformed("not JSON") from None
    if not isinstance(message, dict):
        raise Malformed("not a JSON object")
    txid = message.get("txid")
    named = message.get("vin") or ""
    if not isinstance(named, str) or not isinstance(txid, str | int | None):
        raise Malformed("vin is not a string, or txid neither that nor a number")
    vin = vin or named
    if not is_vin(vin):
        raise Malformed("no vehicle is named: connect to /?vin=VIN, or give vin")
    differs = named not in ("", vin)
    if isinstance(message.get("data"), dict):
        report = _flat_report(message, vin, differs)
        return Text(report, partial(fleet_of_flat, report.body), txid)
    return _fleet_text(message, vin, differs, txid)


def _flat_report(message: dict[str, Any], vin: str, vin_differs: bool) -> Report:
    data: dict[str, Any] = message["data"]
    if len(data) > FIELDS_AT_MOST:
        raise Malformed(f"more than {FIELDS_AT_MOST} fields")
    given = message.get("createdAt")
    created_ns = parse_rfc3339(given) if isinstance(given, str) else None
    if given is not None and created_ns is None:
        raise Malformed("createdAt is not an RFC 3339 time")
    resend = message.get("isResend") is True
    body = {"vin": vin, "createdAt": None if created_ns is None else rfc3339(created_ns), "data": data, "isResend": resend}
    return Report("data", body, created_ns, resend, len(data), vin_differs)


def _fleet_text(message: dict[str, Any], vin: str, vin_differs: bool, txid: str | int | None) -> Text:
    """By way of the protocol's own bytes, so that the same checks and changes apply as to a binary message."""
    kind = next((kind for mark, kind in _MARKS.items() if mark in message), None)
    if kind is None:
        raise Malformed("none of data, alerts, errors and status is in it")
    topic = TOPIC_OF_KIND[kind]
    try:
        payload = write_record(topic, {name: message[name] for name in message.keys() - _NOT_THE_RECORDS})
        flat = read_record(topic, payload, vin, FLAT)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise Malformed(f"not a record of {kind}: {type(error).__name__}") from None
    report = Report(kind, flat.body, flat.created_ns, flat.is_resend, flat.signals, vin_differs)
    return Text(report, lambda: read_record(topic, payload, vin, FLEET).body, txid)


def fleet_of_flat(body: Mapping[str, Any]) -> dict[str, Any]:
    """The `fleet` body of a data event that came as flat JSON; which alternative a value had is told by its JSON type."""
    data = [{"key": field, "value": _fleet_value(value)} for field, value in body["data"].items()]
    return {"data": data, "createdAt": body["createdAt"], "vin": body["vin"], "isResend": body["isResend"]}


def _fleet_value(value: object) -> dict[str, Any]:
    match value:
        case None:
            return {"invalid": True}
        case bool():
            return {"booleanValue": value}
        case int() if abs(value) < 1 << 31:
            return {"intValue": value}
        case int():
            return {"longValue": str(value)}
        case float():
            return {"doubleValue": value if math.isfinite(value) else str(value)}
        case {"latitude": _, "longitude": _}:
            return {"locationValue": value}
        case str():
            return {"stringValue": value}
        case _:
            return {"stringValue": orjson.dumps(value).decode()}


# ---- connectivity, which the server itself makes


def connectivity(vin: str, connected: bool, connection_id: str, network_interface: str, now_ns: int) -> Report:
    body = {
        "vin": vin,
        "createdAt": rfc3339(now_ns),
        "status": "CONNECTED" if connected else "DISCONNECTED",
        "connectionId": connection_id,
        "networkInterface": network_interface,
    }
    return Report("connectivity", body, now_ns)


def fleet_of_connectivity(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: body[key] for key in ("vin", "connectionId", "status", "createdAt", "networkInterface")}


# ---- the log's own words, as WebSocket frames


def message(**members: object) -> bytes:
    """One text frame of a JSON object."""
    return frame(TEXT, orjson.dumps(members))


def hello(epoch: str, seq: int, oldest: int) -> bytes:
    return message(type="hello", epoch=epoch, seq=seq, oldest=oldest, server=f"teslafast/{__version__}")


def gap(first: int, last: int) -> bytes:
    return frame(TEXT, b'{"type":"gap","from":%d,"to":%d}' % (first, last))


def snapshot(seq: int, vin: str, created_ns: int, data: Mapping[str, Any]) -> bytes:
    return message(type="snapshot", seq=seq, vin=vin, createdAt=rfc3339(created_ns), isCache=True, data=data)


def refusal(reason: str) -> bytes:
    return message(type="error", reason=reason)


def subscribed(vins: Iterable[str] | None, types: Iterable[str] | None) -> bytes:
    return message(type="subscribed", vins=None if vins is None else sorted(vins), types=None if types is None else list(types))


def token_expiring(exp: float) -> bytes:
    return message(type="token_expiring", exp=int(exp))
