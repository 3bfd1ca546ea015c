"""
The board as lines of text: a title, a table by VIN, and the last notices.

No line is wider than the terminal: columns are left out by their rank until the rest fits, and what is still too wide is cut.
Only printable characters get out, and colours where the reader's view has them. Pure: `render` is a function of the board, the
time (any monotonic seconds), the size and the view.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..text import cut, printable
from .board import Board, WatchedVehicle


@dataclass(frozen=True, slots=True)
class View:
    """What the reader chose. `top`: the first row that is shown; `keys`: whether keys are read, so that a line may name them."""

    top: int = 0
    metric: bool = False
    colour: bool = False
    keys: bool = False


AS_IT_COMES = View()


class Column(NamedTuple):
    """`rank`: the column with the highest is the first to be left out of a narrow table."""

    name: str
    width: int
    rank: int
    cell: Callable[[WatchedVehicle, float], str]


MILE_KM = 1.609344
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


_KMH = Column("KM/H", 5, 2, lambda vehicle, now: _number(_kmh(vehicle.values.get("VehicleSpeed")), 1))
_METRIC = tuple(_KMH if column.name == "MPH" else column for column in COLUMNS)
_KEYS = "arrows, PgUp, PgDn scroll   u units   q ends"
# SGR codes: what a vehicle does, and what a notice is about, by the first word found in it
_BOLD, _DIM, _GREEN, _BLUE, _YELLOW, _RED = "1", "2", "32", "36", "33", "31"
_OF_NOTICES = (("gap", _RED), (" error ", _RED), ("the server reports", _RED), (" alert ", _YELLOW), ("token expires", _YELLOW))


def render(board: Board, now_s: float, width: int, height: int, view: View = AS_IT_COMES) -> list[str]:
    """At most `height` lines of at most `width` cells; notices get a third of the height, the table the rest."""
    columns = _fitting(width, _METRIC if view.metric else COLUMNS)
    notices = list(board.notices)[-max(height // 3, 1) :]
    lines = [
        (_BOLD, _title(board)),
        (_DIM, _row([column.name for column in columns], columns)),
        *_table(board, now_s, columns, _room(board, height), view),
        *((_of_notice(text), text) for text in notices),
    ]
    return [_coloured(cut(line, width), code if view.colour else "") for code, line in lines[:height]]


def last_top(board: Board, height: int) -> int:
    """The greatest `top` that leaves no room below the last vehicle."""
    room = _room(board, height)
    return 0 if len(board.vehicles) <= room else len(board.vehicles) - max(room - 1, 0)


def page_rows(board: Board, height: int) -> int:
    """How many vehicles a key that turns the page moves on."""
    return max(_room(board, height) - 2, 1)


def _room(board: Board, height: int) -> int:
    return max(height - 2 - min(len(board.notices), max(height // 3, 1)), 1)


def _coloured(line: str, code: str) -> str:
    return f"\x1b[{code}m{line}\x1b[0m" if code and line else line


def _of_notice(text: str) -> str:
    return next((code for word, code in _OF_NOTICES if word in text), _DIM)


def _of_vehicle(vehicle: WatchedVehicle) -> str:
    if vehicle.disconnected:
        return _DIM
    if _charging(vehicle.values).startswith("Charging"):
        return _BLUE
    return _GREEN if _name(vehicle.values.get("Gear"), "ShiftState") in ("D", "R", "N") else ""


def _title(board: Board) -> str:
    title = f"{board.title}  {board.status}  vehicles {len(board.vehicles)}  events {board.events}  seq {_seq(board.seq)}"
    return f"{title}  gaps {board.gaps}" if board.gaps else title


def _table(board: Board, now_s: float, columns: list[Column], room: int, view: View) -> list[tuple[str, str]]:
    """At most `room` rows, each with its colour; the last says where in the list they are, if any vehicles are left out."""
    if not board.vehicles:
        return [("", NO_VEHICLE)]
    vehicles = [board.vehicles[vin] for vin in sorted(board.vehicles)]
    shown = vehicles if len(vehicles) <= room else vehicles[view.top : view.top + room - 1]
    rows = [(_of_vehicle(vehicle), _row([column.cell(vehicle, now_s) for column in columns], columns)) for vehicle in shown]
    if len(shown) == len(vehicles):
        return rows
    if view.top == 0:
        where = f"... and {len(vehicles) - len(shown)} more"
    else:
        where = f"{view.top + 1} to {view.top + len(shown)} of {len(vehicles)}"
    return [*rows, (_DIM, f"{where}   {_KEYS}" if view.keys else where)]


def _fitting(width: int, all_columns: tuple[Column, ...]) -> list[Column]:
    columns = list(all_columns)
    while len(columns) > 1 and sum(column.width + 2 for column in columns) - 2 > width:
        columns.remove(max(columns, key=lambda column: column.rank))
    return columns


def _row(cells: list[str], columns: list[Column]) -> str:
    return "  ".join(cut(cell, column.width).ljust(column.width) for cell, column in zip(cells, columns, strict=True)).rstrip()


def _number(value: object, digits: int) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return f"{value:.{digits}f}" if number else "-"


def _kmh(value: object) -> object:
    return value * MILE_KM if isinstance(value, (int, float)) and not isinstance(value, bool) else value


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
