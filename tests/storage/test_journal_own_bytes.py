"""Records' own bytes in the journal: which version that makes it, and that every command and every start keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest
from teslafast.errors import Misconfigured
from teslafast.storage.journal_nature import FRAMES_ONLY, PAGE, WITH_OWN_BYTES, Nature
from teslafast.storage.journal_reader import JournalReader
from teslafast.storage.journal_resize import resize

from tests.support.journals import MIB, Kept, killed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def version(path: Path) -> int:
    return Nature.read(path.read_bytes()[:PAGE], path).version


def test_a_journal_without_them_is_of_the_first_version_and_as_it_always_was(path: Path) -> None:
    with Kept(path) as kept:
        kept.fill(10)
    assert version(path) == FRAMES_ONLY == 1


@pytest.mark.parametrize("size", [0, 200, 100_000])
def test_they_are_there_after_a_kill(path: Path, size: int) -> None:
    with Kept(path, keeps_own=True) as kept:
        kept.fill(30, own=size)
        expected, epoch = kept.whole_events, kept.journal.epoch
    assert version(path) == WITH_OWN_BYTES
    with Kept(killed(path), keeps_own=True) as again:
        assert again.whole_events == expected
        assert all(event[5] is not None for event in expected)
        assert (again.journal.lost, again.journal.epoch) == (0, epoch)


def test_an_old_journal_gets_them_from_the_first_start_on_that_wants_them(path: Path) -> None:
    with Kept(path) as kept:
        kept.fill(5)
        epoch = kept.journal.epoch
    with Kept(path, keeps_own=True) as kept:
        kept.fill(5, own=50)
        assert [event[5] is not None for event in kept.whole_events] == [False] * 5 + [True] * 5
        assert (kept.journal.lost, kept.journal.epoch) == (0, epoch)
    assert version(path) == WITH_OWN_BYTES


def test_a_journal_with_them_opens_where_nobody_wants_them_and_keeps_what_it_has(path: Path) -> None:
    with Kept(path, keeps_own=True) as kept:
        kept.fill(5, own=50)
        expected, epoch = kept.whole_events, kept.journal.epoch
    with Kept(path) as kept:
        assert kept.whole_events == expected
        kept.fill(5)
        assert kept.journal.epoch == epoch
    assert version(path) == WITH_OWN_BYTES
    with Kept(path, keeps_own=True) as kept:
        assert [event[5] is not None for event in kept.whole_events] == [True] * 5 + [False] * 5


def test_a_version_of_the_future_is_refused_with_those_that_are_known(path: Path) -> None:
    path.write_bytes(Nature(MIB, 2 * MIB, "0" * 16, version=3).pack())
    with pytest.raises(Misconfigured, match="version 3, this teslafast knows versions 1 and 2"):
        Kept(path)


def test_a_failure_to_write_the_version_leaves_the_journal_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Kept(path) as kept:
        kept.fill(5)
        expected = kept.events

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.pwrite", fail)
    with pytest.raises(Misconfigured, match="write failed"):
        Kept(path, keeps_own=True)
    monkeypatch.undo()
    with Kept(path) as kept:  # and it is not locked any more
        assert kept.events == expected


def test_resize_keeps_them_and_the_version(path: Path) -> None:
    with Kept(path, keeps_own=True) as kept:
        kept.fill(300, own=200)
        expected = kept.whole_events
        kept.journal.close(kept.log.seq)
    resize(path, 4 * MIB)
    with Kept(path, 4 * MIB) as kept:
        assert kept.whole_events == expected
    assert version(path) == WITH_OWN_BYTES


def test_the_reader_says_of_how_many_events_they_are_kept(path: Path) -> None:
    with Kept(path, keeps_own=True) as kept:
        kept.fill(3)
        kept.fill(4, own=10)
        used = kept.log.kept_bytes
    with JournalReader(path) as reader:
        assert (reader.report().own_bytes, reader.report().used_bytes) == (4, used)
        assert len(list(reader.events())) == 7
