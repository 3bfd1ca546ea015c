"""
Every open WebSocket connection, by its role. What one of them does is its own business.

A connection that has ended is removed at once, and its memory is given back a little later: freeing takes longer than all the
rest of its end (TLS keeps much), and when the network goes away there are thousands of ends at one moment.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import chain
from typing import Protocol

from ..close_reasons import CROWDED, REPLACED, CloseReason
from ..event_loop import Timer

CONNECTIONS_PER_VIN = 4  # a car overlaps by one when it reconnects; each connection costs a descriptor and 40 KB
STRANGERS_AT_MOST = 256  # who have not shown their token yet: that takes a round trip, so so many come and go within a second
RELEASED_AT_ONCE = 64  # ended connections: some 3 ms, if they were TLS
RELEASE_PAUSE_S = 0.01  # between two batches: the loop is left to the others for twice as long as a batch takes


class Connection(Protocol):
    """A vehicle's or dashboard's connection, as those see it who keep all of them in order."""

    def check(self, now_s: float) -> None:
        """Called about once a second (`now_s`: monotonic): pings, and ends what is gone or out of time."""

    def close(self, reason: CloseReason) -> None: ...

    def abort(self) -> None: ...


class Stranger(Connection, Protocol):
    """A client whose token is to come in its first message."""

    @property
    def closing(self) -> bool: ...


class OpenDashboard(Connection, Protocol):
    """What a drain and the metrics ask of a dashboard, whatever protocol it speaks. `door`: the name of that protocol's door."""

    @property
    def door(self) -> str: ...
    @property
    def closing(self) -> bool: ...
    @property
    def up_to_date(self) -> bool:
        """Whether it has been given all that there is for it."""

    @property
    def blocked(self) -> bool: ...
    @property
    def behind(self) -> int:
        """Events that it has yet to be given."""

    @property
    def sent_bytes(self) -> int: ...
    def stalled_s(self, now_s: float) -> float:
        """For how long its socket has taken nothing (`now_s`: monotonic)."""


class Connections:
    """
    `vehicles` and `dashboards` are the open ones, `strangers` those that have yet to show a token; to be read, not changed.

    Strangers have no share in MAX_DASHBOARDS: they must not keep anybody out who has a token. `strangers_at_most` is lower where
    the process may have few descriptors.
    """

    def __init__(self, timer: Timer) -> None:
        self.vehicles: set[Connection] = set()
        self.dashboards: set[OpenDashboard] = set()
        self.strangers: dict[Stranger, None] = {}  # the oldest first
        self.strangers_at_most = STRANGERS_AT_MOST
        self._by_vin: dict[str, list[Connection]] = {}  # the oldest first
        self._by_sub: Counter[str] = Counter()
        self._timer = timer
        self._ended: deque[Connection] = deque()

    def add_vehicle(self, connection: Connection) -> None:
        self.vehicles.add(connection)

    def name_vehicle(self, connection: Connection, vin: str) -> None:
        """It is known now which vehicle this is. Of too many connections of one vehicle the oldest is closed."""
        known = self._by_vin.setdefault(vin, [])
        known.append(connection)
        if len(known) > CONNECTIONS_PER_VIN:
            known.pop(0).close(REPLACED)

    def of_vehicle(self, vin: str) -> tuple[Connection, ...]:
        """Its connections, the oldest first."""
        return tuple(self._by_vin.get(vin, ()))

    def remove_vehicle(self, connection: Connection, vin: str) -> None:
        """`vin`: "" if it has never been named."""
        self.vehicles.discard(connection)
        known = self._by_vin.get(vin)
        if known is not None:
            if connection in known:
                known.remove(connection)
            if not known:
                del self._by_vin[vin]
        self._release_later(connection)

    def add_dashboard(self, connection: OpenDashboard, sub: str) -> None:
        """`sub`: whom its token names."""
        self.dashboards.add(connection)
        self._by_sub[sub] += 1

    def remove_dashboard(self, connection: OpenDashboard, sub: str) -> None:
        self.dashboards.discard(connection)
        self._by_sub[sub] -= 1
        if self._by_sub[sub] <= 0:
            del self._by_sub[sub]
        self._release_later(connection)

    def dashboards_of(self, sub: str) -> int:
        return self._by_sub[sub]

    def add_stranger(self, connection: Stranger) -> None:
        """Of too many of them the oldest is ended: a client that has a token shows it at once."""
        self.strangers[connection] = None
        if len(self.strangers) > self.strangers_at_most:
            oldest = next(iter(self.strangers))
            del self.strangers[oldest]
            oldest.close(CROWDED)
            oldest.abort()

    def remove_stranger(self, connection: Stranger) -> None:
        """It is a dashboard from now on, or gone."""
        self.strangers.pop(connection, None)

    def __iter__(self) -> Iterator[Connection]:
        return chain(list(self.vehicles), list(self.dashboards), list(self.strangers))

    def __len__(self) -> int:
        return len(self.vehicles) + len(self.dashboards) + len(self.strangers)

    def _release_later(self, connection: Connection) -> None:
        if not self._ended:
            self._timer.call_later(0, self._release_some)
        self._ended.append(connection)

    def _release_some(self) -> None:
        for _ in range(min(len(self._ended), RELEASED_AT_ONCE)):
            self._ended.popleft()
        if self._ended:
            self._timer.call_later(RELEASE_PAUSE_S, self._release_some)
