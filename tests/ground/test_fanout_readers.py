"""What each kind of reader is given, and in how many writes: readers of the whole stream, and filtered ones."""

from __future__ import annotations

import pytest

from tests.support.fake_log import CHUNK, FRAME, Stage, frames_in, padded_to

MIB = 1 << 20


# Readers of the whole stream


def test_however_many_events_a_turn_brought_they_are_one_write() -> None:
    stage = Stage()
    dashboard = stage.join()
    stage.publish_many(20)
    stage.settle()
    assert dashboard.seqs() == list(range(1, 21))
    assert len(dashboard.wire.writes) == dashboard.reader.writes == 1
    assert dashboard.reader.sent_bytes == len(dashboard.wire.writes[0])


def test_the_log_asks_for_one_flush_a_turn_and_for_none_without_readers() -> None:
    stage = Stage()
    stage.publish_many(3)
    assert stage.asked == 0
    stage.join()
    stage.publish_many(3)
    assert stage.asked == 1
    stage.settle()
    stage.publish()
    assert stage.asked == 2


def test_a_newcomer_gets_only_what_comes_from_now_on() -> None:
    stage = Stage()
    stage.publish()
    dashboard = stage.join()
    assert not stage.owed
    stage.publish()
    stage.settle()
    assert dashboard.seqs() == [2]


@pytest.mark.parametrize(("size", "per_write"), [(1024, 128), (1000, 131), (1023, 128), (1025, 127)])
def test_a_backlog_goes_out_in_chunks_as_full_as_whole_frames_allow(size: int, per_write: int) -> None:
    stage = Stage(4 * MIB)
    whole, some = stage.join(), stage.join({"A"})
    for _ in range(400):
        digits = len(str(stage.log.seq + 1))
        stage.publish(pad=padded_to(size) + 1 - digits)
    stage.settle()
    for dashboard in (whole, some):
        assert dashboard.seqs() == list(range(1, 401))
        counts = [len(frames_in(data)) for data in dashboard.wire.writes]
        assert counts[0] == counts[1] == per_write
        assert max(map(len, dashboard.wire.writes)) <= CHUNK


def test_a_frame_larger_than_a_chunk_goes_alone() -> None:
    stage = Stage(MIB)
    whole, some = stage.join(), stage.join({"A"})
    for pad in (10, CHUNK - FRAME - 8, CHUNK - FRAME - 7, 2 * CHUNK, 10):
        stage.publish(pad=pad)
    stage.settle()
    for dashboard in (whole, some):
        assert dashboard.seqs() == [1, 2, 3, 4, 5]
        assert [len(frames_in(data)) for data in dashboard.wire.writes] == [1, 1, 1, 1, 1]


def test_a_frame_larger_than_a_chunk_goes_round_the_rings_end_too() -> None:
    stage = Stage(3 * CHUNK)
    whole, some = stage.join(), stage.join({"A"})
    for _ in range(3):
        stage.publish(pad=2 * CHUNK)
        stage.settle()
    assert whole.seqs() == some.seqs() == [1, 2, 3]


# Readers of some


def test_a_reader_of_some_vehicles_gets_theirs_only() -> None:
    stage = Stage()
    one, two, none, unheard_of = stage.join({"A"}), stage.join({"A", "C"}), stage.join(()), stage.join({"Z"})
    for vin in "ABCABC":
        stage.publish(vin)
    stage.settle()
    assert (one.seqs(), two.seqs(), none.seqs(), unheard_of.seqs()) == ([1, 4], [1, 3, 4, 6], [], [])


def test_a_reader_of_some_kinds_gets_those_only_of_all_its_vehicles() -> None:
    stage = Stage()
    alerts, both, of_one = stage.join(kinds=0b0010), stage.join(kinds=0b1010), stage.join({"B"}, 0b1000)
    for kind in (0, 1, 2, 3):
        for vin in "AB":
            stage.publish(vin, kind)
    stage.settle()
    assert (alerts.seqs(), both.seqs(), of_one.seqs()) == ([3, 4], [3, 4, 7, 8], [8])


def test_a_reader_of_all_kinds_by_name_is_one_of_the_whole_stream() -> None:
    stage = Stage()
    dashboard = stage.join(kinds=0b1111)
    stage.publish_many(3, pad=100)
    stage.settle()
    assert dashboard.seqs() == [1, 2, 3]
    assert len(dashboard.wire.writes) == 1


def test_a_filtered_reader_gets_one_gathered_write() -> None:
    stage = Stage()
    dashboard = stage.join({"A"})
    for vin in "ABABABA":
        stage.publish(vin)
    stage.settle()
    assert dashboard.seqs() == [1, 3, 5, 7]
    assert len(dashboard.wire.writes) == 1


def test_an_event_that_nobody_wants_wakes_nobody() -> None:
    stage = Stage()
    stage.join({"A"})
    stage.join(kinds=0b0100)
    stage.publish("B")
    assert stage.asked == 0


@pytest.mark.parametrize("count", [255, 256, 257, 513, 2000])
def test_a_filtered_reader_that_has_more_to_come_than_it_can_remember_misses_nothing(count: int) -> None:
    stage = Stage(MIB)
    dashboard = stage.join({"A"})
    dashboard.reader.block()
    for _ in range(count):
        stage.publish("B")
        stage.publish("A")
    assert dashboard.reader.behind == 2 * count - 1
    stage.publish_many(9, "B")
    dashboard.wire.drain()
    stage.settle()
    assert dashboard.seqs() == list(range(2, 2 * count + 1, 2))
    assert dashboard.gaps == []
    assert dashboard.reader.behind == 0


def test_a_scan_of_a_long_index_goes_on_until_it_is_through() -> None:
    stage = Stage(16 * MIB)
    wanted = [1, 2, 16_384, 16_385, 16_386, 32_767, 32_768, 49_152]
    for seq in range(1, 49_153):
        stage.log.publish(0, "A" if seq in wanted else "B", b'{"a":1}', 0)
    one, two = stage.join({"A"}, after=0), stage.join({"A", "Z"}, after=2)
    nothing = stage.join({"Z"}, after=0)
    stage.settle()
    assert (one.seqs(), two.seqs(), nothing.seqs()) == (wanted, wanted[2:], [])
    assert nothing.reader.behind == 0
