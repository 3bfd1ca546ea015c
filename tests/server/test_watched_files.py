"""Files that change are read again, one at a time, and a read that does not return is waited for without a word to the loop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from teslafast.server.watched_files import LOOK_EVERY_S, Rereading


class SlowDisk:
    """Makes a call when it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[Callable[[], Any], Future[Any]]] = []

    def submit(self, path: Path, call: Callable[[], Any]) -> Future[Any]:
        done: Future[Any] = Future()
        self.calls.append((call, done))
        return done

    def check(self, now_s: float) -> None: ...

    def answer(self) -> None:
        call, done = self.calls.pop(0)
        try:
            done.set_result(call())
        except OSError as error:
            done.set_exception(error)


class Stage:
    def __init__(self) -> None:
        self.disk = SlowDisk()
        self.asked: list[bool] = []
        self.used: list[str] = []
        self.fails = False
        self.rereading = Rereading(self.disk, Path("key.pem"), self._read, self.used.append)

    def _read(self, forced: bool) -> str | None:
        self.asked.append(forced)
        if self.fails:
            raise OSError("no answer")
        return "content" if forced else None


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_while_a_read_is_under_way_no_other_begins(stage: Stage) -> None:
    for look in range(1, 10):
        stage.rereading.check(look * LOOK_EVERY_S)
        stage.rereading.now()
    assert len(stage.disk.calls) == 1
    stage.disk.answer()
    stage.rereading.check(10 * LOOK_EVERY_S)
    assert len(stage.disk.calls) == 1
    stage.disk.answer()
    assert stage.asked == [False, True], "what was asked for meanwhile comes once, after it"
    stage.rereading.check(10 * LOOK_EVERY_S)
    assert stage.used == ["content"]
    assert not stage.rereading.under_way


def test_what_has_not_changed_is_not_used(stage: Stage) -> None:
    stage.rereading.check(LOOK_EVERY_S)
    stage.disk.answer()
    stage.rereading.check(LOOK_EVERY_S + 1)
    assert (stage.used, len(stage.disk.calls)) == ([], 0)


def test_a_read_that_fails_is_raised_once_and_the_next_one_comes_in_time(stage: Stage) -> None:
    stage.fails = True
    stage.rereading.check(LOOK_EVERY_S)
    stage.disk.answer()
    with pytest.raises(OSError, match="no answer"):
        stage.rereading.check(LOOK_EVERY_S + 1)
    stage.rereading.check(LOOK_EVERY_S + 2)
    assert stage.disk.calls == []
    stage.rereading.check(2 * LOOK_EVERY_S)
    assert len(stage.disk.calls) == 1
