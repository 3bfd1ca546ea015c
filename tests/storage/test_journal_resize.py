"""Another RING_BYTES for a journal: the same events and epoch, and at every moment one whole journal under its name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from teslafast.errors import Misconfigured
from teslafast.storage import journal_resize
from teslafast.storage.checkpoint import path_of
from teslafast.storage.journal_reader import JournalReader
from teslafast.storage.journal_resize import resize

from tests.support.journals import MIB, Kept, killed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def saved(path: Path, seq: int) -> None:
    """A checkpoint of this journal's last known values."""
    with JournalReader(path) as reader:
        name = reader.nature.name
    path_of(path).write_bytes(b'{"journal":"%s","epoch":"e","seq":%d}\n' % (name.encode(), seq))


def closed(path: Path, count: int, size: int = 100) -> None:
    with Kept(path) as kept:
        kept.fill(count, size)
        kept.journal.close(kept.log.seq)


@pytest.mark.parametrize("count", [0, 1, 300, 40_000])
def test_a_larger_ring_has_every_event_under_its_seq_and_goes_on_in_its_epoch(path: Path, count: int) -> None:
    closed(path, count)
    with JournalReader(path) as before:
        expected, epoch = list(before.events()), before.life.epoch
    done = resize(path, 4 * MIB)
    assert (done.events, done.left_out) == (len(expected), 0)
    with Kept(path, 4 * MIB) as kept:
        assert kept.events == expected
        assert kept.journal.epoch == epoch
        assert kept.journal.lost == 0
        assert kept.publish() == count + 1
    assert os.listdir(path.parent) == ["journal"]


def test_a_smaller_ring_has_the_newest_events(path: Path) -> None:
    with Kept(path, 4 * MIB) as kept:
        kept.fill(3000, 1000)
        kept.journal.close(kept.log.seq)
        expected = kept.events
    saved(path, 3000)
    done = resize(path, MIB)
    assert 500 < done.events < 1100
    assert done.left_out == 3000 - done.events
    with Kept(path, MIB) as kept:
        assert kept.events == expected[-done.events :]


def test_a_smaller_ring_is_refused_while_values_stand_in_the_journal_alone(path: Path) -> None:
    with Kept(path, 4 * MIB) as kept:
        kept.fill(3000, 1000)
        kept.journal.close(kept.log.seq)
    saved(path, 10)
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match="saved up to event 10 only"):
        resize(path, MIB)
    assert path.read_bytes() == before


def test_owner_and_mode_and_the_journals_own_name_are_kept(path: Path) -> None:
    closed(path, 5)
    path.chmod(0o640)
    with JournalReader(path) as before:
        name, owner = before.nature.name, os.fstat(before.descriptor).st_uid
    resize(path, 2 * MIB)
    with JournalReader(path) as after:
        assert (after.nature.name, after.nature.ring_bytes) == (name, 2 * MIB)
        found = os.fstat(after.descriptor)
    assert (found.st_uid, found.st_mode & 0o777) == (owner, 0o640)


def test_after_a_damaged_event_the_newer_ones_are_kept_under_a_new_epoch(path: Path) -> None:
    closed(path, 300)
    content = bytearray(path.read_bytes())
    content[-MIB + 5000] ^= 0xFF
    path.write_bytes(content)
    with JournalReader(path) as before:
        seqs, epoch = [seq for seq, *_ in before.events()], before.life.epoch
    [hole] = set(range(1, 301)) - set(seqs)
    saved(path, 300)
    done = resize(path, 2 * MIB)
    with Kept(path, 2 * MIB) as kept:
        assert [seq for seq, *_ in kept.events] == list(range(hole + 1, 301))
        assert kept.journal.epoch != epoch
    assert (done.events, done.left_out) == (300 - hole, hole - 1)


def test_a_copys_events_go_on_under_a_new_epoch(path: Path) -> None:
    closed(path, 20)
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    resize(copy, 2 * MIB)
    with Kept(path) as one, Kept(copy, 2 * MIB) as other:
        assert one.events == other.events
        assert one.journal.epoch != other.journal.epoch


def test_a_killed_servers_journal_keeps_its_epoch(path: Path) -> None:
    with Kept(path) as kept:
        kept.fill(100)
        left, epoch = killed(path), kept.journal.epoch
    resize(left, 2 * MIB)
    with Kept(left, 2 * MIB) as again:
        assert (again.log.seq, again.journal.epoch) == (100, epoch)


@pytest.mark.parametrize("step", ["_fill", "_check_values", "_compare", "identity", "sync_folder"])
def test_whatever_step_fails_one_whole_journal_stands_under_the_name(
    path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed(path, 300)
    with JournalReader(path) as before:
        expected = list(before.events())

    def fail(*_: object) -> None:
        raise OSError("the disk fails")

    monkeypatch.setattr(journal_resize, step, fail)
    with pytest.raises((OSError, Misconfigured), match="the disk fails"):
        resize(path, 2 * MIB)
    with JournalReader(path) as after:
        assert list(after.events()) == expected
    assert os.listdir(path.parent) == ["journal"]


REFUSED: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "the same size": (lambda path: None, MIB, "already"),
    "no room": (lambda path: None, 1 << 40, "no room"),
    "a leftover": (lambda path: path.with_name("journal.resized").touch(), 2 * MIB, "in the way"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_resize_leaves_the_journal_as_it_was(path: Path, case: str) -> None:
    prepare, ring_bytes, fault = REFUSED[case]
    closed(path, 10)
    prepare(path)
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match=fault):
        resize(path, ring_bytes)
    assert path.read_bytes() == before


def test_a_journal_in_use_is_not_resized(path: Path) -> None:
    with Kept(path), pytest.raises(Misconfigured, match="in use"):
        resize(path, 2 * MIB)


def test_an_event_larger_than_the_new_ring_is_named(path: Path) -> None:
    with Kept(path, 4 * MIB) as kept:
        kept.publish(size=2 * MIB)
        kept.journal.close(1)
    with pytest.raises(Misconfigured, match="too small for event 1"):
        resize(path, MIB)
