"""
An event loop without time, and a hub over it.

    FakeLoop   does what it was asked for when it is told to: `turn` what is ready, `elapse` what waits for a time
    make_hub   a hub in memory whose turn and views are the loop's
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from teslafast._fanout import FLAT_PREFIXES
from teslafast.config import Settings
from teslafast.core.hub import Backplane, Hub, MakeFleet, memory_log
from teslafast.core.records import OwnBytes, Record, Report
from teslafast.core.turn import Turn
from teslafast.metrics import Counts

VIN = "5YJ3E1EA7KF000001"
CREATED_NS = 1_795_420_800_123_000_000
RECEIVED_NS = CREATED_NS + 1_000_000_000


class Submission(NamedTuple):
    """What `Hub.submit` takes."""

    vin: str
    record: Record
    fleet: MakeFleet
    txid: bytes | None
    now_ns: int
    own: OwnBytes | None = None


class FakeLoop:
    """`now_s`: what its clock says; it moves by itself only in `elapse`, to when the last of the timers was due."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.ready: list[Callable[[], object]] = []
        self.timers: list[tuple[float, Callable[[], object]]] = []

    def clock(self) -> float:
        return self.now_s

    def call_soon(self, callback: Callable[[], object], /) -> None:
        self.ready.append(callback)

    def call_later(self, delay: float, callback: Callable[[], object], /) -> None:
        self.timers.append((delay, callback))

    def turn(self) -> None:
        ready, self.ready = self.ready, []
        for callback in ready:
            callback()

    def settle(self) -> None:
        while self.ready:
            self.turn()

    def elapse(self) -> list[float]:
        """Everything that waits is due now; the delays that it was to wait."""
        timers, self.timers = self.timers, []
        self.now_s += max((delay for delay, _ in timers), default=0.0)
        for _, callback in timers:
            callback()
        self.settle()
        return [delay for delay, _ in timers]


def make_hub(variables: Mapping[str, str] | None = None, backplane: Backplane | None = None) -> tuple[Hub, FakeLoop]:
    """In development, with a ring of 4 MiB, unless `variables` (settings) say something else."""
    loop = FakeLoop()
    environment = {"NODE_ENV": "development", "RING_BYTES": "4MiB", "MAX_FRAME_BYTES": "1MiB"}
    settings = Settings.from_env(environment | dict(variables or {}))
    counts = Counts()
    turn = Turn(loop, loop.clock, settings.coalesce_ms, counts.turns)
    make_log = partial(memory_log, schedule=turn.ask_flush)
    epoch = secrets.token_hex(8)
    log = make_log(settings.ring_bytes, FLAT_PREFIXES)
    return Hub(settings, turn, log, epoch, make_log, loop, counts, backplane), loop


def data(number: int = 1, vin: str = VIN, **values: object) -> Report:
    """A data record made `number` ns after CREATED_NS, which says `Soc: number` or other `values`."""
    fields = values or {"Soc": number}
    body = {"vin": vin, "createdAt": "2026-11-23T08:00:00.123Z", "data": fields, "isResend": False}
    return Report("data", body, CREATED_NS + number, False, len(fields))


def submission(record: Record, fleet: MakeFleet | None = None, txid: bytes | None = b"", now_ns: int = RECEIVED_NS) -> Submission:
    return Submission(record.body["vin"], record, fleet or (lambda: {"fleet": record.body}), txid, now_ns)


def publish(hub: Hub, record: Record, fleet: MakeFleet | None = None) -> int:
    """The seq that the record got."""
    hub.submit(*submission(record, fleet))
    return int(hub.log.seq)
