"""
From the log to rows: one cursor over the log for all of TeslaMate's connections of this process.

Each event is read once, however many connections there are, and only if somebody has subscribed to its vehicle. A vehicle's
values are kept for as long as somebody has; they begin as the last known ones, so a client that comes back finds them as they
were. Nothing is queued here but the place in the log: what a slow reader may leave unsent is its own to bound.

Nothing is said of a vehicle that is not connected: TeslaMate would take it for awake, and ask for all of its data.
"""

from __future__ import annotations

from typing import Protocol

import orjson

from ..core.hub import Hub
from ..core.records import CONNECTIVITY, DATA
from ..core.tail import Event, Tail
from ..event_loop import Timer
from ._teslamate_rows import VehicleRows
from .teslamate_rows import ROW_FIELDS, HeightModel

# How long a row may wait for others: TeslaMate wants one a second, and rows that are made together cost half as much as rows that
# are made one by one, with everything else of the server in between.
GATHER_S = 0.05
EVENTS_IN_A_TURN = 256  # some 5 ms of rows; what is left waits for the next turn of the event loop
_MS = 1_000_000


class RowReader(Protocol):
    def give_row(self, vin: str, rows: VehicleRows) -> None:
        """There is a new row of this vehicle: `rows.time_ms` and `rows.cells`, as they are now."""

    def flush(self) -> None:
        """No more rows in this turn of the event loop."""


class FollowedVehicle:
    """One vehicle that somebody has subscribed to."""

    __slots__ = ("connected", "readers", "rows")

    def __init__(self, rows: VehicleRows, connected: bool) -> None:
        self.rows = rows
        self.connected = connected
        self.readers: dict[RowReader, None] = {}  # in the order in which they came

    def take(self, event: Event) -> bool:
        """Whether there is a row for the event."""
        if event.kind == CONNECTIVITY:
            self.connected = orjson.loads(event.text)["status"] == "CONNECTED"
            return False
        return self.rows.take_event(event.text, event.time_ms) and self.connected


class RowFeed:
    """VIN → FollowedVehicle. `height`: fills the column `elevation`."""

    def __init__(self, hub: Hub, timer: Timer, height: HeightModel | None = None) -> None:
        self._hub = hub
        self._timer = timer
        self._waiting = False  # for the end of GATHER_S
        self._height = height
        self._vehicles: dict[str, FollowedVehicle] = {}
        self._tail: Tail | None = None  # while somebody has subscribed

    @property
    def behind(self) -> int:
        """Events that have yet to be read."""
        return 0 if self._tail is None else self._hub.log.seq + 1 - self._tail.next

    def subscribe(self, vin: str, reader: RowReader) -> None:
        """From now on the reader is given each row of the vehicle."""
        if self._tail is None:
            self._tail = Tail(self._hub.log, self._hub.log.seq + 1)
            self._hub.turn.watch(self._gather)
        vehicle = self._vehicles.get(vin)
        if vehicle is None:
            vehicle = self._vehicles[vin] = self._follow(vin)
        vehicle.readers[reader] = None

    def unsubscribe(self, vin: str, reader: RowReader) -> None:
        """Does nothing the second time."""
        vehicle = self._vehicles.get(vin)
        if vehicle is None:
            return
        vehicle.readers.pop(reader, None)
        if not vehicle.readers:
            del self._vehicles[vin]
        if not self._vehicles and self._tail is not None:
            self._tail = None
            self._hub.turn.unwatch(self._gather)

    def _follow(self, vin: str) -> FollowedVehicle:
        """As the server knows it now. What the tail has yet to read is in these values already, and gives no row again."""
        known = self._hub.last_values.get(vin)
        values = {} if known is None else {name: known.values[name] for name in ROW_FIELDS.intersection(known.values)}
        times_ms = {} if known is None else {name: known.times[name] // _MS for name in values}
        ahead = frozenset() if known is None else known.ahead
        return FollowedVehicle(VehicleRows(values, times_ms, self._height, ahead), self._hub.registry.is_connected(vin))

    def _gather(self) -> None:
        """There may be something to read."""
        if self.behind and not self._waiting:
            self._waiting = True
            self._timer.call_later(GATHER_S, self._take_turn)

    def _take_turn(self) -> None:
        self._waiting = False
        tail = self._tail
        if tail is None:
            return
        if tail.missed() is not None:  # the ring has overtaken us: what was lost is in the last values
            self._hub.counts.tell_gap()
            for vin, vehicle in self._vehicles.items():
                fresh = self._follow(vin)
                vehicle.rows, vehicle.connected = fresh.rows, fresh.connected
        touched: dict[RowReader, None] = {}
        for event in tail.take(EVENTS_IN_A_TURN):
            if event.kind not in (DATA, CONNECTIVITY):
                continue
            followed = self._vehicles.get(event.vin)
            if followed is not None and followed.take(event):
                for reader in followed.readers:
                    reader.give_row(event.vin, followed.rows)
                    touched[reader] = None
        for reader in touched:
            reader.flush()
        if self.behind and not self._waiting:
            self._waiting = True
            self._timer.call_later(0, self._take_turn)
