"""Group commit: no reply before the disk has what it acknowledges."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from teslafast.metrics import Durations
from teslafast.storage import group_commit as commit_module
from teslafast.storage.group_commit import GroupCommit

from tests.support.peers import PATIENCE_S


class Clock:
    """An event loop whose time is driven by the test; what a thread hands it waits in `handed` until `run_handed`."""

    def __init__(self) -> None:
        self.due: list[tuple[float, Callable[[], object]]] = []
        self._handed: list[Callable[[], object]] = []
        self._changed = threading.Condition()

    def call_later(self, delay: float, callback: Callable[[], object], /) -> None:
        self.due.append((delay, callback))

    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> None:
        with self._changed:
            self._handed.append(callback)
            self._changed.notify_all()

    def begin(self) -> float:
        """Runs the one timer that is set; for how long it was set."""
        ((delay, callback),) = self.due
        self.due.clear()
        callback()
        return delay

    def end(self) -> None:
        """Waits until the thread is through, and runs what it handed over."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._handed, PATIENCE_S)
            callback = self._handed.pop()
        callback()


class Disk:
    """`error`: what the next syncs fail with."""

    def __init__(self) -> None:
        self.error: OSError | None = None
        self.synced: list[int] = []

    def sync(self) -> None:
        if self.error is not None:
            raise self.error

    def note_synced(self, seq: int) -> None:
        self.synced.append(seq)


class Log:
    seq = 0


class Stage:
    def __init__(self, interval_s: float = 0.0) -> None:
        self.clock, self.disk, self.log, self.syncs = Clock(), Disk(), Log(), Durations()
        self.commit = GroupCommit(self.disk, self.log, interval_s, self.clock, self.syncs)
        self.sent: list[bytes] = []
        self.given_up = 0

    def give_up(self) -> None:
        self.given_up += 1

    def hold(self, replies: bytes) -> bool:
        self.log.seq += 1
        return self.commit.hold(replies, self.sent.append, self.give_up)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_nothing_is_sent_before_the_disk_has_it(stage: Stage) -> None:
    stage.hold(b"1")
    stage.hold(b"2")
    waits = not stage.commit.idle
    stage.clock.begin()
    assert waits
    assert stage.sent == []
    stage.clock.end()
    assert stage.sent == [b"1", b"2"]
    assert stage.disk.synced == [2]
    assert stage.commit.idle
    assert sum(stage.syncs.buckets) == 1


def test_what_comes_during_a_sync_waits_for_the_next(stage: Stage) -> None:
    stage.hold(b"1")
    stage.clock.begin()
    stage.hold(b"2")
    assert stage.clock.due == [], "one sync at a time"
    stage.clock.end()
    assert stage.sent == [b"1"]
    assert stage.disk.synced == [1]
    stage.clock.begin()
    stage.clock.end()
    assert stage.sent == [b"1", b"2"]
    assert stage.disk.synced == [1, 2]


def test_the_first_sync_begins_at_once_and_the_next_after_the_interval() -> None:
    stage = Stage(interval_s=100.0)
    stage.hold(b"1")
    assert stage.clock.begin() == 0
    stage.clock.end()
    stage.hold(b"2")
    assert 90 < stage.clock.begin() <= 100
    stage.clock.end()


def test_a_sync_that_fails_sends_nothing_and_ends_those_who_wait(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.disk.error = OSError(28, "No space left on device")
    stage.hold(b"1")
    stage.hold(b"2")
    stage.clock.begin()
    stage.clock.end()
    assert (stage.sent, stage.given_up, stage.disk.synced) == ([], 2, [])
    assert "journal_not_synced" in caplog.text
    stage.disk.error = None
    stage.hold(b"3")
    stage.clock.begin()
    stage.clock.end()
    assert stage.sent == [b"3"]


def test_more_than_enough_is_said_to_whoever_adds_to_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_module, "HELD_AT_MOST", 10)
    assert stage.hold(b"x" * 10)
    stage.clock.begin()
    assert not stage.hold(b"y"), "those under way count"
    stage.clock.end()
    assert stage.hold(b"z" * 9)


def test_the_end_waits_for_a_sync_under_way(stage: Stage) -> None:
    stage.hold(b"1")
    stage.clock.begin()
    stage.commit.close()
    stage.clock.end()
    assert stage.sent == [b"1"]
