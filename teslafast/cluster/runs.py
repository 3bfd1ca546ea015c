"""
Who is there: the runs (lives of nodes) that write to the stream, and the vehicles that each of them holds.

A vehicle is connected as long as some run holds it. A run is silent if nothing of it has come for so long although the log took
our own beats all the while: an outage of the log silences everybody alike, and so buries nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

BEATS = 10  # of our own, a second apart, that the log must have taken while another run was silent; fewer if it is dead sooner
LEAST_BEATS = 2

Body = Mapping[str, Any]


def beats_needed(dead_s: float) -> int:
    return min(BEATS, max(LEAST_BEATS, int(dead_s)))


class Run:
    """
    last      number of its newest message: what the next one to its subject has to expect
    beats     how many of our own beats had been stored when it came
    vehicles  VIN → the flat body that said how the vehicle is connected
    dead      its obituary has begun, and vehicles are left
    """

    __slots__ = ("beats", "dead", "heard_s", "last", "name", "vehicles")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.last = 0
        self.heard_s = 0.0
        self.beats = 0
        self.dead = False
        self.vehicles: dict[str, Body] = {}


class Runs:
    def __init__(self) -> None:
        self._runs: dict[bytes, Run] = {}
        self._holders: dict[str, dict[bytes, None]] = {}  # VIN → runs, the one that came last at the end

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._runs.values()))

    def get(self, name: bytes) -> Run | None:
        return self._runs.get(name)

    def heard(self, name: bytes, number: int, now_s: float, beats: int) -> Run:
        """A message of this run has been read."""
        run = self._runs.get(name)
        if run is None:
            run = self._runs[name] = Run(name)
        run.last, run.heard_s, run.beats = number, now_s, beats
        return run

    def holds(self, name: bytes, vin: str, body: Body) -> None:
        """The run says that this vehicle is connected to it."""
        run = self._runs.get(name)
        if run is not None:
            run.vehicles[vin] = body
            holders = self._holders.setdefault(vin, {})
            holders.pop(name, None)
            holders[name] = None

    def lets_go(self, name: bytes, vin: str) -> Body | None:
        """The vehicle has left this run; how it is connected all the same, None if it is not."""
        run = self._runs.get(name)
        if run is not None:
            run.vehicles.pop(vin, None)
        holders = self._holders.get(vin)
        if holders is None:
            return None
        holders.pop(name, None)
        if not holders:
            del self._holders[vin]
            return None
        return self._runs[next(reversed(holders))].vehicles[vin]

    def remove(self, name: bytes) -> None:
        run = self._runs.get(name)
        if run is not None:
            for vin in list(run.vehicles):
                self.lets_go(name, vin)
            del self._runs[name]

    def holders(self, vin: str) -> list[bytes]:
        return list(self._holders.get(vin, ()))

    def connection_of(self, vin: str) -> Body:
        """How it is connected, as its newest run says; empty if it is not."""
        holders = self._holders.get(vin)
        return self._runs[next(reversed(holders))].vehicles[vin] if holders else {}

    @property
    def connected(self) -> int:
        """How many vehicles are connected, to whatever node."""
        return len(self._holders)

    def vins(self) -> Iterator[str]:
        return iter(list(self._holders))

    def silent(self, now_s: float, beats: int, dead_s: float) -> list[Run]:
        """Runs that are to be declared dead. `beats`: how many of our own have been stored."""
        needed = beats_needed(dead_s)
        return [run for run in self if beats - run.beats >= needed and now_s - run.heard_s >= dead_s]
