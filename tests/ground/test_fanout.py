"""The log sentence by sentence: its frames, and what it keeps of them."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast._fanout import FLAT_PREFIXES, FLEET_PREFIXES, KINDS, Fanout, bytes_needed, frame
from websockets.frames import Frame, Opcode

from tests.support.fake_log import FRAME, Dashboard, Stage, body, frames_in, padded_to

MIB = 1 << 20


def nobody(log: Fanout) -> None:
    """Schedules nothing."""


# Frames


def test_an_event_is_one_text_frame_with_its_kind_and_seq_before_its_body() -> None:
    stage = Stage()
    stage.log.publish(0, "A", b'{"vin":"A","data":{}}', 0)
    text = b'{"type":"data","seq":1,"vin":"A","data":{}}'
    assert stage.log.replay(1) == Frame(Opcode.TEXT, text).serialize(mask=False)


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_a_flat_event_carries_the_name_of_its_kind(kind: int) -> None:
    stage = Stage()
    dashboard = stage.join()
    stage.publish(kind=kind)
    stage.settle()
    assert dashboard.messages() == [{"type": KINDS[kind], "seq": 1, "vin": "A", "pad": ""}]


def test_the_fleet_shape_has_no_type() -> None:
    stage = Stage(prefixes=FLEET_PREFIXES)
    dashboard = stage.join()
    stage.publish(kind=3)
    stage.settle()
    assert dashboard.messages() == [{"seq": 1, "vin": "A", "pad": ""}]


@pytest.mark.parametrize("text_size", [125, 126, 127, 255, 256, 65535, 65536, 65537, 70000])
def test_a_frame_is_valid_on_both_sides_of_each_header_size(text_size: int) -> None:
    stage = Stage(MIB)
    dashboard = stage.join()
    stage.publish(pad=text_size - (FRAME - 2))
    stage.settle()
    [message] = frames_in(b"".join(dashboard.wire.writes))
    assert len(message.data) == text_size
    assert stage.log.replay(1) == message.serialize(mask=False)


@given(opcode=st.sampled_from([1, 2, 8, 9, 10]), size=st.integers(0, 125) | st.sampled_from([126, 65535, 65536]))
def test_a_frame_is_what_websockets_makes_of_it(opcode: int, size: int) -> None:
    payload = bytes(size if opcode < 8 else min(size, 125))
    assert frame(opcode, payload) == Frame(Opcode(opcode), payload).serialize(mask=False)


@pytest.mark.parametrize("seq", [1, 9, 10, 99, 100, 2**32, 2**63, 2**64 - 2])
def test_a_seq_of_any_length_is_written_out(seq: int) -> None:
    stage = Stage()
    dashboard = stage.join()
    assert stage.publish(seq=seq) == seq
    stage.settle()
    assert dashboard.seqs() == [seq]
    assert stage.log.seq == stage.log.oldest == seq


# What stands in the log


def test_an_empty_log_has_had_no_event() -> None:
    stage = Stage()
    assert (stage.log.seq, stage.log.oldest, stage.log.readers) == (0, 1, 0)
    assert stage.log.replay(0) is None
    assert stage.log.replay(1) is None


def test_seqs_count_from_one_and_go_on_after_a_seq_that_was_given() -> None:
    stage = Stage()
    assert [stage.publish(), stage.publish(), stage.publish(seq=10), stage.publish()] == [1, 2, 10, 11]
    assert stage.log.replay(3) is None
    assert stage.log.replay(11) is not None


def test_a_view_may_say_a_seq_again_and_both_frames_are_given() -> None:
    stage = Stage()
    whole, some, late = stage.join(), stage.join({"A"}), Dashboard()
    for seq in (5, 5, 6):
        stage.publish(seq=seq)
    stage.log.subscribe(late.reader, after=5)
    stage.settle()
    assert whole.seqs() == some.seqs() == [5, 5, 6]
    assert late.seqs() == [6]


@pytest.mark.parametrize("seq", [1, 4])
def test_a_seq_that_is_past_is_refused_and_leaves_no_trace(seq: int) -> None:
    stage = Stage()
    stage.publish(seq=5)
    dashboard = stage.join()
    with pytest.raises(ValueError, match=f"seq {seq} after 5"):
        stage.publish(seq=seq)
    assert stage.log.seq == 5
    assert not stage.owed
    assert dashboard.messages() == []


@pytest.mark.parametrize(
    ("kind", "vin", "content"),
    [(-1, "A", b'{"a":1}'), (4, "A", b'{"a":1}'), (0, "A", b"{}"), (0, "A", b""), (0, "A", None), (0, None, b'{"a":1}')],
)
def test_an_unknown_kind_an_empty_body_or_a_missing_vin_is_refused(kind: int, vin: Any, content: Any) -> None:
    stage = Stage()
    with pytest.raises(ValueError, match="not an event"):
        stage.log.publish(kind, vin, content, 0)
    assert stage.log.seq == 0


def test_the_largest_event_fills_the_ring_and_a_larger_one_is_refused() -> None:
    stage = Stage(1000)
    stage.publish()
    stage.publish(pad=padded_to(1000))
    assert stage.log.oldest == stage.log.seq == 2
    with pytest.raises(ValueError, match="larger than the ring"):
        stage.publish(pad=padded_to(1001))
    assert stage.log.seq == 2
    assert stage.log.replay(2) is not None


def test_the_oldest_frames_make_room_and_no_more_of_them_than_need_be() -> None:
    stage = Stage(1024)
    stage.publish_many(4, pad=padded_to(256))
    assert stage.log.oldest == 1
    stage.publish(pad=padded_to(256))
    assert stage.log.oldest == 2
    stage.publish(pad=padded_to(257))
    assert stage.log.oldest == 4


def test_small_frames_are_kept_as_long_as_the_index_has_a_slot() -> None:
    stage = Stage(1024)
    stage.publish_many(8)
    assert stage.log.oldest == 1
    stage.publish()
    assert stage.log.oldest == 2
    assert [stage.log.replay(seq) is None for seq in range(1, 11)] == [True, *[False] * 8, True]


def test_a_frame_that_goes_round_the_rings_end_is_whole_for_everyone() -> None:
    stage = Stage(700)
    whole, some = stage.join(), stage.join({"A"})
    for seq in range(1, 51):
        stage.publish(pad=seq * 7 % 300)
        stage.settle()
        kept = stage.log.replay(seq)
        assert kept is not None
        assert len(frames_in(kept)) == 1
    assert whole.messages() == some.messages()
    assert whole.seqs() == list(range(1, 51))
    assert len(whole.wire.writes) > 50 == len(some.wire.writes)


@pytest.mark.parametrize("text_size", [125, 126, 65535, 65536])
def test_events_can_be_read_back_as_text(text_size: int) -> None:
    stage = Stage(MIB)
    stage.publish("A", kind=0, pad=text_size - (FRAME - 2))
    stage.publish("B", kind=3, seq=7)
    stage.publish("C", kind=1)
    texts = [json.loads(text) for _, _, _, text, _ in stage.log.events_after(0, 10)]
    assert [(text["seq"], text["vin"], text["type"]) for text in texts] == [
        (1, "A", "data"),
        (7, "B", "connectivity"),
        (8, "C", "alerts"),
    ]
    assert [(seq, kind) for seq, kind, *_ in stage.log.events_after(1, 1)] == [(7, 3)]
    assert stage.log.events_after(8, 10) == []


def test_a_seq_can_be_found_by_how_much_earlier_its_events_were_published() -> None:
    stage = Stage()
    for time_ms in (1000, 1100, 1200, 1300):
        stage.log.publish(0, "A", body("A"), time_ms)
    assert [stage.log.seq_before(4, earlier_ms) for earlier_ms in (0, 99, 100, 250, 300, 5000)] == [3, 3, 2, 1, 0, 0]
    assert stage.log.seq_before(2, 0) == 1
    assert stage.log.seq_before(0, 5000) == 0


def test_earlier_is_what_passed_between_events_also_where_the_clock_was_set() -> None:
    stage = Stage()
    for time_ms in (9_000_100, 9_000_200, 100, 200, 50_000_000):
        stage.log.publish(0, "A", body("A"), time_ms)
    assert [stage.log.seq_before(4, earlier_ms) for earlier_ms in (0, 99, 100, 199, 200)] == [3, 3, 1, 1, 0]
    assert stage.log.seq_before(5, 5000) == 4


def test_the_time_of_a_seq_is_that_of_its_event_or_of_the_next_one() -> None:
    stage = Stage()
    assert stage.log.time_of(1) == 0
    for seq, time_ms in ((1, 1000), (5, 1100)):
        stage.log.publish(0, "A", body("A"), time_ms, seq)
    assert [stage.log.time_of(seq) for seq in (0, 1, 2, 5, 6)] == [1000, 1000, 1100, 1100, 0]


def test_kept_counts_the_events_and_the_bytes_in_the_ring() -> None:
    stage = Stage(1024)
    assert (stage.log.kept, stage.log.kept_bytes) == (0, 0)
    stage.publish_many(3, pad=padded_to(256))
    assert (stage.log.kept, stage.log.kept_bytes) == (3, 768)
    stage.publish_many(9, pad=padded_to(256))
    assert stage.log.kept == 1024 // 257
    assert stage.log.kept_bytes <= 1024


def test_memory_that_is_too_small_or_read_only_is_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        Fanout(bytearray(bytes_needed(1000) - 1), 1000, FLAT_PREFIXES, nobody)
    with pytest.raises(BufferError):
        Fanout(bytes(bytes_needed(1000)), 1000, FLAT_PREFIXES, nobody)
    with pytest.raises(ValueError, match="no bytes"):
        bytes_needed(0)


def test_a_log_writes_in_its_own_part_of_the_memory_only() -> None:
    around = b"around" * 8
    memory = bytearray(around + bytes(bytes_needed(1000)) + around)
    log = Fanout(memory, 1000, FLAT_PREFIXES, nobody, at=len(around))
    for pad in range(500):
        log.publish(pad % 4, "A", body("A", pad), 0)
    assert memory.startswith(around)
    assert memory.endswith(around)
    assert log.written > 100_000
    with pytest.raises(ValueError, match="too few"):
        Fanout(memory, 1000, FLAT_PREFIXES, nobody, at=2 * len(around) + 1)


@pytest.mark.parametrize("prefixes", [(), FLAT_PREFIXES[:3], (*FLAT_PREFIXES[:3], b"x" * 33)], ids=len)
def test_prefixes_that_do_not_fit_are_refused(prefixes: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="prefix"):
        Stage(prefixes=prefixes)


def test_a_log_that_is_forgotten_with_its_readers_lets_go_of_its_memory() -> None:
    memory = bytearray(bytes_needed(1000))
    log = Fanout(memory, 1000, FLAT_PREFIXES, nobody)
    log.subscribe(Dashboard().reader)
    with pytest.raises(BufferError):
        memory.clear()
    del log
    gc.collect()
    memory.clear()
