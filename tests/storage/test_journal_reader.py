"""A journal that no server has: what it says of itself, and that reading leaves it as it was."""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path

import pytest
from teslafast._crc32c import checksum
from teslafast.errors import Misconfigured
from teslafast.storage import journal as journal_module
from teslafast.storage.checkpoint import path_of
from teslafast.storage.journal_nature import PAGE
from teslafast.storage.journal_reader import JournalReader

from tests.support.journals import MIB, Kept, killed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def closed(path: Path, count: int = 50, size: int = 100) -> Path:
    """A journal whose server ended cleanly."""
    with Kept(path) as kept:
        kept.fill(count, size)
        kept.journal.close(kept.log.seq)
    return path


def test_the_report_says_what_a_server_would_find(path: Path) -> None:
    closed(path)
    with JournalReader(path) as reader:
        report = reader.report()
        events = list(reader.events())
    with Kept(path) as kept:
        assert events == kept.events
        assert (report.events, report.oldest, report.newest, report.lost) == (50, 1, 50, 0)
        assert report.epoch == kept.journal.epoch
        assert report.used_bytes == kept.log.kept_bytes
    assert (report.ring_bytes, report.vehicles, report.goes_on, report.closed_cleanly) == (MIB, 7, True, True)


def test_reading_changes_not_a_byte_of_a_damaged_journal(path: Path) -> None:
    closed(path, 300)
    content = bytearray(path.read_bytes())
    content[-MIB + 5000] ^= 0xFF  # inside the ring
    path.write_bytes(content)
    with JournalReader(path) as reader:
        report = reader.report()
        assert len(list(reader.events())) == report.events
    assert report.lost == 1
    assert not report.goes_on
    assert path.read_bytes() == bytes(content)


def test_a_journal_in_use_is_refused(path: Path) -> None:
    with Kept(path), pytest.raises(Misconfigured, match="in use by another process"):
        JournalReader(path)


def test_a_reader_keeps_servers_out_until_it_ends(path: Path) -> None:
    closed(path)
    with JournalReader(path), pytest.raises(Misconfigured, match="in use"):
        Kept(path)
    with Kept(path) as kept:
        assert kept.log.seq == 50


def test_a_killed_servers_journal_goes_on_in_the_same_run_of_the_machine_only(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Kept(path) as kept:
        kept.fill(3)
        left = killed(path)
    with JournalReader(left) as reader:
        assert (reader.goes_on, reader.report().closed_cleanly) == (True, False)
    monkeypatch.setattr("teslafast.storage.journal_reader.boot_id", lambda: "another")
    monkeypatch.setattr(journal_module, "boot_id", lambda: "another")
    with JournalReader(left) as reader:
        assert not reader.goes_on
    with Kept(left) as again:
        assert again.journal.epoch != kept.journal.epoch


def test_a_copy_does_not_go_on(path: Path) -> None:
    copy = closed(path).with_name("copy")
    copy.write_bytes(path.read_bytes())
    with JournalReader(copy) as reader:
        assert not reader.goes_on


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is not a journal"),
        (b"something else", "is not a journal"),
        (b"teslfast" + b"\x09" + bytes(3), "of version 9"),
        (b"teslfast" + b"\x01" + bytes(4000), "damaged in its first page"),
    ],
)
def test_what_is_not_a_journal_is_refused(path: Path, content: bytes, fault: str) -> None:
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match=fault):
        JournalReader(path)


def test_a_file_that_is_not_there_or_was_cut_short_is_refused(path: Path) -> None:
    with pytest.raises(Misconfigured, match="No such file"):
        JournalReader(path)
    closed(path)
    path.write_bytes(path.read_bytes()[: PAGE + 1000])
    with pytest.raises(Misconfigured, match="cut short"):
        JournalReader(path)


@pytest.mark.parametrize("content", [b"", b"torn", b"[]\n", b'{"journal":1}\n'])
def test_a_checkpoint_that_cannot_be_read_counts_as_none(path: Path, content: bytes) -> None:
    path_of(closed(path)).write_bytes(content)
    with JournalReader(path) as reader:
        assert reader.saved_seq() is None


def test_the_saved_seq_is_that_of_this_journals_checkpoint(path: Path) -> None:
    closed(path)
    with JournalReader(path) as reader:
        for name, seq in ((reader.nature.name, 40), ("of another", None)):
            line = b'{"journal":"%s","epoch":"e","seq":40}\n' % name.encode()
            path_of(path).write_bytes(line + b"%08x\n" % checksum(line))
            assert reader.saved_seq() == seq


@pytest.mark.parametrize(("module", "call", "name"), [(mmap, "mmap", "mmap"), (os, "pread", "read")])
def test_a_file_system_that_cannot_give_the_journal_is_named_with_its_call(
    module: object, call: str, name: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed(path)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    monkeypatch.setattr(module, call, fail)
    with pytest.raises(Misconfigured, match=rf"JOURNAL_PATH: .*{name} failed \(No such device\)"):
        JournalReader(path)
    monkeypatch.undo()
    with JournalReader(path) as reader:  # nobody holds it any more
        assert reader.count == 50
