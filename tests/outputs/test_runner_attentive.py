"""The runner and an output that holds values back, or has its own reasons to act: the cursor stays before what is held."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from teslafast.core.tail import Event
from teslafast.errors import Unreachable
from teslafast.outputs.runner_options import CONNECTING, UP

from tests.support.outputs import Broker, OutputStage, play


class Holder(Broker):
    """It holds the newest event back until `release` is set, or everything is wanted."""

    def __init__(self) -> None:
        super().__init__()
        self.held: int | None = None
        self.release = asyncio.Event()
        self.lost = False
        self.due = False
        self.flushed: list[bool] = []

    async def send(self, events: Sequence[Event]) -> None:
        await super().send(events)
        self.held = events[-1].seq

    async def attend(self) -> None:
        await self.release.wait()
        self.release.clear()
        self.due = True
        if self.lost:
            self.lost = False
            raise Unreachable("it is gone")

    async def flush(self, everything: bool) -> None:
        self.flushed.append(everything)
        if everything or self.due:
            self.held = None
            self.due = False

    def held_from(self) -> int | None:
        return self.held


def test_the_cursor_stays_before_what_is_held_and_moves_when_it_is_sent() -> None:
    async def scene() -> None:
        stage = OutputStage(broker := Holder())
        stage.runner.start()
        stage.publish(3)
        await stage.until(lambda: bool(broker.flushed) and stage.notes == [2])
        assert stage.runner.gauges().lag_events == 1
        broker.release.set()
        await stage.until(lambda: stage.notes == [2, 3])
        assert stage.runner.gauges().lag_events == 0
        await stage.end()

    play(scene())


def test_at_the_end_nothing_is_held_any_longer() -> None:
    async def scene() -> None:
        stage = OutputStage(broker := Holder())
        stage.runner.start()
        stage.publish(2)
        await stage.until(lambda: bool(broker.batches))
        await stage.end()
        assert (broker.flushed[-1], stage.notes[-1], broker.closed) == (True, 2, 1)

    play(scene())


def test_a_connection_that_ends_while_nothing_is_sent_is_noticed_and_made_again() -> None:
    async def scene() -> None:
        stage = OutputStage(broker := Holder())
        stage.runner.start()
        await stage.until(lambda: stage.runner.state == UP)
        broker.lost = True
        broker.release.set()
        await stage.until(lambda: stage.runner.state == CONNECTING)
        await stage.until(lambda: stage.runner.state == UP)
        assert len(broker.connected_at) == 2
        await stage.end()

    play(scene())
