"""
The board as lines of text: a title, a table by VIN, and the last notices.

No line is wider than the terminal: columns are left out by their rank until the rest fits, and what is still too wide is cut.
Only printable characters get out. Pure: `render` is a function of the board, the time (any monotonic seconds) and the size.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..text import cut, printable
from .board import Board, WatchedVehicle


class Column(NamedTuple):
    """`rank`: the column with the highest is the first to be left out of a narrow table."""

    name: str
    width: int
    rank: int
    cell: Callable[[WatchedVehicle, float], str]


COLUMNS = (
    Column("VIN", 17, 0, lambda vehicle, now: vehicle.vin),
    Column("HEARD", 5, 4, lambda vehicle, now: "away" if vehicle.disconnected else _age(vehicle.heard_s, now)),
    Column("SOC %", 5, 1, lambda vehicle, now: _number(vehicle.values.get("Soc"), 1)),
    Column("MPH", 5, 2, lambda vehicle, now: _number(vehicle.values.get("VehicleSpeed"), 1)),
    Column("GEAR", 4, 3, lambda vehicle, now: _name(vehicle.values.get("Gear"), "ShiftState")),
    Column("CHARGING", 18, 5, lambda vehicle, now: _charging(vehicle.values)),
    Column("PLACE", 20, 6, lambda vehicle, now: _place(vehicle.values.get("Location"))),
    Column("SEQ", 9, 7, lambda vehicle, now: _seq(vehicle.seq)),
)
NO_VEHICLE = "No vehicle yet: try `teslafast simulate`, or find the reason with `teslafast doctor`. Ctrl-C ends this."
# An age is shown in the first unit in which it is below the limit: (limit, seconds of the unit, its letter).
_AGES = ((100, 1, "s"), (6000, 60, "m"), (360_000, 3600, "h"))


def render(board: Board, now_s: float, width: int, height: int) -> list[str]:
    """At most `height` lines of at most `width` cells; notices get a third of the height, the table the rest."""
    columns = _fitting(width)
    notices = list(board.notices)[-max(height // 3, 1) :]
    room = max(height - 2 - len(notices), 1)
    lines = [_title(board), _row([column.name for column in columns], columns), *_table(board, now_s, columns, room), *notices]
    return [cut(line, width) for line in lines[:height]]


def _title(board: Board) -> str:
    title = f"{board.title}  {board.status}  vehicles {len(board.vehicles)}  events {board.events}  seq {_seq(board.seq)}"
    return f"{title}  gaps {board.gaps}" if board.gaps else title


def _table(board: Board, now_s: float, columns: list[Column], room: int) -> list[str]:
    """At most `room` rows; the last says how many vehicles are left out, if any are."""
    if not board.vehicles:
        return [NO_VEHICLE]
    vehicles = [board.vehicles[vin] for vin in sorted(board.vehicles)]
    shown = vehicles if len(vehicles) <= room else vehicles[: room - 1]
    rows = [_row([column.cell(vehicle, now_s) for column in columns], columns) for vehicle in shown]
    return rows if len(shown) == len(vehicles) else [*rows, f"... and {len(vehicles) - len(shown)} more"]


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
    if age < 1:
        return "now"
    for limit, size, unit in _AGES:
        if age < limit:
            return f"{int(age / size)}{unit}"
    return f"{int(age / 86400)}d"
