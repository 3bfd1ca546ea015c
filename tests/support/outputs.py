"""
A runner of an output without a broker, in time that does not pass.

    Broker          an output that fails as often as it is told to; TellingBroker can tell of a gap as well
    OutputStage     a log, and a runner of a Broker over it
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from teslafast._fanout import FLAT_PREFIXES, Fanout, bytes_needed
from teslafast.core.tail import Event, Tail
from teslafast.outputs.runner import Runner
from teslafast.outputs.runner_options import RunnerOptions

from tests.support import virtual_time

RING = 256 * 1024
WALL_S = 1_795_000_000.0


class Broker:
    """An output that fails as often as it is told to: one of `troubles` is raised a call, by whatever is called next."""

    def __init__(self, *troubles: Exception | None) -> None:
        self.troubles = list(troubles)
        self.connected_at: list[float] = []
        self.closed = 0
        self.tried: list[list[int]] = []  # the seqs of each batch, arrived or not
        self.batches: list[list[int]] = []  # of those that arrived
        self.arrived_at: list[float] = []
        self.hold: Callable[[], Awaitable[object]] | None = None  # awaited in `send` before it returns

    @property
    def seqs(self) -> list[int]:
        return [seq for batch in self.batches for seq in batch]

    def _trouble(self) -> None:
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is not None:
            raise trouble

    async def connect(self) -> None:
        self.connected_at.append(now())
        self._trouble()

    async def send(self, events: Sequence[Event]) -> None:
        self.tried.append([event.seq for event in events])
        if self.hold is not None:
            await self.hold()
        self._trouble()
        self.batches.append(self.tried[-1])
        self.arrived_at.append(now())

    async def close(self) -> None:
        self.closed += 1


class TellingBroker(Broker):
    """It can tell of a gap: that stands as (first, last) in `order`, among the batches."""

    def __init__(self, *troubles: Exception | None) -> None:
        super().__init__(*troubles)
        self.order: list[object] = []

    async def gap(self, first: int, last: int) -> None:
        self._trouble()
        self.order.append((first, last))

    async def send(self, events: Sequence[Event]) -> None:
        await super().send(events)
        self.order.append(self.batches[-1])


def now() -> float:
    return asyncio.get_running_loop().time()


class OutputStage:
    """A log, and a runner of `broker` over it; `luck` is the back-off's, `notes` the cursor as it is kept."""

    def __init__(self, broker: Broker, luck: float = 1.0, first: int = 1, **options: Any) -> None:
        """`options`: the Runner's."""
        self.broker = broker
        self.log = Fanout(bytearray(bytes_needed(RING)), RING, FLAT_PREFIXES, lambda log: None)
        self.notes: list[int] = []
        self.dropped: Counter[str] = Counter()
        self.wall_s = WALL_S
        self.runner = Runner(
            "broker",
            broker,
            Tail(self.log, first),
            self.log,
            self.dropped,
            self.notes.append,
            luck=lambda: luck,
            wall=lambda: self.wall_s,
            options=RunnerOptions(**options),
        )

    def publish(self, count: int = 1, kind: int = 0) -> None:
        for _ in range(count):
            body = b'{"vin":"A","pad":"%s"}' % (b"x" * 100)
            self.log.publish(kind, "A", body, int(WALL_S * 1000))
        self.runner.wake()

    async def until(self, reached: Callable[[], bool], looking_every_s: float = 0.001) -> None:
        """In time that only the runner's own pauses make pass."""
        deadline = now() + 10_000
        while not reached():
            assert now() < deadline, "it never came to that"
            await asyncio.sleep(looking_every_s)

    async def end(self) -> None:
        await self.runner.finish(10.0)


def play(scene: Coroutine[Any, Any, None]) -> None:
    virtual_time.run(scene)


def overtake(stage: OutputStage) -> int:
    """Publishes until the ring has let go of the first event that was not there before; the oldest seq then."""
    newest = stage.log.seq
    while stage.log.oldest <= newest + 1:
        stage.publish()
    return stage.log.oldest
