"""Recovery: what a torn write, a cut file and flipped bits leave of the log, and that all that is lost is counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from teslafast._fanout import bytes_needed
from teslafast.errors import Misconfigured
from teslafast.storage.journal_nature import PAGE

from tests.support.journals import MIB, Event, Kept, killed

RING_AT = PAGE + bytes_needed(MIB) - MIB
ENTRY_BYTES = 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def torn(path: Path, before: bytes, after: bytes, part: float) -> None:
    """The file in which `part` of the bytes that differ have been written, from the front."""
    changed = [place for place in range(len(before)) if before[place] != after[place]]
    mixed = bytearray(before)
    for place in changed[: int(len(changed) * part)]:
        mixed[place] = after[place]
    path.write_bytes(mixed)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(count=st.integers(0, 30), size=st.integers(0, 200), part=st.floats(0, 0.999), own=st.none() | st.integers(0, 300))
def test_a_kill_within_a_publish_costs_that_event_alone(
    tmp_path_factory: pytest.TempPathFactory, count: int, size: int, part: float, own: int | None
) -> None:
    path = tmp_path_factory.mktemp("torn") / "journal"
    with Kept(path, keeps_own=own is not None) as kept:
        kept.fill(count, size, own)
        before, expected, epoch = path.read_bytes(), kept.whole_events, kept.journal.life.epoch
        kept.publish("Z", size, own=own)
        after = path.read_bytes()
    torn(path, before, after, part)
    with Kept(path) as again:
        assert again.whole_events == expected
        assert again.journal.lost <= 1
        assert again.journal.life.epoch == epoch, "nobody can have seen the torn one"


def damaged(path: Path, published: list[Event]) -> None:
    """Opens a file that was tampered with: it is refused, or what it gives is some of what was published, and counted."""
    try:
        kept = Kept(path)
    except Misconfigured:
        return
    with kept:
        found = kept.events
        assert set(found) <= set(published)
        assert len(found) == kept.journal.recovered
        seqs = [seq for seq, *_ in found]
        assert seqs == sorted(set(seqs))
        assert all(kept.log.oldest <= seq <= kept.log.seq for seq in seqs)
        kept.publish("after")
        assert kept.events[-1][0] == kept.log.seq


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    """A journal that has gone round, and all that was ever published in it."""
    path = tmp_path_factory.mktemp("full") / "journal"
    events: dict[int, Event] = {}
    with Kept(path) as kept:
        for _ in range(12):
            kept.fill(200, 500)
            events |= {event[0]: event for event in kept.events}
    return path, list(events.values())


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(0, PAGE + bytes_needed(MIB)))
def test_a_file_cut_anywhere_gives_nothing_that_was_not_published(full: tuple[Path, list[Event]], length: int) -> None:
    copy = killed(full[0])
    os.truncate(copy, length)
    damaged(copy, full[1])


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), where=st.sampled_from([(0, PAGE), (PAGE, RING_AT), (RING_AT, PAGE + bytes_needed(MIB))]))
def test_flipped_bits_give_nothing_that_was_not_published(
    full: tuple[Path, list[Event]], data: st.DataObject, where: tuple[int, int]
) -> None:
    copy = killed(full[0])
    with copy.open("r+b") as file:
        for place in data.draw(st.lists(st.integers(where[0], where[1] - 1), min_size=1, max_size=40)):
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 1 << data.draw(st.integers(0, 7))]))
    damaged(copy, full[1])


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(PAGE, PAGE + bytes_needed(MIB)), content=st.binary(min_size=500, max_size=5000))
def test_a_stretch_of_garbage_gives_nothing_that_was_not_published(
    full: tuple[Path, list[Event]], start: int, content: bytes
) -> None:
    copy = killed(full[0])
    with copy.open("r+b") as file:
        file.seek(start)
        file.write(content[: max(0, PAGE + bytes_needed(MIB) - start)])
    damaged(copy, full[1])


# ---- one bit


def flip(path: Path, place: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1 << bit]))


class Image:
    """A journal's file, what is in it, and which event each of its bytes belongs to."""

    def __init__(self, path: Path, count: int, size: int, own: int | None = None) -> None:
        self.path = path
        with Kept(path, keeps_own=own is not None) as kept:
            kept.fill(count, size, own)
            self.events = kept.whole_events
            self.content = path.read_bytes()
        self.slots = (RING_AT - PAGE) // ENTRY_BYTES
        self.frames: list[tuple[int, int, int]] = []  # (first byte in the ring, bytes with those beside it, seq)
        for seq, *_ in self.events:
            entry = self.content[PAGE + (seq - 1) % self.slots * ENTRY_BYTES :]
            size, kind = (int.from_bytes(entry[at : at + 4], "little") for at in (24, 28))
            self.frames.append((int.from_bytes(entry[:8], "little") % MIB, size + (kind >> 3), seq))

    def event_at(self, place: int) -> int | None:
        """The seq of the event that this byte is a part of, by its index entry or its frame; None: the byte does not matter."""
        if place < RING_AT:
            slot, within = divmod(place - PAGE, ENTRY_BYTES)
            of_slot = [seq for _, _, seq in self.frames if (seq - 1) % self.slots == slot]
            return of_slot[0] if of_slot and not 32 <= within < 36 else None  # the vehicle's number is given anew
        for start, size, seq in self.frames:
            if (place - RING_AT - start) % MIB < size:
                return seq
        return None


# How many events, of what size, with how many bytes of their own: half full; gone round by bytes; gone round by index entries; of
# large frames; of one frame; the same with records' own bytes.
IMAGES = [(100, 200), (9000, 300), (30_000, 1), (40, 40_000), (1, 5), (100, 200, 100), (9000, 300, 200), (40, 9000, 50_000)]


@pytest.fixture(scope="module", params=IMAGES, ids=str)
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image(tmp_path_factory.mktemp("image") / "journal", *request.param)


def check_a_flip(image: Image, place: int, bit: int) -> None:
    copy = image.path.with_name("flipped")
    copy.write_bytes(image.content)
    flip(copy, place, bit)
    gone = image.event_at(place)
    with Kept(copy) as kept:
        left = [event for event in image.events if event[0] != gone]
        assert kept.whole_events == left
        assert (kept.journal.recovered, kept.journal.lost) == (len(left), int(gone is not None))
        assert kept.publish() > 0


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), bit=st.integers(0, 7), ring=st.booleans())
def test_any_flipped_bit_costs_its_event_alone_and_is_counted(image: Image, data: st.DataObject, bit: int, ring: bool) -> None:
    first, last = (RING_AT, PAGE + bytes_needed(MIB) - 1) if ring else (PAGE, RING_AT - 1)
    check_a_flip(image, data.draw(st.integers(first, last)), bit)


@pytest.mark.faults
@pytest.mark.parametrize("which", [0, 1, 2, -3, -2, -1])
def test_any_bit_of_the_index_at_the_logs_ends_costs_its_event_alone(image: Image, which: int) -> None:
    if len(image.frames) < 3:
        which = 0
    slot = (image.frames[which][2] - 1) % image.slots
    for place in range(ENTRY_BYTES):
        for bit in (0, 5, 7):
            check_a_flip(image, PAGE + slot * ENTRY_BYTES + place, bit)


# ---- holes
