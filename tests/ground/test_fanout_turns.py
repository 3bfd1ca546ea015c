"""What befalls readers while they are served: what is said to them, faults, coming and going, the length of a turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from unittest.mock import ANY

import pytest

from tests.support.fake_log import CHUNK, Dashboard, Stage, note

MIB = 1 << 20


# What is said to a reader besides the log


def test_a_frame_said_to_a_reader_goes_before_what_the_log_has_next() -> None:
    stage = Stage()
    dashboard = Dashboard()
    dashboard.reader.say([note("hello")])
    stage.log.subscribe(dashboard.reader)
    stage.publish()
    dashboard.reader.say([note("one"), note("two")])
    stage.settle()
    stage.publish()
    stage.settle()
    assert dashboard.messages()[:3] == [{"note": "hello"}, {"note": "one"}, {"note": "two"}]
    assert dashboard.seqs() == [1, 2]


def test_frames_said_are_drawn_only_as_the_transport_takes_them() -> None:
    stage = Stage()
    dashboard = stage.join(room=3 * len(note("0")) + 1)
    drawn: list[int] = []

    def notes() -> Iterator[bytes]:
        for number in range(10):
            drawn.append(number)
            yield note(str(number))

    dashboard.reader.say(notes())
    stage.publish()
    stage.settle()
    assert drawn == [0, 1, 2, 3]
    dashboard.wire.drain()
    stage.settle()
    assert drawn == list(range(10))
    assert dashboard.seqs() == [1]


def test_frames_said_without_end_take_one_chunk_a_turn() -> None:
    stage = Stage()
    talked_to, other = stage.join(), stage.join()
    dashboard_writes = talked_to.wire.writes
    talked_to.reader.say(iter(lambda: note("n" * 1000), b""))
    stage.publish()
    stage.turn()
    assert CHUNK <= sum(map(len, dashboard_writes)) < CHUNK + 1100
    assert other.seqs() == [1]
    assert stage.owed


def test_an_empty_frame_said_ends_the_readers_turn() -> None:
    stage = Stage()
    dashboard = stage.join()
    dashboard.reader.say([note("one"), b"", b"", note("two")])
    stage.publish()
    for said in (1, 1, 2):
        stage.turn()
        assert len(dashboard.messages()) - len(dashboard.seqs()) == said
    stage.settle()
    assert dashboard.seqs() == [1]


def test_a_gap_is_told_after_the_frames_said_before_it() -> None:
    stage = Stage(1024)
    dashboard = stage.join()
    dashboard.reader.block()
    stage.publish_many(20)
    dashboard.reader.say([note("before")])
    dashboard.wire.drain()
    stage.settle()
    assert dashboard.messages()[:2] == [{"note": "before"}, {"type": "gap", "from": 1, "to": 12}]


def test_a_sink_may_say_more_while_it_is_told_of_a_gap() -> None:
    class Talkative(Dashboard):
        def on_gap(self, first: int, last: int) -> Iterable[bytes]:
            self.reader.say([note("sorry")])
            return super().on_gap(first, last)

    stage = Stage()
    stage.publish()
    dashboard = Talkative()
    stage.log.subscribe(dashboard.reader, after=-1)
    stage.settle()
    assert dashboard.messages() == [{"type": "gap", "from": 0, "to": 0}, {"note": "sorry"}, ANY]


def test_200000_frames_said_to_a_reader_that_takes_nothing_all_go_out_later() -> None:
    stage = Stage()
    dashboard = stage.join()
    dashboard.reader.block()
    for _ in range(200_000):
        dashboard.reader.say((b"\x81\x00",))
    dashboard.wire.drain()
    stage.settle()
    assert len(dashboard.wire.writes) == 200_000


@pytest.mark.parametrize("vins", [None, {"A"}], ids=["whole", "some"])
def test_the_last_frame_said_may_unsubscribe_the_reader(vins: set[str] | None) -> None:
    stage = Stage()
    dashboard = stage.join(vins, after=0)
    stage.publish()

    def farewell() -> Iterator[bytes]:
        yield note("goodbye")
        stage.log.unsubscribe(dashboard.reader)

    dashboard.reader.say(farewell())
    stage.settle()
    assert dashboard.messages() == [{"note": "goodbye"}]
    assert stage.log.readers == 0
    assert dashboard.reader.behind == 0


# When serving fails


def fail() -> None:
    raise BrokenPipeError("gone")


@pytest.mark.parametrize("vins", [None, {"A"}], ids=["whole", "some"])
@pytest.mark.parametrize("failing", range(4))
def test_a_reader_that_fails_is_dropped_and_told_and_the_others_notice_nothing(vins: set[str] | None, failing: int) -> None:
    stage = Stage()
    dashboards = [stage.join(vins) for _ in range(4)]
    dashboards[failing].wire.on_write = fail
    stage.publish()
    stage.turn()
    assert [dashboard.seqs() for dashboard in dashboards] == [[] if n == failing else [1] for n in range(4)]
    assert [type(error) for error in dashboards[failing].faults] == [BrokenPipeError]
    assert stage.log.readers == 3
    dashboards[failing].wire.on_write = None
    stage.publish()
    stage.settle()
    assert [dashboard.seqs() for dashboard in dashboards] == [[] if n == failing else [1, 2] for n in range(4)]


def test_a_frame_said_that_is_not_bytes_is_a_fault_and_nothing_is_written() -> None:
    stage = Stage()
    dashboard = stage.join()
    words: Any = ["words"]
    dashboard.reader.say(words)
    stage.settle()
    assert [type(error) for error in dashboard.faults] == [TypeError]
    assert dashboard.wire.writes == []


def test_a_sink_that_cannot_tell_a_gap_has_failed() -> None:
    class Speechless(Dashboard):
        def on_gap(self, first: int, last: int) -> Iterable[bytes]:
            raise LookupError(first, last)

    stage = Stage()
    dashboard = Speechless()
    stage.log.subscribe(dashboard.reader, after=-1)
    stage.settle()
    assert [type(error) for error in dashboard.faults] == [LookupError]
    assert stage.log.readers == 0


def test_a_sink_that_fails_when_it_is_told_of_a_fault_does_not_stop_the_log() -> None:
    class Hopeless(Dashboard):
        def on_fault(self, error: Exception) -> None:
            raise LookupError from error

    stage = Stage()
    hopeless = Hopeless()
    hopeless.wire.on_write = fail
    stage.log.subscribe(hopeless.reader)
    others = [stage.join(), stage.join({"A"})]
    stage.publish()
    with pytest.raises(LookupError):
        stage.turn()
    assert stage.asked == 2
    stage.settle()
    assert [other.seqs() for other in others] == [[1], [1]]


# Turns


def take_ms(ms: float) -> Callable[[], None]:
    """A write that takes its time, as a kernel with much to copy does; a flush may last 8 ms."""

    def write() -> None:
        until = time.perf_counter() + ms / 1000
        while time.perf_counter() < until:
            pass

    return write


@pytest.mark.parametrize("vins", [None, {"A"}], ids=["whole", "some"])
def test_a_flush_gives_way_after_a_while_and_goes_on_where_it_stopped(vins: set[str] | None) -> None:
    stage = Stage()
    dashboards = [stage.join(vins) for _ in range(100)]
    dashboards[0].wire.on_write = take_ms(9)
    stage.publish()
    stage.turn()
    served = [dashboard for dashboard in dashboards if dashboard.wire.writes]
    assert 0 < len(served) <= 16
    assert stage.owed
    stage.settle()
    assert all(len(dashboard.wire.writes) == 1 for dashboard in dashboards)


@pytest.mark.parametrize("moment", ["one goes that was served", "one goes that was not", "some come", "one resubscribes"])
@pytest.mark.parametrize("round_begins", ["at the first", "amid them"])
def test_a_reader_that_comes_or_goes_between_two_slices_costs_nobody_a_turn(moment: str, round_begins: str) -> None:
    for number in (0, 10, 20):
        stage = Stage()
        dashboards = [stage.join() for _ in range(40)]
        dashboards[number].wire.on_write = take_ms(9)
        stage.publish()
        stage.turn()
        assert stage.owed
        served = [dashboard for dashboard in dashboards if dashboard.wire.writes]
        unserved = [dashboard for dashboard in dashboards if not dashboard.wire.writes]
        assert served
        assert unserved
        if round_begins == "amid them":
            stage.publish()
        match moment:
            case "one goes that was served":
                stage.log.unsubscribe(served[0].reader)
            case "one goes that was not":
                stage.log.unsubscribe(unserved.pop().reader)
            case "some come":
                dashboards += [stage.join() for _ in range(3)]
            case _:
                stage.log.resubscribe(served[0].reader)
        stage.settle()
        assert all(dashboard.reader.behind == 0 for dashboard in dashboards)
        assert all(dashboard.seqs() == list(range(1, stage.log.seq + 1)) for dashboard in unserved)


def test_filtered_readers_with_much_to_come_do_not_starve_those_of_the_whole_stream() -> None:
    stage = Stage(MIB)
    greedy = [stage.join({"A"}) for _ in range(20)]
    whole = stage.join()
    for dashboard in greedy:
        dashboard.wire.on_write = take_ms(1)
    stage.publish_many(100, pad=9000)
    stage.turn()
    stage.turn()
    assert whole.wire.writes
    assert any(dashboard.reader.behind for dashboard in greedy)


def test_readers_of_the_whole_stream_that_never_come_to_its_end_do_not_starve_filtered_ones() -> None:
    stage = Stage(MIB)
    greedy = [stage.join() for _ in range(48)]
    some = stage.join({"A"})
    for dashboard in greedy:
        dashboard.wire.on_write = take_ms(1)
    for _ in range(2):
        stage.publish()
        stage.turn()
    assert some.wire.writes
    assert any(dashboard.reader.behind for dashboard in greedy)
