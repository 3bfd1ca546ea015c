"""Rounds go on whatever fails in them, and after a stall the sockets are read first."""

from __future__ import annotations

import time

import pytest
from teslafast.close_reasons import CloseReason
from teslafast.core.connections import Connections
from teslafast.metrics import Counts
from teslafast.server.rounds import PARTS, ROUND_S, STALL_S, Rounds

from tests.support.fake_loop import FakeLoop


class Connection:
    def __init__(self, fails: bool = False) -> None:
        self.fails = fails
        self.checks: list[float] = []

    def check(self, now_s: float) -> None:
        self.checks.append(now_s)
        if self.fails:
            raise RuntimeError("a bad connection")

    def close(self, reason: CloseReason) -> None: ...

    def abort(self) -> None: ...


class Stage:
    """`elapse` lets one part of a round become due, so many seconds late."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loop, self.counts = FakeLoop(), Counts()
        self.connections = Connections(self.loop)
        self.checked: list[str] = []
        monkeypatch.setattr(time, "monotonic", self.loop.clock)
        checks = {"broken": self._broken, "sound": lambda now_s: self.checked.append("sound")}
        self.rounds = Rounds(self.loop, self.connections, checks, ROUND_S, self.counts)
        self.rounds.begin()

    def _broken(self, now_s: float) -> None:
        self.checked.append("broken")
        raise OSError("no space left")

    def elapse(self, late_s: float = 0.0) -> None:
        ((delay, go),) = self.loop.timers
        self.loop.timers.clear()
        self.loop.now_s += delay + late_s
        go()


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


def test_a_check_that_fails_ends_neither_the_others_nor_the_rounds(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        stage.elapse()
    assert stage.checked == ["broken", "sound"] * 3
    assert stage.counts.round_failures == {"broken": 3}
    assert [record.getMessage() for record in caplog.records] == ["round_failed"] * 3


def test_a_connection_whose_check_fails_costs_no_other_its_own(stage: Stage) -> None:
    bad, good = Connection(fails=True), Connection()
    stage.connections.add_vehicle(bad)
    stage.connections.add_vehicle(good)
    for _ in range(2 * PARTS):
        stage.elapse()
    assert bad.checks
    assert good.checks
    assert stage.counts.round_failures["connections"] == len(bad.checks)


def test_every_connection_is_checked_about_once_in_a_round(stage: Stage) -> None:
    several = [Connection() for _ in range(100)]
    for one in several:
        stage.connections.add_vehicle(one)
    for _ in range(5 * PARTS):
        stage.elapse()
    checks = {len(one.checks) for one in several}
    assert min(checks) >= 4
    assert max(checks) <= min(checks) + 1


def test_after_a_stall_one_part_is_left_out_so_that_the_sockets_are_read(stage: Stage) -> None:
    stage.elapse(late_s=STALL_S + 9)
    assert stage.checked == []
    stage.elapse()
    assert stage.checked == ["broken", "sound"]


def test_a_machine_that_is_always_late_checks_all_the_same(stage: Stage) -> None:
    for _ in range(4):
        stage.elapse(late_s=STALL_S + 1)
    assert stage.checked == ["broken", "sound"] * 2
