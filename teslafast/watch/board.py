"""
What a dashboard knows of each vehicle, and the last few remarkable things.

`Board.take` folds one event of the stream (docs/stream.md, the flat shape) into that. Everything comes from the network
and is shown on a terminal, so only printable characters get in where text is kept; render.py sees to the values. The memory is
bounded by MOST_VEHICLES and NOTICES. Pure: time (any monotonic seconds, and where it is known the time of day) is an argument.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..rfc3339 import parse_rfc3339
from ..text import printable

MOST_VEHICLES = 5000  # more than anybody can look at; later ones are left out
NOTICES = 5  # as many as leave room for the table on a small terminal
RECORDS = frozenset({"data", "alerts", "errors", "connectivity"})
# The fields of a vehicle that a table shows; the board keeps no others.
SHOWN_FIELDS = frozenset({"Soc", "VehicleSpeed", "Gear", "Location", "DetailedChargeState", "ACChargingPower", "DCChargingPower"})


@dataclass(slots=True)
class WatchedVehicle:
    """
    The last known values of one vehicle. `heard_s`: when its last event came, or was made, if there was only a snapshot; None if
    that is not known.
    """

    vin: str
    values: dict[str, Any] = field(default_factory=dict)
    seq: int | None = None
    heard_s: float | None = None
    disconnected: bool = False


class Board:
    """
    `status`: a word about the connection. `seq`: the last event's. `events` and `gaps` are counts. `time_s`: Unix time of the
    last event or note; None where nobody told, and then notices have no time.
    """

    def __init__(self, title: str) -> None:
        self.title = printable(title)
        self.status = "connecting"
        self.seq: int | None = None
        self.events = 0
        self.gaps = 0
        self.vehicles: dict[str, WatchedVehicle] = {}
        self.notices: deque[str] = deque(maxlen=NOTICES)
        self.time_s: float | None = None

    def note(self, text: str) -> None:
        at = "" if self.time_s is None else time.strftime("%H:%M:%S ", time.localtime(self.time_s))
        self.notices.append(at + printable(text))

    def take(self, event: dict[str, Any], now_s: float, time_s: float | None = None) -> None:
        """
        Takes in one event. An unknown type is ignored, so that a newer server can be watched.

        time_s    Unix time: with it notices say when, and a vehicle that only a snapshot tells of has an age
        """
        self.time_s = time_s
        kind = event.get("type")
        if kind in RECORDS:
            self.events += 1
            self.seq = _integer(event.get("seq"))
        if kind in RECORDS or kind == "snapshot":
            vehicle = self._vehicle(printable(str(event.get("vin"))))
            if kind != "snapshot":
                vehicle.heard_s, vehicle.seq = now_s, self.seq
            elif (
                vehicle.heard_s is None
                and time_s is not None
                and (made_ns := parse_rfc3339(str(event.get("createdAt")))) is not None
            ):
                vehicle.heard_s = now_s - max(time_s - made_ns / 1e9, 0.0)
            _TAKERS[kind](self, vehicle, event)
        elif kind in _NOTICES:
            self.gaps += kind == "gap"
            self.note(_NOTICES[kind](event))

    def _vehicle(self, vin: str) -> WatchedVehicle:
        """The board's entry; beyond MOST_VEHICLES one that nobody keeps."""
        if vin not in self.vehicles and len(self.vehicles) >= MOST_VEHICLES:
            return WatchedVehicle(vin)
        return self.vehicles.setdefault(vin, WatchedVehicle(vin))

    def _data(self, vehicle: WatchedVehicle, event: dict[str, Any]) -> None:
        data = event.get("data")
        if isinstance(data, dict):
            vehicle.values.update((key, value) for key, value in data.items() if key in SHOWN_FIELDS)
        # A snapshot is old news: only a new event shows that the vehicle is back.
        vehicle.disconnected = vehicle.disconnected and event["type"] == "snapshot"

    def _connectivity(self, vehicle: WatchedVehicle, event: dict[str, Any]) -> None:
        vehicle.disconnected = event.get("status") == "DISCONNECTED"
        self.note(f"{vehicle.vin} {str(event.get('status')).lower()} {event.get('networkInterface') or ''}".rstrip())

    def _alerts(self, vehicle: WatchedVehicle, event: dict[str, Any]) -> None:
        for alert in _objects(event.get("alerts")):
            self.note(f"{vehicle.vin} alert {alert.get('name')} {'ended' if alert.get('endedAt') else 'began'}")

    def _errors(self, vehicle: WatchedVehicle, event: dict[str, Any]) -> None:
        for error in _objects(event.get("errors")):
            tags = error.get("tags")
            words = ", ".join(f"{key}={value}" for key, value in tags.items()) if isinstance(tags, dict) else ""
            self.note(f"{vehicle.vin} error {error.get('name')} {words}".rstrip())


_TAKERS: dict[str, Callable[[Board, WatchedVehicle, dict[str, Any]], None]] = {
    "data": Board._data,
    "snapshot": Board._data,
    "alerts": Board._alerts,
    "errors": Board._errors,
    "connectivity": Board._connectivity,
}
_NOTICES: dict[object, Callable[[dict[str, Any]], str]] = {
    "gap": lambda event: f"gap: the server no longer has events {event.get('from')} to {event.get('to')}",
    "error": lambda event: f"the server reports: {event.get('reason')}",
    "token_expiring": lambda event: "the token expires soon: mint another with `teslafast token`",
}


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
