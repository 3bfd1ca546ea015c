"""What the log keeps beside its frames: it comes back with the event, and no reader is sent any of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.fake_log import CHUNK, Stage, frames_in, padded_to

MIB = 1 << 20


def test_what_is_kept_beside_an_event_comes_back_with_it_and_reaches_no_reader() -> None:
    stage = Stage()
    whole, some = stage.join(), stage.join({"A", "B"})
    parts = (b"txid", b"", b"\x00" * 200)
    stage.publish("A", beside=parts)
    stage.publish("B", kind=3)
    stage.publish("A", kind=1, beside=())
    stage.publish("A", kind=2, beside=(b"",))
    stage.settle()
    assert whole.messages() == some.messages()
    assert whole.seqs() == [1, 2, 3, 4]
    assert [event[5] for event in stage.log.events_after(0, 10, beside=True)] == [parts, None, None, (b"",)]
    assert [event[:5] for event in stage.log.events_after(0, 10, beside=True)] == stage.log.events_after(0, 10)


def test_readers_of_everything_get_gathered_frames_in_one_write_the_same_for_all() -> None:
    stage = Stage(MIB)
    readers = [stage.join() for _ in range(5)]
    for number in range(40):
        stage.publish("A", kind=number % 4, beside=(b"x" * 100,))
    stage.settle()
    assert all(one.wire.writes == readers[0].wire.writes for one in readers)
    assert len(readers[0].wire.writes) == 1
    assert readers[0].seqs() == list(range(1, 41))


@pytest.mark.parametrize("size", [1, CHUNK, 3 * CHUNK])
def test_a_backlog_of_events_with_bytes_beside_them_goes_out_in_chunks(size: int) -> None:
    stage = Stage(4 * MIB)
    for number in range(9):
        stage.publish(pad=size if number % 3 else 60_000, beside=(b"x" * 1000,))
    late = stage.join(after=0)
    stage.settle()
    assert late.seqs() == list(range(1, 10))
    assert all(len(data) <= CHUNK or len(frames_in(data)) == 1 for data in late.wire.writes)


def test_what_is_beside_it_goes_round_the_rings_end_and_counts_as_room() -> None:
    stage = Stage(1000)
    for number in range(100):
        stage.publish(pad=number % 50, beside=(bytes([number]) * (number % 90), b"end"))
        newest = stage.log.events_after(stage.log.seq - 1, 1, beside=True)
        assert newest[0][5] == (bytes([number]) * (number % 90), b"end")
        assert stage.log.kept_bytes <= 1000
    assert 3 < stage.log.kept < 10


def test_an_event_that_has_no_room_for_what_is_beside_it_is_kept_without() -> None:
    stage = Stage(1000)
    stage.publish(beside=(b"x" * 1000,))
    stage.publish(pad=padded_to(1000), beside=(b"",))
    assert [event[5] for event in stage.log.events_after(0, 9, beside=True)] == [None]
    assert stage.log.seq == 2


@pytest.mark.parametrize("beside", [("text",), (1,), (b"a", None)])
def test_only_bytes_can_be_kept_beside_an_event(beside: Any) -> None:
    stage = Stage()
    with pytest.raises(TypeError):
        stage.publish(beside=beside)
    assert (stage.log.seq, stage.log.written) == (0, 0)
