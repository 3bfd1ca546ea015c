"""
A flat event back to the record that it came from, in the fleet shape; as well as that can be known.

What flat does not say: a text may have been an enum's name or a string, a number a float or a double, null several things, and
of a time's fraction only milliseconds are left. So this is for what nothing better is there: events whose own bytes were not
kept, and JSON text in development.
"""

import math
from collections.abc import Mapping
from typing import Any

import orjson

from .messages import DOORS, MESSAGES, TIRES, TOPIC_MESSAGES, VALUE
from .signals import ENUMS

_STRANGE_FIELD = "Field_"  # and its number: how flat says a field that the schema does not have
_MESSAGES = dict(TOPIC_MESSAGES.values())  # kind of event -> message
# Every name of an enum that a Value may hold says which enum it is, by its prefix.
_ALTERNATIVES = {word: field.name for field in VALUE if field.type in ENUMS for word in ENUMS[field.type]}
_STRUCTURES = {
    frozenset(DOORS.split()): "doorValue",
    frozenset(TIRES.split()): "tireLocationValue",
    frozenset(("hour", "minute", "second")): "timeValue",
}


def fleet_of_event(kind: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """The fleet shape of a flat event of this kind; KeyError if a member is missing."""
    record = {field.name: event[field.name] for field in MESSAGES[_MESSAGES[kind]]}
    if kind == "data":
        record["data"] = [{"key": _key(name), "value": typed_value(value)} for name, value in event["data"].items()]
    for entries, message in (("alerts", "VehicleAlert"), ("errors", "VehicleError")):
        if entries == kind:
            record[kind] = [{field.name: entry[field.name] for field in MESSAGES[message]} for entry in event[kind]]
    return record


def _key(name: str) -> str | int:
    number = name.removeprefix(_STRANGE_FIELD)
    return int(number) if number != name and number.isascii() and number.removeprefix("-").isdigit() else name


def typed_value(value: object) -> dict[str, Any]:
    """The Value that a field's value in a flat event most likely was."""
    if isinstance(value, str) and value in _ALTERNATIVES:
        return {_ALTERNATIVES[value]: value}
    if isinstance(value, dict) and (alternative := _STRUCTURES.get(frozenset(value))) is not None:
        return {alternative: value}
    return untyped_value(value)


def untyped_value(value: object) -> dict[str, Any]:
    """A Value by nothing but its JSON type."""
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
