"""A journal whose file is not mapped, as on a network share: a thread brings the log to the file, and no page fault waits."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from teslafast.storage import file_system
from teslafast.storage.cursors import Cursors, path_of, read
from teslafast.storage.file_system import FileSystem
from teslafast.storage.journal import Life
from teslafast.storage.journal_nature import PAGE
from teslafast.storage.journal_resize import resize
from teslafast.storage.journal_watch import LOOK_S, JournalWatch

from tests.support.journals import MIB, Kept


@pytest.fixture(autouse=True)
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file lies on a share."""
    monkeypatch.setattr(FileSystem, "of", lambda descriptor: FileSystem("nfs", "over a network"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


class Disk:
    """What `pwrite` does to files while `trouble` is set; `hangs` until `answer`."""

    def __init__(self) -> None:
        self.trouble: OSError | None = None
        self.entered = threading.Event()
        self._answers = threading.Event()
        self._answers.set()
        self._real = os.pwrite

    def hang(self) -> None:
        self._answers.clear()

    def answer(self) -> None:
        self._answers.set()

    def write(self, descriptor: int, data: bytes, at: int) -> int:
        self.entered.set()
        assert self._answers.wait(10)
        if self.trouble is not None:
            raise self.trouble
        return self._real(descriptor, data[:1000] if len(data) > 1000 else data, at)  # a short write is no failed one


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk()
    monkeypatch.setattr(os, "pwrite", made.write)
    yield made
    made.answer()


def test_what_is_carried_is_there_after_a_kill_under_a_new_epoch(path: Path) -> None:
    with Kept(path) as kept:
        kept.fill(50)
        kept.journal.carry()
        expected = kept.events
        kept.fill(3)  # nobody was told that these are kept
    with Kept(path) as again:
        assert again.events == expected
        assert again.journal.lost == 0
        assert again.journal.epoch != kept.journal.epoch, "dashboards may have seen the last three"
        assert again.journal.life.previous == kept.journal.epoch


def test_after_a_clean_end_the_log_and_its_epoch_go_on(path: Path) -> None:
    with Kept(path) as kept:
        kept.fill(50)
        expected = kept.events
        kept.journal.close(kept.log.seq)
    with Kept(path) as again:
        assert (again.events, again.journal.epoch) == (expected, kept.journal.epoch)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 900), st.integers(0, 1200)), min_size=1, max_size=8), st.booleans())
def test_the_file_is_the_memory_however_often_the_ring_goes_round(
    tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[int, int]], own: bool
) -> None:
    path = tmp_path_factory.mktemp("far") / "journal"
    with Kept(path, 300_007, keeps_own=own) as kept:
        for count, size in batches:
            kept.fill(count, size, own=100 if own else None)
            kept.journal.carry()
            assert path.read_bytes()[PAGE:] == kept.journal._map[PAGE:]
        expected = kept.whole_events
    with Kept(path, 300_007, keeps_own=own) as again:
        assert again.whole_events == expected
        assert again.journal.lost == 0


def test_what_recovery_mends_is_mended_in_the_file(path: Path) -> None:
    with Kept(path) as kept:
        kept.fill(50)
        kept.journal.carry()
        at = path.read_bytes().index(b"x" * 100, PAGE + 20 * 200)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with Kept(path) as mended:
        assert (len(mended.events), mended.journal.lost) == (49, 1)
        assert path.read_bytes()[PAGE:] == mended.journal._map[PAGE:]


def test_the_log_goes_on_while_a_write_hangs_and_the_file_has_all_once_it_answers(path: Path, disk: Disk) -> None:
    with Kept(path) as kept:
        kept.fill(10)
        disk.entered.clear()
        disk.hang()
        carrying = threading.Thread(target=kept.journal.carry)
        carrying.start()
        assert disk.entered.wait(10)
        kept.fill(12_000)  # round the ring, over what is being written
        assert carrying.is_alive()
        disk.answer()
        carrying.join(10)
        kept.journal.carry()
        assert path.read_bytes()[PAGE:] == kept.journal._map[PAGE:]
        assert not kept.journal.failed


def test_a_write_that_fails_stops_the_journal_and_loses_nothing_in_memory(path: Path, disk: Disk) -> None:
    with Kept(path) as kept:
        watch = JournalWatch(kept.journal)
        kept.fill(10)
        disk.trouble = OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        kept.journal.carry()
        watch.check(10 * LOOK_S)
        assert kept.journal.stopped == "write_failed"
        kept.fill(8000, 300)
        assert [seq for seq, *_ in kept.events] == list(range(kept.log.oldest, kept.log.seq + 1))
        with pytest.raises(OSError, match="has stopped"):
            kept.journal.sync()


def test_with_syncs_a_write_that_fails_is_told_and_made_up_for_by_the_next(path: Path, disk: Disk) -> None:
    with Kept(path, sync=True) as kept:
        kept.fill(10)
        disk.trouble = OSError(errno.EIO, os.strerror(errno.EIO))
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            kept.journal.sync()
        disk.trouble = None
        kept.fill(10)
        kept.journal.sync()
        assert path.read_bytes()[PAGE:] == kept.journal._map[PAGE:]


def test_a_journal_is_resized_there_too(path: Path) -> None:
    with Kept(path) as kept:
        kept.fill(50)
        expected = kept.events
        kept.journal.close(kept.log.seq)
    resize(path, 2 * MIB)
    with Kept(path, 2 * MIB) as again:
        assert (again.events, again.journal.epoch) == (expected, kept.journal.epoch)


def test_cursors_are_noted_while_their_file_hangs_and_the_newest_is_written(path: Path, disk: Disk) -> None:
    cursors = Cursors.open(path, "0123456789abcdef", Life("e" * 16), "e" * 16, 100, 1, ["jsonl"])
    cursors.put("jsonl", 5)
    disk.hang()
    for seq in range(6, 90):
        cursors.put("jsonl", seq)
    disk.answer()
    cursors.close()
    assert read(path_of(path).read_bytes()).cursors["jsonl"].seq == 89


def test_all_that_the_kernel_names_as_far_is_carried() -> None:
    far = {name for name, writes in file_system._BY_NUMBER.values() if writes == "over a network"}
    assert {"nfs", "smb2", "cifs", "9p", "fuse", "ceph"} <= far
