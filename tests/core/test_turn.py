"""A turn: everything that came in together is in the log first, then acknowledged, then given to its readers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from teslafast.core.turn import Replies

from tests.support.fake_loop import FakeLoop, data, publish
from tests.support.fake_replies import FakeHold, FakeOutlet, TurnStage

# ---- replies


def test_the_replies_of_one_turn_leave_in_one_write_and_in_their_order() -> None:
    stage = TurnStage()
    for frame in (b"a", b"b", b"c"):
        stage.replies.add(frame)
    assert stage.outlet.done == []
    stage.loop.settle()
    assert stage.outlet.done == [b"abc"]


def test_replies_leave_when_their_records_are_in_the_log_and_before_readers_get_them() -> None:
    stage = TurnStage()
    dashboard = stage.reader()
    written_before: list[int] = []
    dashboard.wire.on_write = lambda: written_before.append(len(stage.outlet.done))
    publish(stage.hub, data())
    stage.replies.add(b"ack")
    stage.loop.settle()
    assert stage.outlet.seqs == [1]
    assert written_before == [1]


def test_a_turn_is_asked_for_once_however_much_it_owes() -> None:
    stage = TurnStage()
    stage.reader()
    for number in range(3):
        publish(stage.hub, data(number))
        Replies(stage.hub.turn, FakeOutlet(stage.hub)).add(b"ack")
    assert len(stage.loop.ready) == 1


def test_a_reply_added_during_a_turn_leaves_in_the_next() -> None:
    stage = TurnStage()
    late = FakeOutlet(stage.hub)
    replies = Replies(stage.hub.turn, late)
    stage.outlet.on_write = lambda: replies.add(b"late")
    stage.replies.add(b"early")
    stage.loop.turn()
    assert late.done == []
    stage.loop.turn()
    assert late.done == [b"late"]


def test_then_sends_what_was_added_first() -> None:
    stage = TurnStage()
    stage.replies.add(b"ack")
    stage.replies.then(lambda: stage.outlet.done.append("close"))
    assert stage.outlet.done == [b"ack", "close"]
    stage.loop.settle()
    assert stage.outlet.done == [b"ack", "close"], "nothing is sent twice"


def test_after_the_end_nothing_is_written_and_nobody_is_called() -> None:
    stage = TurnStage()
    stage.replies.add(b"ack")
    stage.replies.end()
    stage.replies.then(lambda: stage.outlet.done.append("close"))
    stage.loop.settle()
    assert stage.outlet.done == []


def test_all_is_acknowledged_once_nobody_owes_a_reply_and_none_is_held() -> None:
    stage = TurnStage(held=True)
    steps: tuple[Callable[[], object], ...] = (
        lambda: None,
        lambda: stage.replies.add(b"ack"),
        stage.loop.settle,
        stage.hold.succeed,
    )
    answers = []
    for step in steps:
        step()
        answers.append(stage.hub.turn.all_acknowledged)
    assert answers == [True, False, False, True]


# ---- replies that wait until their records are safe


def test_held_replies_leave_when_their_records_are_safe_and_not_before() -> None:
    stage = TurnStage(held=True)
    stage.replies.add(b"ack")
    stage.loop.settle()
    assert stage.outlet.done == []
    stage.hold.succeed()
    assert stage.outlet.done == [b"ack"]


def test_then_waits_for_held_replies() -> None:
    stage = TurnStage(held=True)
    stage.replies.add(b"ack")
    stage.replies.then(lambda: stage.outlet.done.append("close"))
    assert stage.outlet.done == []
    stage.hold.succeed()
    assert stage.outlet.done == [b"ack", "close"]


def test_a_record_that_never_will_be_safe_ends_the_connection_that_waits_for_its_reply() -> None:
    stage = TurnStage(held=True)
    stage.replies.add(b"ack")
    stage.loop.settle()
    stage.hold.fail()
    assert stage.outlet.done == ["abort"]


@pytest.mark.parametrize("outcome", [FakeHold.succeed, FakeHold.fail])
def test_a_connection_that_ended_while_its_replies_were_held_is_left_alone(outcome: Callable[[FakeHold], None]) -> None:
    stage = TurnStage(held=True)
    stage.replies.add(b"ack")
    stage.replies.then(lambda: stage.outlet.done.append("close"))
    stage.replies.end()
    outcome(stage.hold)
    stage.loop.settle()
    assert stage.outlet.done == []
    assert stage.hub.turn.all_acknowledged


def test_while_too_much_is_held_the_connection_is_not_read_from() -> None:
    stage = TurnStage(held=True)
    stage.hold.room = False
    stage.replies.add(b"a")
    stage.loop.settle()
    assert stage.outlet.done == ["pause"]
    stage.hold.succeed()
    assert stage.outlet.done == ["pause", "resume", b"a"]


def test_a_connection_paused_by_one_reply_is_read_again_even_if_there_was_room_for_the_next() -> None:
    stage = TurnStage(held=True)
    for frame, room in ((b"a", False), (b"b", True)):
        stage.hold.room = room
        stage.replies.add(frame)
        stage.loop.settle()
    stage.hold.succeed()
    assert stage.outlet.done == ["pause", "resume", b"a", b"b"]


# ---- flushes


def test_all_that_comes_in_one_turn_is_one_write_to_a_reader() -> None:
    stage = TurnStage()
    dashboard = stage.reader()
    for number in range(10):
        publish(stage.hub, data(number))
    stage.loop.settle()
    assert len(dashboard.wire.writes) == 1
    assert dashboard.seqs() == list(range(1, 11))


def flushed_at_the_loops_time(stage: TurnStage) -> float:
    """The loop's clock set to when the log was flushed last."""
    stage.loop.now_s = stage.hub.log.flushed_at
    return stage.loop.now_s


def test_with_coalescing_the_first_event_after_a_pause_goes_at_once_and_the_next_ones_wait() -> None:
    stage = TurnStage(COALESCE_MS="10000")
    stage.loop.now_s = 1e12  # long after whatever was flushed last
    dashboard = stage.reader()
    publish(stage.hub, data(1))
    stage.loop.settle()
    assert dashboard.seqs() == [1]
    flushed_at_the_loops_time(stage)
    publish(stage.hub, data(2))
    publish(stage.hub, data(3))
    stage.loop.settle()
    assert dashboard.seqs() == [1]
    assert stage.loop.elapse() == [10.0]
    assert dashboard.seqs() == [1, 2, 3]


def test_with_coalescing_replies_still_leave_at_the_end_of_each_turn() -> None:
    stage = TurnStage(COALESCE_MS="10000")
    for _ in range(2):
        publish(stage.hub, data())
        stage.replies.add(b"ack")
        stage.loop.settle()
    assert stage.outlet.seqs == [1, 2]


def test_coalesce_takes_the_place_of_the_setting() -> None:
    stage = TurnStage(COALESCE_MS="10000")
    stage.hub.turn.coalesce(0)
    dashboard = stage.reader()
    for number in range(2):
        publish(stage.hub, data(number))
        stage.loop.settle()
    assert (dashboard.seqs(), stage.loop.timers) == ([1, 2], [])


# ---- watchers


def test_a_watcher_is_called_once_a_turn_after_the_readers() -> None:
    stage = TurnStage()
    dashboard = stage.reader()
    seen: list[list[int]] = []
    stage.hub.turn.watch(lambda: seen.append(dashboard.seqs()))
    assert stage.hub.turn.watched
    for number in range(3):
        publish(stage.hub, data(number))
    stage.loop.settle()
    assert seen == [[1, 2, 3]]


def test_a_watcher_is_called_for_events_that_no_reader_wants() -> None:
    stage = TurnStage()
    calls: list[int] = []
    stage.hub.turn.watch(lambda: calls.append(1))
    publish(stage.hub, data())
    stage.loop.settle()
    assert calls == [1]


def test_a_watcher_that_leaves_when_it_is_called_keeps_no_other_from_being_called() -> None:
    stage = TurnStage()
    calls: list[str] = []

    def once() -> None:
        calls.append("once")
        stage.hub.turn.unwatch(once)

    stage.hub.turn.watch(once)
    stage.hub.turn.watch(lambda: calls.append("always"))
    for number in range(2):
        publish(stage.hub, data(number))
        stage.loop.settle()
    assert calls == ["once", "always", "always"]


def test_a_turns_duration_is_counted_from_its_first_message() -> None:
    stage = TurnStage()
    stage.replies.add(b"ack")
    stage.loop.now_s += 0.5
    stage.loop.settle()
    assert stage.hub.counts.turns.sum_s == 0.5
    assert sum(stage.hub.counts.turns.buckets) == 1


def test_the_loop_is_asked_for_nothing_when_nothing_happens() -> None:
    stage = TurnStage()
    loop: FakeLoop = stage.loop
    assert (loop.ready, loop.timers) == ([], [])
