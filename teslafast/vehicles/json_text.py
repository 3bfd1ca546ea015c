"""Records that vehicles send as JSON text, in development only: `flat` or `fleet` shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from ..core.records import Report
from ..errors import Malformed
from ..protocol._wire import FLAT, FLEET, TOPICS, read_record, write_record
from ..protocol.from_flat import untyped_value
from ..rfc3339 import parse_rfc3339, rfc3339
from ..vin import is_vin, mended_vin

TOPIC_OF_KIND = {kind: topic for topic, kind in TOPICS.items()}

DEPTH_AT_MOST = 16  # of objects in objects: the schema needs 4; what is read here goes out again inside other objects
MESSAGE_FIELDS_AT_MOST = 4096  # in one JSON text message

_MARKS = {"data": "data", "alerts": "alerts", "errors": "errors", "status": "connectivity"}  # fleet shape: member → kind
_NOT_THE_RECORDS = {"txid", "seq"}  # what a message has besides: its own name, and its place in the stream that it was taken from


@dataclass(frozen=True, slots=True)
class Text:
    """
    A vehicle's JSON message: its record, how to say it in `fleet` shape, and the txid to be acknowledged, if it has one.

    payload    its protobuf; None if it came in the flat shape, which does not say what type its values have
    """

    report: Report
    fleet: Callable[[], dict[str, Any]]
    txid: str | int | None
    payload: bytes | None = None


def read_text(text: bytes, vin: str) -> Text:
    """A JSON text message in `flat` or `fleet` shape; `vin`: the connection's, "" if not known. Raises Malformed."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Malformed("not JSON") from None
    if not isinstance(message, dict):
        raise Malformed("not a JSON object")
    if _deeper_than(message, DEPTH_AT_MOST):
        raise Malformed(f"nested more than {DEPTH_AT_MOST} levels deep")
    txid = message.get("txid")
    named = message.get("vin") or ""
    if not isinstance(named, str) or not isinstance(txid, str | int | None):
        raise Malformed("vin is not a string, or txid neither that nor a number")
    named = mended_vin(named)
    vin = vin or named
    if not is_vin(vin):
        raise Malformed("no vehicle is named: connect to /?vin=VIN, or give vin")
    differs = named not in ("", vin)
    if isinstance(message.get("data"), dict):
        report = _flat_report(message, vin, differs)
        return Text(report, partial(fleet_of_flat, report.body), txid)
    return _fleet_text(message, vin, differs, txid)


def _deeper_than(value: object, levels: int) -> bool:
    members = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
    return members is not None and (levels == 0 or any(_deeper_than(member, levels - 1) for member in members))


def _flat_report(message: dict[str, Any], vin: str, vin_differs: bool) -> Report:
    data: dict[str, Any] = message["data"]
    if len(data) > MESSAGE_FIELDS_AT_MOST:
        raise Malformed(f"more than {MESSAGE_FIELDS_AT_MOST} fields")
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
    return Text(report, lambda: read_record(topic, payload, vin, FLEET).body, txid, payload)


def fleet_of_flat(body: Mapping[str, Any]) -> dict[str, Any]:
    """The `fleet` body of a data event that came as flat JSON; which alternative a value had is told by its JSON type."""
    data = [{"key": field, "value": untyped_value(value)} for field, value in body["data"].items()]
    return {"data": data, "createdAt": body["createdAt"], "vin": body["vin"], "isResend": body["isResend"]}
