"""The journal: what a kill, a torn write and a failing disk leave of the log."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from teslafast._crc32c import checksum
from teslafast._fanout import FLAT_PREFIXES, Fanout, bytes_needed
from teslafast.storage import journal as journal_module
from teslafast.storage._recover import recover
from teslafast.storage.journal import LIFE_AT, stop_marker
from teslafast.storage.journal_reader import JournalReader

from tests.support.fake_log import Dashboard
from tests.support.journals import MIB, Event, Kept, killed

PUBLISHED = st.lists(st.tuples(st.sampled_from(["A", "5YJ3E1EA7KF000001", "b-_" * 20]), st.integers(0, 3000)), max_size=60)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def reboot(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on the machine is another, or has been started again."""
    return lambda: monkeypatch.setattr(journal_module, "boot_id", lambda: "another run of the machine")


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


def test_a_journal_that_stopped_on_a_disk_too_full_to_be_told_begins_a_new_epoch(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Kept(path) as kept:
        epoch = kept.journal.epoch
        kept.fill(10)
        kept.journal.stop("disk_full")
        kept.fill(10)  # seqs that somebody has seen, and that the file does not have
        with monkeypatch.context() as patched:
            patched.setattr(os, "pwrite", no_room)
            kept.journal.close(kept.log.seq)
    with JournalReader(path) as reader:
        assert not reader.goes_on
    with Kept(path) as kept:
        assert kept.journal.epoch != epoch
        second = kept.journal.epoch
        kept.journal.close(kept.log.seq)
    with Kept(path) as kept:
        assert kept.journal.epoch == second, "said once"
    assert not stop_marker(path).exists()
