"""The journal: what a kill, a torn write and a failing disk leave of the log."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from teslafast._crc32c import checksum
from teslafast._fanout import FLAT_PREFIXES, Fanout, bytes_needed
from teslafast.errors import Misconfigured
from teslafast.storage import journal as journal_module
from teslafast.storage._recover import recover
from teslafast.storage.journal import LIFE_AT, PAGE

from tests.support.fake_log import Dashboard
from tests.support.journals import MIB, Event, Kept, killed

RING_AT = PAGE + bytes_needed(MIB) - MIB
PUBLISHED = st.lists(st.tuples(st.sampled_from(["A", "5YJ3E1EA7KF000001", "b-_" * 20]), st.integers(0, 3000)), max_size=60)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def reboot(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on the machine is another, or has been started again."""
    return lambda: monkeypatch.setattr(journal_module, "_boot", lambda: "another run of the machine")


# ---- the checksum


def test_the_checksum_is_the_castagnoli_crc() -> None:
    assert checksum(b"") == 0
    assert checksum(b"123456789") == 0xE3069283
    assert checksum(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4, as are the next two
    assert checksum(b"\xff" * 32) == 0x62A8AB43
    assert checksum(bytes(range(32))) == 0x46DD794E


@given(st.binary(max_size=100))
def test_the_checksum_is_that_of_one_bit_at_a_time(data: bytes) -> None:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    assert checksum(data) == crc ^ 0xFFFFFFFF


# ---- a process after another


def test_a_new_journal_is_an_empty_log(path: Path) -> None:
    with Kept(path) as kept:
        assert (kept.log.seq, kept.log.oldest, kept.events) == (0, 1, [])
        assert kept.publish() == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_blocks * 512 >= path.stat().st_size, "room for all of it is taken at the start"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lives=st.lists(PUBLISHED, min_size=1, max_size=4))
def test_whatever_was_published_is_there_after_every_kill(tmp_path_factory: pytest.TempPathFactory, lives: list[object]) -> None:
    path, before, epochs = tmp_path_factory.mktemp("lives") / "journal", list[Event](), set[str]()
    for number, published in enumerate(lives):
        with Kept(path) as kept:
            assert kept.events == before
            assert kept.log.seq == (before[-1][0] if before else 0)
            for vin, size in published:  # type: ignore[attr-defined]
                kept.publish(vin, size)
            before, epochs = kept.events, epochs | {kept.journal.life.epoch}
            path = killed(path, f"copy-{number}")
    assert len(epochs) == 1


@pytest.mark.parametrize("size", [1, 40, 900, 70_000, 300_000])
def test_a_ring_that_went_round_many_times_is_kept_to_the_byte(path: Path, size: int) -> None:
    with Kept(path) as kept:
        kept.fill(40_000 if size < 100 else 5 * MIB // size + 3, size)
        assert kept.log.oldest > 1
        expected, copy = kept.events, killed(path)
        seq = kept.log.seq
    with Kept(copy) as again:
        assert again.events == expected
        assert (again.journal.recovered, again.journal.lost) == (len(expected), 0)
        assert again.publish() == seq + 1
        assert again.events[-2] == expected[-1]


def test_a_reader_of_one_vehicle_finds_its_frames_of_another_life(path: Path) -> None:
    with Kept(path) as kept:
        kept.fill(50)
        copy = killed(path)
    with Kept(copy) as again:
        again.publish("V3")
        dashboard = Dashboard()
        again.log.subscribe(dashboard.reader, ["V3"], after=0)
        while again.log.flush():
            pass
        seen = dashboard.messages()
    assert {message["vin"] for message in seen} == {"V3"}
    assert [message["seq"] for message in seen] == [*range(4, 51, 7), 51]


def test_a_log_that_is_kept_numbers_its_events_itself(path: Path) -> None:
    with Kept(path) as kept, pytest.raises(ValueError, match="itself"):
        kept.log.publish(0, "A", b'{"vin":"A"}', 0, 5)


def test_only_a_new_log_recovers(path: Path) -> None:
    with Kept(path) as kept:
        kept.publish()
        with pytest.raises(ValueError, match="new log"):
            recover(kept.log)
    with pytest.raises(ValueError, match="new log"):
        recover(Fanout(bytearray(bytes_needed(MIB)), MIB, FLAT_PREFIXES, lambda log: None))


# ---- torn, cut, flipped


def torn(path: Path, before: bytes, after: bytes, part: float) -> None:
    """The file in which `part` of the bytes that differ have been written, from the front."""
    changed = [place for place in range(len(before)) if before[place] != after[place]]
    mixed = bytearray(before)
    for place in changed[: int(len(changed) * part)]:
        mixed[place] = after[place]
    path.write_bytes(mixed)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(count=st.integers(0, 30), size=st.integers(0, 200), part=st.floats(0, 0.999))
def test_a_kill_within_a_publish_costs_that_event_alone(
    tmp_path_factory: pytest.TempPathFactory, count: int, size: int, part: float
) -> None:
    path = tmp_path_factory.mktemp("torn") / "journal"
    with Kept(path) as kept:
        kept.fill(count, size)
        before, expected, epoch = path.read_bytes(), kept.events, kept.journal.life.epoch
        kept.publish("Z", size)
        after = path.read_bytes()
    torn(path, before, after, part)
    with Kept(path) as again:
        assert again.events == expected
        assert again.journal.lost <= 1
        assert again.journal.life.epoch == epoch, "nobody can have seen the torn one"


def damaged(path: Path, published: list[Event]) -> None:
    """Opens a file that was tampered with: it is refused, or what it gives is some of what was published, without a hole."""
    try:
        kept = Kept(path)
    except Misconfigured:
        return
    with kept:
        found = kept.events
        assert set(found) <= set(published)
        assert [event[0] for event in found] == list(range(kept.log.oldest, kept.log.seq + 1))
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


def spoil(path: Path, seq: int, events: list[Event]) -> None:
    """One byte of the frame of this seq, in a ring that has not gone round."""
    place = RING_AT + sum(len(text) + 4 for number, _, _, text, _ in events if number < seq) + 20
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
    return [event[0] for event in kept.events]


def test_of_two_stretches_the_longer_goes_on(path: Path) -> None:
    copy, epoch = holed(path, 30)
    with Kept(copy) as kept:
        assert seqs(kept) == list(range(31, 101))
        assert kept.journal.lost == 29
        assert kept.journal.life.epoch != epoch, "a dashboard may have seen what is gone"


def test_what_lay_beyond_a_hole_never_comes_back_between_newer_events(path: Path) -> None:
    copy, _ = holed(path, 80)
    with Kept(copy) as kept:
        assert seqs(kept) == list(range(1, 80))
        assert kept.journal.lost == 21
        kept.fill(5)
        last = killed(copy, "last")
    with Kept(last) as kept:
        assert seqs(kept) == list(range(1, 85))
        assert kept.journal.lost == 0


def test_what_was_on_the_disk_for_certain_goes_before_what_is_longer(path: Path) -> None:
    with Kept(path, sync=True) as kept:
        kept.fill(10, 200)
        kept.journal.sync()
        kept.journal.note_synced(10)
        kept.fill(90, 200)
        copy, events = killed(path), kept.events
    spoil(copy, 11, events)
    with Kept(copy, sync=True) as kept:
        assert seqs(kept) == list(range(1, 11))


def test_before_the_first_sync_it_is_the_first_events_that_count(path: Path) -> None:
    copy, _ = holed(path, 11, sync=True)
    with Kept(copy, sync=True) as kept:
        assert seqs(kept) == list(range(1, 11))


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


# ---- epochs


def test_after_the_machine_went_down_the_epoch_is_new(path: Path, reboot: Callable[[], None]) -> None:
    with Kept(path) as kept:
        kept.fill(10)
        epoch, copy = kept.journal.life.epoch, killed(path)
    reboot()
    with Kept(copy) as kept:
        assert len(kept.events) == 10
        assert kept.journal.life.epoch != epoch
        assert kept.journal.life.previous == epoch


def test_after_a_clean_end_the_epoch_goes_on_even_on_another_machine(path: Path, reboot: Callable[[], None]) -> None:
    kept = Kept(path)
    kept.fill(10)
    epoch = kept.journal.life.epoch
    kept.journal.close(kept.log.seq)
    reboot()
    with Kept(path) as kept:
        assert kept.journal.life.epoch == epoch
        assert len(kept.events) == 10


def test_a_life_that_cannot_be_read_is_a_new_one(path: Path) -> None:
    with Kept(path) as kept:
        kept.fill(10)
        epoch, copy = kept.journal.life.epoch, killed(path)
    with copy.open("r+b") as file:
        file.seek(LIFE_AT)
        file.write(b"x")
    with Kept(copy) as kept:
        assert len(kept.events) == 10
        assert kept.journal.life.epoch != epoch
