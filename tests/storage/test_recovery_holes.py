"""Holes: what stands in the log where a damaged event was, and who is told."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import orjson
import pytest
from teslafast._crc32c import checksum
from teslafast._fanout import bytes_needed
from teslafast.storage.journal_nature import PAGE
from websockets.frames import Opcode

from tests.support.fake_log import Dashboard, frames_in
from tests.support.journals import MIB, Event, Kept, killed

RING_AT = PAGE + bytes_needed(MIB) - MIB
ENTRY_BYTES = 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def at(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def spoil(path: Path, seq: int, events: list[Event]) -> None:
    """One byte of the frame of this seq, in a ring that has not gone round."""
    headers = [2 if len(text) < 126 else 4 if len(text) < 65536 else 10 for *_, text, _ in events]
    place = RING_AT + sum(len(event[3]) + header for event, header in zip(events, headers, strict=True) if event[0] < seq) + 20
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\x00")


def holed(path: Path, *seqs: int, sync: bool = False, count: int = 100) -> tuple[Path, str]:
    """A journal of `count` events of which these are spoilt, and its epoch."""
    with Kept(path, sync=sync) as kept:
        kept.fill(count, 200)
        copy, events, epoch = killed(path), kept.events, kept.journal.life.epoch
    for seq in seqs:
        spoil(copy, seq, events)
    return copy, epoch


def seqs(kept: Kept) -> list[int]:
    return [seq for seq, *_ in kept.events]


def test_a_damaged_event_costs_itself_alone_and_a_dashboard_is_told(path: Path) -> None:
    copy, epoch = holed(path, 30)
    with Kept(copy) as kept:
        assert seqs(kept) == [*range(1, 30), *range(31, 101)]
        assert (kept.journal.recovered, kept.journal.lost) == (99, 1)
        assert kept.log.replay(30) is None
        assert kept.journal.life.epoch != epoch, "a dashboard may have seen what is gone"


def test_a_hole_stays_a_hole_and_is_counted_once(path: Path) -> None:
    copy, _ = holed(path, 60, 61, 62, 80)
    with Kept(copy) as kept:
        assert kept.journal.lost == 4
        expected = [*range(1, 60), *range(63, 80), *range(81, 106)]
        kept.fill(5)
        last, epoch = killed(copy, "last"), kept.journal.life.epoch
    with Kept(last) as kept:
        assert seqs(kept) == expected
        assert (kept.journal.recovered, kept.journal.lost, kept.journal.life.epoch) == (101, 0, epoch)
        kept.fill(12_000)
        assert kept.log.oldest > 100, "the ring goes on round"


@pytest.mark.parametrize("size", [0, 60, 100, 101, 230, 5000, 70_000])
def test_readers_of_everything_get_pongs_in_a_holes_place_and_others_nothing(path: Path, size: int) -> None:
    with Kept(path) as kept:
        kept.fill(9, size)
        expected, copy = kept.events, killed(path)
    spoil(copy, 3, expected)
    spoil(copy, 4, expected)
    with Kept(copy) as kept:
        everything, one = Dashboard(), Dashboard()
        kept.log.subscribe(everything.reader, after=0)
        kept.log.subscribe(one.reader, ["V2", "V4"], after=0)
        while kept.log.flush():
            pass
    frames = frames_in(b"".join(everything.wire.writes))
    texts = [orjson.loads(bytes(frame.data)) for frame in frames if frame.opcode is Opcode.TEXT]
    assert [text["seq"] for text in texts] == [1, 2, 5, 6, 7, 8, 9]
    assert {frame.opcode for frame in frames} == {Opcode.TEXT, Opcode.PONG}
    assert [message["seq"] for message in one.messages()] == [5]


def test_two_lives_that_do_not_join_are_not_mixed(path: Path) -> None:
    """What was on the disk for certain goes before what is longer."""
    with Kept(path, sync=True) as kept:
        kept.fill(10, 200)
        kept.journal.sync()
        kept.journal.note_synced(10)
        kept.fill(90, 200)
        copy = killed(path)
    with copy.open("r+b") as file:
        entry = PAGE + ENTRY_BYTES * 10  # of seq 11: as another life would have written it, elsewhere
        start = int.from_bytes(at(file, entry, 8), "little")
        frame = at(file, RING_AT + start, int.from_bytes(at(file, entry + 24, 4), "little"))
        head = (start - 50).to_bytes(8, "little") + at(file, entry + 8, 24)
        file.seek(RING_AT + start - 50)
        file.write(frame)
        file.seek(entry)
        file.write(head)
        file.seek(entry + 36)
        file.write(checksum(head + frame).to_bytes(4, "little"))
    with Kept(copy, sync=True) as kept:
        assert seqs(kept)[:9] == list(range(1, 10))
        assert kept.log.seq in (9, 10, 11)


def test_a_log_that_is_lost_altogether_goes_on_with_its_seq(path: Path) -> None:
    copy, first = holed(path, 50)
    with Kept(copy) as kept:
        base, epoch = kept.log.seq, kept.journal.life.epoch
        assert kept.journal.life.base_seq == base
        assert kept.journal.life.previous == first
    with copy.open("r+b") as file:
        file.seek(PAGE)
        file.write(bytes(bytes_needed(MIB)))
    with Kept(copy) as kept:
        assert (kept.log.seq, kept.log.oldest, kept.events) == (base, base + 1, [])
        assert kept.publish() == base + 1
        last = killed(copy, "last")
        assert kept.journal.life.epoch == epoch
    with Kept(last) as kept:
        assert seqs(kept) == [base + 1]
