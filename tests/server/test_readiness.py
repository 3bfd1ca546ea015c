"""Who waits for bytes is told of them once, by either way of waiting."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest
import uvloop
from teslafast.server.readiness import EpollReadiness, LoopReadiness, Readiness


class Stage:
    def __init__(self, kind: type[EpollReadiness | LoopReadiness]) -> None:
        self.loop = uvloop.new_event_loop()
        self.readiness: Readiness = kind(self.loop)
        self.here, self.there = socket.socketpair()
        self.here.setblocking(False)
        self.told = 0

    def wait(self) -> None:
        self.readiness.wait(self.here.fileno(), self.tell)

    def tell(self) -> None:
        self.told += 1

    def turns(self) -> int:
        """How often it has been told after a few turns of the loop."""

        async def few() -> None:
            for _ in range(5):
                await asyncio.sleep(0)

        self.loop.run_until_complete(few())
        return self.told


@pytest.fixture(params=[EpollReadiness, LoopReadiness])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    made = Stage(request.param)
    yield made
    made.readiness.close()
    made.here.close()
    made.there.close()
    made.loop.close()


def test_it_is_told_once_of_bytes_that_stay_unread_and_again_when_it_waits_again(stage: Stage) -> None:
    stage.wait()
    assert stage.turns() == 0
    stage.there.send(b"x")
    assert stage.turns() == 1
    assert stage.turns() == 1
    stage.wait()
    assert stage.turns() == 2


def test_it_is_told_of_an_end(stage: Stage) -> None:
    stage.wait()
    stage.there.close()
    assert stage.turns() == 1


def test_who_is_forgotten_is_told_nothing(stage: Stage) -> None:
    stage.wait()
    stage.there.send(b"x")
    stage.readiness.forget(stage.here.fileno())
    assert stage.turns() == 0


def test_a_descriptor_that_is_used_again_is_another_connection(stage: Stage) -> None:
    stage.wait()
    before = stage.here.fileno()
    stage.readiness.forget(before)
    stage.here.close()
    stage.there.close()
    stage.here, stage.there = socket.socketpair()
    assert stage.here.fileno() == before
    stage.wait()
    stage.there.send(b"x")
    assert stage.turns() == 1
