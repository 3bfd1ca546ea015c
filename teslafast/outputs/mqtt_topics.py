"""
An event as MQTT messages: the topics and payloads of Tesla's own server, made from the flat event.

    BASE/VIN/v/FIELD                  one JSON value
    BASE/VIN/alerts/NAME/current      of the alerts of this event: the one that started last
    BASE/VIN/alerts/NAME/history      all of this event, in a list
    BASE/VIN/errors/NAME
    BASE/VIN/connectivity

What its payloads say, these say: enums by their full names, `null` for invalid, times as "HH:MM:SS", of the tyres only those with
a warning. Where it would lose its connection or a record (a field without a value, NaN), there is `null`. Names that a vehicle
made up cannot be wildcards or further levels: each character that would be is a `_`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import orjson

TOPICS_AT_MOST = 100_000  # kept ready: 400 cars with every field, some 10 MB
NO_TOPIC = re.compile(r"[/+#\x00-\x1f\x7f]")
UNKNOWN = "Field_"  # how the flat event names a field of newer firmware; Tesla's server has the bare number
TYRES = ("TpmsHardWarnings", "TpmsSoftWarnings")
CLOCK = {"hour", "minute", "second"}
# An enum's number that has no name is quoted in these, so that a field's values are of one type; Tesla's server does so, too.
_NAMED = """
    Gear DiStateR DiStateF DiStateREL DiStateRER Hvil ScheduledChargingMode FdWindow FpWindow RdWindow
    RpWindow SentryMode DriverSeatBelt PassengerSeatBelt SemitruckPassengerSeatFoldPosition
    SemitruckTractorParkBrakeStatus SemitruckTrailerParkBrakeStatus CarType ChargePort ChargePortLatch
    CruiseFollowDistance SpeedLimitWarning ForwardCollisionWarning LaneDepartureAvoidance BMSState
    GuestModeMobileAccessState DetailedChargeState
"""
QUOTED = frozenset(_NAMED.split())


class Placed(NamedTuple):
    """`lasting`: it may be retained."""

    topic: bytes
    payload: bytes
    lasting: bool = True


class Layout(Protocol):
    """Which messages a field's value is, which an event that is not `data`; under what all of a vehicle's are."""

    def values(self, vin: str, field: str, value: Any) -> list[Placed]: ...
    def reports(self, vin: str, event: Mapping[str, Any]) -> list[Placed]: ...
    def wildcard(self, vin: str) -> bytes: ...


def level(name: str) -> str:
    """A name as one level of a topic."""
    return NO_TOPIC.sub("_", name) or "_"


class FleetLayout:
    def __init__(self, base: str) -> None:
        self._base = base
        self._topics: dict[tuple[str, str], bytes] = {}

    def values(self, vin: str, field: str, value: Any) -> list[Placed]:
        topic = self._topics.get((vin, field))
        if topic is None:
            if len(self._topics) >= TOPICS_AT_MOST:
                self._topics.clear()
            topic = f"{self._base}/{level(vin)}/v/{level(field.removeprefix(UNKNOWN))}".encode()
            self._topics[vin, field] = topic
        return [Placed(topic, orjson.dumps(_plain(field, value)))]

    def reports(self, vin: str, event: Mapping[str, Any]) -> list[Placed]:
        start = f"{self._base}/{level(vin)}"
        if "alerts" in event:
            return list(_alerts(start, event["alerts"]))
        if "errors" in event:
            return [Placed(f"{start}/errors/{level(one['name'])}".encode(), orjson.dumps(_error(one))) for one in event["errors"]]
        said = {"ConnectionId": event["connectionId"], "CreatedAt": whole_second(event["createdAt"]), "Status": event["status"]}
        return [Placed(f"{start}/connectivity".encode(), orjson.dumps(said))]

    def wildcard(self, vin: str) -> bytes:
        return f"{self._base}/{level(vin)}/#".encode()


def _plain(field: str, value: Any) -> Any:
    if isinstance(value, dict):
        if field in TYRES:
            return {snake_case(tyre): True for tyre, warns in sorted(value.items()) if warns}
        if value.keys() == CLOCK:
            return f"{value['hour']:02d}:{value['minute']:02d}:{value['second']:02d}"
    elif field in QUOTED and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    elif isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)  # 75, not 75.0: some compare texts
    return value


def snake_case(name: str) -> str:
    """frontLeft → front_left, semiMiddleAxleLeft2 → semi_middle_axle_left_2, ACChargingPower → ac_charging_power."""
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z0-9])(?=[A-Z][a-z])", "_", name).lower()


def whole_second(text: str | None) -> str | None:
    """RFC 3339 without a fraction."""
    return f"{text[:19]}Z" if text is not None else None


def _alerts(start: str, alerts: list[dict[str, Any]]) -> Iterator[Placed]:
    by_name: dict[str, list[dict[str, Any]]] = {}
    for alert in alerts:
        by_name.setdefault(level(alert["name"]), []).append(alert)
    for name, group in by_name.items():
        started = [alert for alert in group if alert["startedAt"] is not None]
        if started:
            latest = max(started, key=lambda alert: str(alert["startedAt"]))  # of one form, so texts compare as times do
            yield Placed(f"{start}/alerts/{name}/current".encode(), orjson.dumps(_alert(latest)))
        yield Placed(f"{start}/alerts/{name}/history".encode(), orjson.dumps([_alert(alert) for alert in group]))


def _alert(alert: dict[str, Any]) -> dict[str, Any]:
    times = {"StartedAt": whole_second(alert["startedAt"]), "EndedAt": whole_second(alert["endedAt"])}
    return {name: time for name, time in times.items() if time is not None} | {"Audiences": alert["audiences"] or None}


def _error(error: dict[str, Any]) -> dict[str, Any]:
    created = {"CreatedAt": whole_second(error["createdAt"])} if error["createdAt"] is not None else {}
    return {"Body": error["body"], "Tags": error["tags"] or None} | created
