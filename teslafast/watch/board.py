"""
The live table: what a dashboard knows of each vehicle, and that as lines of text.

`Board.take` folds one event of the stream (contract: flat shape) into the state; `render` is a function of state, time and
size. No line is wider than the terminal: columns are left out by their rank until the rest fits, then cut. Everything comes
from the network and is shown on a terminal, so nothing of it gets there but printable characters. Pure: time (any monotonic
seconds) is an argument.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..text import cut, printable

MOST_VEHICLES = 5000  # more than anybody looks at; the memory is bounded by it
NOTICES = 5
RECORDS = frozenset({"data", "alerts", "errors", "connectivity"})


@dataclass(slots=True)
class Car:
    """The last known values of one vehicle; `heard_s` None: only a snapshot so far."""

    vin: str
    values: dict[str, Any] = field(default_factory=dict)
    seq: int | None = None
    heard_s: float | None = None
    away: bool = False


class Board:
    """What is known. `link` is a word on the connection, `seq` the last event's; `notices` are the last few remarkable things."""

    def __init__(self, title: str) -> None:
        self.title = printable(title)
        self.link = "connecting"
        self.seq: int | None = None
        self.events = 0
        self.gaps = 0
        self.cars: dict[str, Car] = {}
        self.notices: deque[str] = deque(maxlen=NOTICES)

    def note(self, text: str) -> None:
        self.notices.append(printable(text))

    def take(self, event: dict[str, Any], now_s: float) -> None:
        """One event; a kind that is not known is passed over, so that newer servers can be watched."""
        kind = event.get("type")
        if kind in RECORDS:
            self.events += 1
            self.seq = _whole(event.get("seq"))
        if kind in RECORDS or kind == "snapshot":
            car = self._car(printable(str(event.get("vin"))))
            if kind != "snapshot":
                car.heard_s, car.seq = now_s, self.seq
            _KINDS[kind](self, car, event)
        elif kind in _WORDS:
            self.gaps += kind == "gap"
            self.note(_WORDS[kind](event))

    def _car(self, vin: str) -> Car:
        if vin not in self.cars and len(self.cars) >= MOST_VEHICLES:
            return Car(vin)
        return self.cars.setdefault(vin, Car(vin))

    def _data(self, car: Car, event: dict[str, Any]) -> None:
        data = event.get("data")
        if isinstance(data, dict):
            car.values.update((key, value) for key, value in data.items() if key in _SHOWN)
        car.away = car.away and event["type"] == "snapshot"

    def _connectivity(self, car: Car, event: dict[str, Any]) -> None:
        car.away = event.get("status") == "DISCONNECTED"
        self.note(f"{car.vin} {str(event.get('status')).lower()} {event.get('networkInterface') or ''}".rstrip())

    def _alerts(self, car: Car, event: dict[str, Any]) -> None:
        for alert in _objects(event.get("alerts")):
            self.note(f"{car.vin} alert {alert.get('name')} {'ended' if alert.get('endedAt') else 'began'}")

    def _errors(self, car: Car, event: dict[str, Any]) -> None:
        for error in _objects(event.get("errors")):
            tags = error.get("tags")
            told = ", ".join(f"{key}={value}" for key, value in tags.items()) if isinstance(tags, dict) else ""
            self.note(f"{car.vin} error {error.get('name')} {told}".rstrip())


_KINDS: dict[str, Callable[[Board, Car, dict[str, Any]], None]] = {
    "data": Board._data,
    "snapshot": Board._data,
    "alerts": Board._alerts,
    "errors": Board._errors,
    "connectivity": Board._connectivity,
}
_WORDS: dict[object, Callable[[dict[str, Any]], str]] = {
    "gap": lambda event: f"gap: events {event.get('from')} to {event.get('to')} are lost to us",
    "error": lambda event: f"the server says: {event.get('reason')}",
    "token_expiring": lambda event: "the token is about to end: mint another with `teslafast token`",
}


class Column(NamedTuple):
    """`rank`: the higher, the sooner it is left out of a narrow table."""

    name: str
    width: int
    rank: int
    cell: Callable[[Car, float], str]


COLUMNS = (
    Column("VIN", 17, 0, lambda car, now: car.vin),
    Column("HEARD", 5, 4, lambda car, now: "away" if car.away else _age(car.heard_s, now)),
    Column("SOC %", 5, 1, lambda car, now: _number(car.values.get("Soc"), 1)),
    Column("MPH", 5, 2, lambda car, now: _number(car.values.get("VehicleSpeed"), 1)),
    Column("GEAR", 4, 3, lambda car, now: _name(car.values.get("Gear"), "ShiftState")),
    Column("CHARGING", 18, 5, lambda car, now: _charging(car.values)),
    Column("PLACE", 20, 6, lambda car, now: _place(car.values.get("Location"))),
    Column("SEQ", 9, 7, lambda car, now: _seq(car.seq)),
)
_SHOWN = frozenset({"Soc", "VehicleSpeed", "Gear", "Location", "DetailedChargeState", "ACChargingPower", "DCChargingPower"})


def render(board: Board, now_s: float, width: int, height: int) -> list[str]:
    """At most `height` lines of at most `width` cells: a title, the table (by VIN), and the notices as far as there is room."""
    columns = _fitting(width)
    head = f"{board.title}  {board.link}  vehicles {len(board.cars)}  events {board.events}  seq {_seq(board.seq)}"
    if board.gaps:
        head += f"  gaps {board.gaps}"
    notices = list(board.notices)[-max(height // 3, 1) :]
    room = max(height - 2 - len(notices), 1)
    cars = [board.cars[vin] for vin in sorted(board.cars)]
    hidden = len(cars) - room if len(cars) > room else 0
    rows = [_row([column.cell(car, now_s) for column in columns], columns) for car in cars[: room - 1 if hidden else room]]
    if hidden:
        rows.append(f"... and {hidden + 1} more")
    lines = [head, _row([column.name for column in columns], columns), *rows, *notices]
    return [cut(line, width) for line in lines[:height]]


def _fitting(width: int) -> list[Column]:
    columns = list(COLUMNS)
    while len(columns) > 1 and sum(column.width + 2 for column in columns) - 2 > width:
        columns.remove(max(columns, key=lambda column: column.rank))
    return columns


def _row(cells: list[str], columns: list[Column]) -> str:
    return "  ".join(cut(cell, column.width).ljust(column.width) for cell, column in zip(cells, columns, strict=True)).rstrip()


def _number(value: object, digits: int) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return f"{value:.{digits}f}" if number else "-"


def _name(value: object, prefix: str) -> str:
    return printable(value.removeprefix(prefix)) if isinstance(value, str) else "-"


def _charging(values: dict[str, Any]) -> str:
    state = _name(values.get("DetailedChargeState"), "DetailedChargeState")
    if state != "Charging":
        return state
    powers = [values.get(key) for key in ("ACChargingPower", "DCChargingPower")]
    kw = sum(power for power in powers if isinstance(power, (int, float)))
    return f"Charging {_number(kw, 1)} kW"


def _seq(seq: int | None) -> str:
    return "-" if seq is None else str(seq)


def _place(value: object) -> str:
    if not isinstance(value, dict):
        return "-"
    return f"{_number(value.get('latitude'), 4)}, {_number(value.get('longitude'), 4)}"


def _age(heard_s: float | None, now_s: float) -> str:
    if heard_s is None:
        return "-"
    age = max(now_s - heard_s, 0)
    for limit, size, unit in ((1, 1, ""), (100, 1, "s"), (6000, 60, "m"), (360_000, 3600, "h")):
        if age < limit:
            return f"{int(age / size)}{unit}" if unit else "now"
    return f"{int(age / 86400)}d"


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
