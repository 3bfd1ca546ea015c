"""Where descriptors run out: who makes room, who waits, and that nobody keeps a number beyond the limit."""

from __future__ import annotations

import errno
import os
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from teslafast.metrics import Counts
from teslafast.server.admission import PendingConnections
from teslafast.server.descriptor_limit import EVICTED_AT_ONCE, EVICTED_S, PAUSE_AFTER_FULL_S, DescriptorLimit

from tests.support.fake_loop import FakeLoop


class Stage:
    """`taken`: who went on; `calls`: that accepting paused, and went on."""

    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.refused: Counter[str] = Counter()
        self.pending = PendingConnections(self.refused)
        self.counts = Counts()
        self.calls: list[str] = []
        self.taken: list[socket.socket] = []
        self.limit = DescriptorLimit(
            self.loop,
            self.pending,
            self.counts,
            lambda: self.calls.append("pause"),
            lambda: self.calls.append("resume"),
            lambda taken, address: self.taken.append(taken),
        )
        self.open: list[socket.socket] = []

    def stranger(self) -> socket.socket:
        """One that has not been admitted; gone once it has to make room."""
        made = socket.socket()
        self.open.append(made)
        assert self.pending.enter("192.0.2.1", made.close) is not None
        return made

    def newest(self) -> socket.socket:
        made = socket.socket()
        self.open.append(made)
        return made

    def close(self) -> None:
        self.limit.close()
        for one in self.open + self.taken:
            one.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


def test_within_the_limit_nobody_waits(stage: Stage) -> None:
    assert stage.limit.lets(stage.newest(), None)
    assert not stage.limit.is_waited_at
    assert stage.calls == []


def test_beyond_it_strangers_make_room_and_the_newest_is_taken_under_a_number_within_it(stage: Stage) -> None:
    crowd = [stage.stranger() for _ in range(12)]
    newest = stage.newest()
    stage.limit.highest = newest.fileno() - 1
    assert not stage.limit.lets(newest, None)
    assert stage.limit.is_waited_at
    assert [one.fileno() < 0 for one in crowd] == [True] * 4 + [False] * 8, "a quarter of them and one more, the oldest"
    assert stage.loop.elapse() == [EVICTED_S]
    (taken,) = stage.taken
    assert 0 <= taken.fileno() <= stage.limit.highest
    assert newest.fileno() < 0
    assert stage.calls == ["pause", "resume"]
    assert stage.refused == {"crowded": 4}
    assert not stage.counts.accept_pauses


def test_no_more_than_so_many_go_at_once(stage: Stage) -> None:
    crowd = [stage.stranger() for _ in range(5 * EVICTED_AT_ONCE)]
    newest = stage.newest()
    stage.limit.highest = newest.fileno() - 1
    stage.limit.lets(newest, None)
    assert sum(one.fileno() < 0 for one in crowd) == EVICTED_AT_ONCE


def test_where_nobody_can_go_the_newest_waits_until_somebody_has_gone(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    admitted, newest = stage.newest(), stage.newest()
    stage.limit.highest = newest.fileno() - 1
    while (filler := socket.socket()).fileno() <= stage.limit.highest:
        stage.open.append(filler)
    filler.close()
    assert not stage.limit.lets(newest, None)
    assert stage.loop.elapse() == [PAUSE_AFTER_FULL_S]
    assert stage.taken == []
    assert stage.counts.accept_pauses == 2
    assert {record.getMessage() for record in caplog.records} == {"accept_paused"}
    admitted.close()
    assert stage.loop.elapse() == [PAUSE_AFTER_FULL_S]
    assert len(stage.taken) == 1
    assert stage.calls[-1] == "resume"


def test_an_accept_that_found_no_descriptor_has_strangers_make_room_too(stage: Stage) -> None:
    stranger = stage.stranger()
    stage.limit.refused(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
    assert stranger.fileno() < 0
    assert stage.loop.elapse() == [EVICTED_S]
    assert stage.calls == ["pause", "resume"]


def test_an_accept_that_failed_otherwise_is_not_passed_over(stage: Stage) -> None:
    failed: Any = OSError(errno.EBADF, os.strerror(errno.EBADF))
    with pytest.raises(OSError, match="Bad file descriptor"):
        stage.limit.refused(failed)
    assert stage.calls == []
