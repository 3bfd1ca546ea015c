"""A tail that reads from the shared log what the ring has lost, and from the ring what it has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from teslafast._fanout import FLAT_PREFIXES, Fanout, bytes_needed
from teslafast.core.tail import Event, Tail
from teslafast.outputs.deep_tail import DeepTail

from tests.support import virtual_time

RING = 4096
PIECE = 3  # events of one answer of the shared log


class SharedLog:
    """Every event that there ever was from `oldest` on; `dead`: it has nothing any more."""

    def __init__(self, oldest: int = 1, dead: bool = False) -> None:
        self.oldest = oldest
        self.dead = dead
        self.newest = 0
        self.opened: list[int] = []
        self.ended = 0

    def open(self, after: int, take: Callable[[list[Event]], object], fail: Callable[[], object]) -> Way:
        self.opened.append(after)
        return Way(self, after, take, fail)


class Way:
    def __init__(self, shared: SharedLog, after: int, take: Callable[[list[Event]], object], fail: Callable[[], object]) -> None:
        self._shared, self._take, self._fail = shared, take, fail
        first = max(after + 1, shared.oldest)
        self.missed = (after + 1, first - 1) if first > after + 1 else None
        self._next = first

    def more(self) -> None:
        if self._shared.dead:
            asyncio.get_running_loop().call_soon(self._fail)
            return
        last = min(self._next + PIECE - 1, self._shared.newest)
        events = [Event(seq, 0, "A", b"past %d" % seq, 1) for seq in range(self._next, last + 1)]
        self._next = last + 1
        asyncio.get_running_loop().call_soon(self._answer, events)

    def _answer(self, events: list[Event]) -> None:
        self._take(events)
        self.missed = None

    def end(self) -> None:
        self._shared.ended += 1


class Stage:
    def __init__(self, events: int, first: int, shared: SharedLog) -> None:
        self.log = Fanout(bytearray(bytes_needed(RING)), RING, FLAT_PREFIXES, lambda log: None)
        self.shared = shared
        self.publish(events)
        self.tail = DeepTail(Tail(self.log, first), self.log, shared.open)

    def publish(self, events: int) -> None:
        for _ in range(events):
            self.log.publish(0, "A", b'{"vin":"A","pad":"%s"}' % (b"x" * 200), 1)
        self.shared.newest = self.log.seq

    async def all_of_it(self, limit: int = 100) -> tuple[list[int], list[tuple[int, int]]]:
        seqs: list[int] = []
        gaps: list[tuple[int, int]] = []
        while self.tail.next <= self.log.seq:
            taken = await self.tail.take(limit)
            seqs += [event.seq for event in taken]
            gap = self.tail.missed()
            if gap is not None:
                gaps.append(gap)
        return seqs, gaps


def test_what_the_ring_has_is_taken_from_there_alone() -> None:
    async def scene() -> None:
        stage = Stage(5, 2, SharedLog())
        assert await stage.all_of_it() == ([2, 3, 4, 5], [])
        assert stage.shared.opened == []

    virtual_time.run(scene())


def test_what_the_ring_has_lost_comes_from_the_shared_log_and_then_the_ring_goes_on() -> None:
    async def scene() -> None:
        for limit in (1, 2, 100):
            stage = Stage(60, 3, SharedLog())
            assert stage.log.oldest > 20
            assert await stage.all_of_it(limit) == (list(range(3, 61)), [])
            assert (stage.shared.opened, stage.shared.ended) == ([2], 1)

    virtual_time.run(scene())


def test_what_the_shared_log_has_dropped_too_is_missed_once_and_comes_before_the_rest() -> None:
    async def scene() -> None:
        stage = Stage(60, 3, SharedLog(oldest=11))
        assert await stage.tail.take(10) == []
        assert stage.tail.missed() == (3, 10)
        assert stage.tail.missed() is None
        assert await stage.all_of_it() == (list(range(11, 61)), [])

    virtual_time.run(scene())


def test_if_the_shared_log_has_nothing_any_more_it_goes_on_with_the_ring() -> None:
    async def scene() -> None:
        stage = Stage(60, 3, SharedLog(dead=True))
        oldest = stage.log.oldest
        assert await stage.all_of_it() == (list(range(oldest, 61)), [(3, oldest - 1)])

    virtual_time.run(scene())


def test_a_ring_that_overtakes_it_later_sends_it_back_to_the_shared_log() -> None:
    async def scene() -> None:
        stage = Stage(5, 1, SharedLog())
        assert [event.seq for event in await stage.tail.take(2)] == [1, 2]
        stage.publish(60)
        assert await stage.all_of_it() == (list(range(3, 66)), [])

    virtual_time.run(scene())


def test_an_answer_is_taken_in_pieces_of_so_many_bytes() -> None:
    async def scene() -> None:
        stage = Stage(60, 1, SharedLog())
        assert [event.seq for event in await stage.tail.take(100, most_bytes=1)] == [1]
        assert [event.seq for event in await stage.tail.take(100, most_bytes=8)] == [2, 3]

    virtual_time.run(scene())


def test_who_is_cancelled_while_the_shared_log_is_silent_leaves_nothing_behind() -> None:
    async def scene() -> None:
        stage = Stage(60, 1, SharedLog())
        taking = asyncio.create_task(stage.tail.take(5))
        await asyncio.sleep(0)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        stage.tail.close()
        await asyncio.sleep(1)
        assert stage.shared.ended == 1

    virtual_time.run(scene())
