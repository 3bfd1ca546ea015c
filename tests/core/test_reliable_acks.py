"""RELIABLE_ACKS: no reply before the disk and the named outputs have what it acknowledges, in order, and within a bound."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from teslafast.core import reliable_acks
from teslafast.core.reliable_acks import ReliableAcks

from tests.support.fake_replies import FakeHold, TurnStage


class Log:
    seq = 0


class Stage:
    """`done`: what became of each reply, in its order; a reply is named by its number, and given up with a minus."""

    def __init__(self, *names: str, disk: FakeHold | None = None) -> None:
        self.log = Log()
        self.acks = ReliableAcks(self.log, dict.fromkeys(names or ("a",), 0), disk)
        self.done: list[int] = []
        self._count = 0

    def hold(self, new_events: int = 1, replies: bytes = b"ack") -> bool:
        self.log.seq += new_events
        self._count += 1
        number = self._count
        return self.acks.hold(replies, lambda _: self.done.append(number), lambda: self.done.append(-number))


def test_a_reply_leaves_when_every_named_output_has_its_record() -> None:
    stage = Stage("a", "b")
    stage.hold()
    stage.hold()
    stage.acks.confirm("a", 2)
    assert (stage.done, stage.acks.waiting, stage.acks.idle) == ([], 2, False)
    stage.acks.confirm("b", 1)
    assert stage.done == [1]
    stage.acks.confirm("b", 2)
    assert (stage.done, stage.acks.idle) == ([1, 2], True)


def test_a_reply_to_what_has_arrived_already_leaves_at_once() -> None:
    stage = Stage()
    stage.log.seq = 5
    stage.acks.confirm("a", 5)
    stage.hold(new_events=0)
    assert stage.done == [1]


@pytest.mark.parametrize("disk_first", [True, False])
def test_the_disk_and_the_outputs_are_waited_for_in_any_order(disk_first: bool) -> None:
    disk = FakeHold()
    stage = Stage(disk=disk)
    stage.hold()
    steps: list[Callable[[], object]] = [disk.succeed, lambda: stage.acks.confirm("a", 1)]
    for step in steps if disk_first else reversed(steps):
        assert stage.done == []
        step()
    assert stage.done == [1]


def test_what_the_disk_does_not_take_is_given_up_in_its_place() -> None:
    disk = FakeHold()
    stage = Stage(disk=disk)
    stage.hold()
    disk.succeed()
    stage.hold()
    disk.fail()
    assert stage.done == []
    stage.acks.confirm("a", 2)
    assert stage.done == [1, -2]


def test_what_an_output_will_never_deliver_is_not_acknowledged() -> None:
    stage = Stage()
    for _ in range(6):
        stage.hold()
    stage.acks.lose(2, 3)
    stage.acks.confirm("a", 3)
    # the fourth may acknowledge the third event as well: both may have come in within one turn
    assert stage.done == [1, -2, -3, -4]
    stage.acks.confirm("a", 6)
    assert stage.done == [1, -2, -3, -4, 5, 6]


def test_several_connections_of_one_turn_share_the_fate_of_its_events() -> None:
    stage = Stage()
    stage.hold(new_events=3)
    stage.hold(new_events=0)
    stage.hold(new_events=1)
    stage.acks.lose(2, 2)
    stage.acks.confirm("a", 4)
    assert stage.done == [-1, -2, 3]


def test_too_many_held_replies_stop_the_reading_and_far_too_many_are_given_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reliable_acks, "UNCONFIRMED_AT_MOST", 10_000)
    stage = Stage()
    rooms = [stage.hold(replies=b"x" * 88) for _ in range(80)]
    cost = reliable_acks.ENTRY_BYTES + 88
    assert rooms.index(False) == 10_000 // cost
    assert not any(rooms[rooms.index(False) :])
    assert stage.done == list(range(-(20_000 // cost + 2), -81, -1))
    stage.acks.confirm("a", 80)
    assert stage.acks.idle
    assert stage.hold(), "there is room again"


def test_the_disk_s_own_bound_stops_the_reading_too() -> None:
    disk = FakeHold()
    disk.room = False
    assert not Stage(disk=disk).hold()


def test_a_reply_that_is_held_while_others_are_released_keeps_its_place() -> None:
    stage = Stage()
    order: list[int] = []
    stage.log.seq = 1

    def first(replies: bytes) -> None:
        order.append(1)
        stage.acks.hold(b"3", lambda _: order.append(3), list)

    stage.acks.hold(b"1", first, list)
    stage.acks.hold(b"2", lambda _: order.append(2), list)
    stage.acks.confirm("a", 1)
    assert order == [1, 2, 3]


def test_a_turn_s_replies_wait_for_the_outputs_and_the_connection_is_not_read_from_beyond_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reliable_acks, "UNCONFIRMED_AT_MOST", 300)
    stage = TurnStage()
    acks = ReliableAcks(stage.hub.log, {"a": -1})
    stage.hub.turn.hold_replies_by(acks)
    for frame in (b"1", b"2"):
        stage.replies.add(frame)
        stage.loop.settle()
    assert stage.outlet.done == ["pause"]
    assert not stage.hub.turn.all_acknowledged
    acks.confirm("a", 0)
    assert stage.outlet.done == ["pause", "resume", b"1", b"2"]
    assert stage.hub.turn.all_acknowledged


class Machine(RuleBasedStateMachine):
    """Against a model: a list of replies, each with what it waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = FakeHold()
        self.stage = Stage("a", "b", disk=self.disk)
        self.confirmed = {"a": 0, "b": 0}
        self.seqs: list[int] = []
        self.synced = 0
        self.refused: set[int] = set()  # numbers of replies that must never be written
        self.lost: set[int] = set()  # seqs

    @rule(new_events=st.integers(0, 3))
    def hold(self, new_events: int) -> None:
        self.stage.hold(new_events)
        self.seqs.append(self.stage.log.seq)

    @rule(name=st.sampled_from("ab"), step=st.integers(0, 4), loses=st.booleans())
    def confirm(self, name: str, step: int, loses: bool) -> None:
        first, last = self.confirmed[name] + 1, min(self.confirmed[name] + step, self.stage.log.seq)
        if loses and last >= first:
            waiting = range(len(self.stage.done), len(self.seqs))
            self.lost |= set(range(first, last + 1))
            self.refused |= {number + 1 for number in waiting if self.seqs[number] in range(first, last + 1)}
            self.stage.acks.lose(first, last)
        if last >= first:
            self.confirmed[name] = last
            self.stage.acks.confirm(name, last)

    @rule(well=st.booleans())
    def sync(self, well: bool) -> None:
        if not well:
            self.refused |= set(range(self.synced + 1, len(self.seqs) + 1)) - set(map(abs, self.stage.done))
        self.synced = len(self.seqs)
        (self.disk.succeed if well else self.disk.fail)()

    @invariant()
    def everything_leaves_in_order_and_only_when_it_is_safe(self) -> None:
        assert [abs(number) for number in self.stage.done] == list(range(1, len(self.stage.done) + 1))
        for number in self.stage.done:
            if number > 0:
                assert number not in self.refused
                assert number <= self.synced
                assert self.seqs[number - 1] <= min(self.confirmed.values())

    @invariant()
    def nothing_waits_for_what_has_come(self) -> None:
        if len(self.stage.done) < len(self.seqs):
            number = len(self.stage.done) + 1
            assert number not in self.refused
            assert number > self.synced or self.seqs[number - 1] > min(self.confirmed.values())


TestMachine = Machine.TestCase
