"""
Declares runs dead: a DISCONNECTED event for each vehicle of theirs, written to the dead run's own subject by compare-and-set.

Only one rival can. A run that was only asleep is refused from then on: it learns of it from the stream, and goes on as another.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from ..rfc3339 import rfc3339
from .batch import BATCH_BYTES_AT_MOST, CONNECTIVITY_CODE, OBITUARY, BatchHead, Entry, packed
from .engine import Engine, Published
from .runs import Run, Runs
from .writer import Known

AGAIN_S = 1.0
ENTRIES_OF_ONE = 1024  # 250 bytes each: well within a message


class Obituaries:
    """`wall_ns`: ns since 1970, for the events."""

    def __init__(self, engine: Engine, clock: Callable[[], float], wall_ns: Callable[[], int], dead_s: float) -> None:
        self._engine = engine
        self._clock = clock
        self._wall_ns = wall_ns
        self._dead_s = dead_s
        self._tried: dict[tuple[bytes, int], float] = {}

    def write(self, runs: Runs, own: bytes, beats: int, known: Known) -> None:
        """A few times a second, by a node that has joined; `own`: its run, `beats`: how many of its beats have been stored."""
        now_s = self._clock()
        due = runs.silent(now_s, beats, self._dead_s) + [run for run in runs if run.dead]
        self._tried = {key: tried_s for key, tried_s in self._tried.items() if now_s - tried_s < AGAIN_S}
        for run in due:
            if run.name != own and (run.name, run.last) not in self._tried:
                self._tried[run.name, run.last] = now_s
                self._engine.publish(run.name.hex(), self._obituary(run, known), run.last, _unheard)

    def _obituary(self, run: Run, known: Known) -> bytes:
        now_ns = self._wall_ns()
        entries: list[Entry] = []
        size = 0
        for vin, body in run.vehicles.items():
            told = orjson.dumps({**body, "createdAt": rfc3339(now_ns), "status": "DISCONNECTED"})
            entries.append(Entry(CONNECTIVITY_CODE, vin, b"", told, now_ns // 1_000_000))
            size += entries[-1].size
            if len(entries) >= ENTRIES_OF_ONE or size > BATCH_BYTES_AT_MOST // 2:
                break  # the rest in the next one: it stays dead until no vehicle is left
        head = BatchHead(OBITUARY, known.epoch, known.epoch_at, run.name, 0, known.stream, known.event, len(entries))
        return packed(head, entries)


def _unheard(how: Published) -> None:
    """Whoever won: the stream tells."""
