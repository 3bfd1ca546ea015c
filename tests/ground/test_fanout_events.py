"""The log's texts as server-sent events: whole blocks, the same JSON as in the frames, to whole and to filtered readers."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast._fanout import ALL_KINDS, EventStream, Reader

from tests.support.event_stream import Event, events_in
from tests.support.fake_log import CHUNK, Dashboard, Stage, gap_frame

MIB = 1 << 20
PLAIN = EventStream("epoch")
CONNECTIVITY = 3


class Listener(Dashboard):
    """A dashboard whose reader wants events; a gap is told by a comment."""

    def __init__(self, framing: EventStream = PLAIN, room: int | None = None) -> None:
        super().__init__(room)
        self.reader = Reader(self.wire, self, framing)
        self.wire.hold, self.wire.go_on = self.reader.block, self.reader.wake

    def on_gap(self, first: int, last: int) -> Iterable[bytes]:
        super().on_gap(first, last)
        return [b": gap\n"]

    def events(self) -> list[Event]:
        return events_in(b"".join(self.wire.writes))


def listener(
    stage: Stage,
    vins: Iterable[str] | None = None,
    after: int | None = None,
    framing: EventStream = PLAIN,
    room: int | None = None,
    kinds: int = ALL_KINDS,
) -> Listener:
    made = Listener(framing, room)
    stage.log.subscribe(made.reader, vins, kinds, after)
    return made


@pytest.mark.parametrize("vins", [None, {"A"}])
def test_an_event_is_the_frames_text_with_its_epoch_and_seq_as_id(vins: set[str] | None) -> None:
    stage = Stage()
    frames, events = stage.join(vins), listener(stage, vins)
    stage.publish_many(3)
    stage.settle()
    assert [event.data for event in events.events()] == frames.messages()
    assert [event.event_id for event in events.events()] == ["epoch-1", "epoch-2", "epoch-3"]


def test_all_who_stand_at_one_entry_get_the_same_bytes_in_one_write_each() -> None:
    stage = Stage(MIB)
    listeners = [listener(stage) for _ in range(5)]
    frames = stage.join()
    stage.publish_many(20)
    stage.settle()
    assert all(one.wire.writes == listeners[0].wire.writes for one in listeners)
    assert len(listeners[0].wire.writes) == 1
    assert [event.data for event in listeners[0].events()] == frames.messages()


def test_what_was_framed_for_one_is_gone_on_with_for_the_next() -> None:
    """The second reader stands where the first one stood, but more has been published since."""
    stage = Stage()
    late = listener(stage, room=0)
    late.reader.block()
    early = listener(stage)
    stage.publish_many(2)
    stage.settle()
    stage.publish()
    late.wire.drain()
    stage.settle()
    assert [event.data["seq"] for event in early.events()] == [1, 2, 3]
    assert [event.data["seq"] for event in late.events()] == [1, 2, 3]


@pytest.mark.parametrize("vins", [None, {"A"}])
def test_a_backlog_goes_out_in_chunks_of_whole_events(vins: set[str] | None) -> None:
    stage = Stage(4 * MIB)
    stage.publish_many(1000, pad=900)
    late = listener(stage, vins, after=0)
    stage.settle()
    assert [event.data["seq"] for event in late.events()] == list(range(1, 1001))
    assert all(0 < len(data) <= CHUNK for data in late.wire.writes)
    assert all(events_in(data) for data in late.wire.writes)


@pytest.mark.parametrize("vins", [None, {"A"}])
@pytest.mark.parametrize("pad", [CHUNK - 100, CHUNK, 3 * CHUNK])
def test_an_event_larger_than_a_chunk_goes_alone_and_whole(pad: int, vins: set[str] | None) -> None:
    stage = Stage(MIB)
    late = listener(stage, vins, after=0)
    for size in (1, pad, 2):
        stage.publish(pad=size)
    stage.settle()
    assert [len(event.data["pad"]) for event in late.events()] == [1, pad, 2]
    assert [event.event_id for event in late.events()] == ["epoch-1", "epoch-2", "epoch-3"]


def test_a_large_event_that_goes_round_the_rings_end_is_whole() -> None:
    stage = Stage(MIB)
    reader = listener(stage)
    for pad in (600_000, 700_000, 300_000):
        stage.publish(pad=pad)
        stage.settle()
    assert [len(event.data["pad"]) for event in reader.events()] == [600_000, 700_000, 300_000]


def framed_by_hand(seq: int, vin: str, text: bytes) -> bytes:
    return b"" if seq % 2 else b'data: {"made":%d,"vin":"%s","size":%d}\n\n' % (seq, vin.encode(), len(text))


@pytest.mark.parametrize("vins", [None, {"A"}])
def test_events_of_a_special_kind_are_framed_by_their_maker_which_may_leave_them_out(vins: set[str] | None) -> None:
    stage = Stage()
    events = listener(stage, vins, framing=EventStream("epoch", 1 << CONNECTIVITY, framed_by_hand))
    for kind in (0, CONNECTIVITY, 1, CONNECTIVITY, CONNECTIVITY):
        stage.publish(kind=kind)
        stage.settle()
    assert [event.data.get("seq", event.data.get("made")) for event in events.events()] == [1, 2, 3, 4]
    assert all(events.wire.writes), "nothing is not written"


@pytest.mark.parametrize("vins", [None, {"A"}])
def test_a_special_block_larger_than_a_chunk_goes_alone(vins: set[str] | None) -> None:
    stage = Stage(MIB)
    text = b'data: {"pad":"%s"}\n\n' % (b"x" * CHUNK)
    events = listener(stage, vins, framing=EventStream("epoch", 1, lambda seq, vin, body: text))
    stage.publish_many(2)
    stage.settle()
    assert events.wire.writes == [text, text]


def test_a_maker_that_fails_costs_its_reader_and_nobody_else() -> None:
    def fails(seq: int, vin: str, text: bytes) -> bytes:
        raise ZeroDivisionError

    stage = Stage()
    broken, sound, frames = listener(stage, framing=EventStream("epoch", 1, fails)), listener(stage), stage.join()
    stage.publish_many(2)
    stage.settle()
    assert [type(error) for error in broken.faults] == [ZeroDivisionError]
    assert [event.data for event in sound.events()] == frames.messages()


def test_a_lapped_reader_is_told_and_goes_on_with_the_oldest() -> None:
    stage = Stage()
    slow = listener(stage, room=0)
    slow.reader.block()
    stage.publish_many(500)
    slow.wire.drain()
    stage.settle()
    assert slow.gaps == [(1, stage.log.oldest - 1)]
    assert slow.wire.writes[0] == b": gap\n"
    assert [event.data["seq"] for event in slow.events()] == list(range(stage.log.oldest, 501))


def test_frames_and_events_are_read_side_by_side() -> None:
    stage = Stage()
    frames, events, other = stage.join(), listener(stage), stage.join({"A"})
    events.reader.say([b": hi\n"])
    frames.reader.say([gap_frame(0, 0)])
    stage.publish_many(3)
    stage.settle()
    assert events.wire.writes[0] == b": hi\n"
    assert [event.data["seq"] for event in events.events()] == [1, 2, 3] == frames.seqs() == other.seqs()


def test_an_epoch_too_long_for_an_id_is_refused() -> None:
    with pytest.raises(ValueError, match="epoch"):
        EventStream("x" * 60)


@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 3), st.integers(0, 400), st.booleans()), max_size=60),
    st.sampled_from([None, {"A"}, {"A", "B"}]),
)
def test_whatever_is_published_events_and_frames_say_the_same(
    published: list[tuple[str, int, int, bool]], vins: set[str] | None
) -> None:
    stage = Stage(64 * 1024)
    frames, events = stage.join(vins), listener(stage, vins)
    for vin, kind, pad, settle in published:
        stage.publish(vin, kind, pad)
        if settle:
            stage.settle()
    stage.settle()
    assert [event.data for event in events.events()] == frames.messages()
