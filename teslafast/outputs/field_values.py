"""
A data event as a database stores it: names and plain values, each name with one type for ever.

    "Soc": 64.5                            Soc = 64.5
    "Soc": "64.5"                          Soc = 64.5                      old firmware's text
    "Soc": "SNA"                           Soc_text = "SNA"                not the type that the field has: under another name
    "Gear": 99                             Gear = "99"                     an enum's number without a name
    "Location": {"latitude": 37.4, …}      Location_latitude = 37.4, …     a structure's members
    "ScheduledDepartureTime": {"hour": …}  ScheduledDepartureTime = "07:05:00"
    "Field_300": true                      Field_300_bool = true           newer than this version: the type is in the name
    "VehicleSpeed": null                   VehicleSpeed = None             the vehicle says that there is no valid value

Nothing is lost, and no value decides how a later one is stored. Names and texts are bounded, and hold no NUL: PostgreSQL has no
room for it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from .field_types import BOOLEANS, NUMBERS, TEXTS
from .mqtt_topics import CLOCK

Plain = float | str | bool | None

NAME_AT_MOST = 128  # characters; the longest name of the protocol with a member has 60
STORED_TEXT_AT_MOST = 16 * 1024  # characters: RouteLine, a whole route in base64, has some thousand
FIRST_MS = 946_684_800_000  # the year 2000: an earlier clock of a car is one that was never set
_NUMBERS_OF_STRUCTURES = frozenset({"latitude", "longitude"})  # all other members are booleans: doors, tyres
_NEWER = re.compile(r"Field_[0-9]+")  # how the flat event names a field of newer firmware
_TRUTH = {"true": True, "false": False, "True": True, "False": False}


def plain_values(data: Mapping[str, Any]) -> Iterator[tuple[str, Plain]]:
    """Every value of a data event, under the name that it is stored by."""
    for name, value in data.items():
        kind = type(value)
        if (kind is float and name in NUMBERS) or (kind is str and name in TEXTS and len(value) < 64 and "\0" not in value):
            yield name, value  # nearly all of them
        else:
            yield from _stored(clean(name, NAME_AT_MOST) or "_", value)


def moment_ms(created: object, received_ms: int) -> int:
    """
    When an event happened, ms since 1970: the vehicle's time, unless it gave none, or one that cannot be.

    A time ahead of its receipt counts as that, as everywhere in the server.
    """
    if not isinstance(created, str):
        return received_ms
    try:
        moment = datetime.fromisoformat(created)
        since_1970_s = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return received_ms
    created_ms = round(since_1970_s * 1000)
    return created_ms if FIRST_MS <= created_ms <= received_ms else received_ms


def clean(text: str, most: int) -> str:
    """Without NUL, and no longer than that."""
    return text.replace("\0", "\ufffd")[:most] if "\0" in text or len(text) > most else text


def _stored(name: str, value: Any) -> Iterator[tuple[str, Plain]]:
    if value is None:
        yield name, None
    elif isinstance(value, dict):
        if value.keys() == CLOCK and all(isinstance(part, int) for part in value.values()):
            yield _text(name, f"{value['hour']:02d}:{value['minute']:02d}:{value['second']:02d}")
        else:
            for member, inner in value.items():
                yield _member(f"{name}_{clean(member, NAME_AT_MOST)}", member, inner)
    elif isinstance(value, bool):
        yield _boolean(name, value)
    elif isinstance(value, int | float):
        yield _number(name, value)
    elif isinstance(value, str):
        yield _read(name, clean(value, STORED_TEXT_AT_MOST))
    else:
        yield f"{name}_text", clean(orjson.dumps(value).decode(), STORED_TEXT_AT_MOST)


def _member(name: str, member: str, value: Any) -> tuple[str, Plain]:
    """One of a structure: what a vehicle would not send keeps its value as JSON."""
    usual = member.isalnum() and member[0].isalpha() and len(name) <= NAME_AT_MOST
    name = name[:NAME_AT_MOST]
    if isinstance(value, bool):
        return (name if usual and member not in _NUMBERS_OF_STRUCTURES else f"{name}_bool"), value
    if isinstance(value, int | float):
        return (name if usual and member in _NUMBERS_OF_STRUCTURES else f"{name}_number"), float(value)
    if value is None:
        return name, None
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return f"{name}_text", clean(text, STORED_TEXT_AT_MOST)


def _boolean(name: str, value: bool) -> tuple[str, Plain]:
    if name in TEXTS:
        return name, "true" if value else "false"
    return (name if name in BOOLEANS else f"{name}_bool"), value


def _number(name: str, value: float) -> tuple[str, Plain]:
    if name in TEXTS:
        return name, str(value)
    if name in BOOLEANS:
        return (name, bool(value)) if value in (0, 1) else (f"{name}_number", float(value))
    # a name such as DoorState_DriverFront is a boolean's, if it is a structure's member
    return (name if "_" not in name or _NEWER.fullmatch(name) else f"{name}_number"), float(value)


def _read(name: str, value: str) -> tuple[str, Plain]:
    """Text, which for an old vehicle is how everything is written."""
    if name in BOOLEANS and value in _TRUTH:
        return name, _TRUTH[value]
    if name in NUMBERS:
        try:
            number = float(value)
        except ValueError:
            return f"{name}_text", value
        return (name, number) if abs(number) <= 1e308 else (f"{name}_text", value)  # neither inf nor nan
    return _text(name, value)


def _text(name: str, value: str) -> tuple[str, Plain]:
    return (name if name in TEXTS else f"{name}_text"), value
