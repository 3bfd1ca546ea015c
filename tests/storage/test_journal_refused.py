"""A journal that cannot be had: what an operator is told, and that nothing which is not ours is written over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from teslafast._fanout import bytes_needed
from teslafast.errors import Misconfigured
from teslafast.storage.journal import Journal
from teslafast.storage.journal_nature import PAGE

from tests.support import ROOT
from tests.support.disks import mounted
from tests.support.journals import MIB, Kept


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def refusal(path: Path, ring_bytes: int = MIB) -> str:
    with pytest.raises(Misconfigured) as caught:
        Journal.open(path, ring_bytes)
    assert caught.value.subject == "JOURNAL_PATH"
    return str(caught.value)


def test_another_size_is_refused_with_the_size_that_would_do(path: Path) -> None:
    with Kept(path) as kept:
        kept.fill(10)
    content = path.read_bytes()
    assert f"set RING_BYTES={MIB}" in refusal(path, 2 * MIB)
    assert f"set RING_BYTES={MIB}" in refusal(path, MIB + 1)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"x", b"my holiday diary\n" * 1000, bytes(PAGE + bytes_needed(MIB))])
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "is not a journal" in refusal(path)
    assert path.read_bytes() == content


def test_another_version_is_refused_and_named(path: Path) -> None:
    with Kept(path):
        pass
    with path.open("r+b") as file:
        file.seek(8)
        file.write((99).to_bytes(4, "little"))
    assert "version 99" in refusal(path)


def test_a_damaged_first_page_is_refused(path: Path) -> None:
    with Kept(path):
        pass
    with path.open("r+b") as file:
        file.seek(20)
        file.write(b"x")
    assert "damaged in its first page" in refusal(path)


def test_a_second_server_is_refused_while_the_first_has_it(path: Path) -> None:
    with Kept(path):
        assert "in use by another process" in refusal(path)
    with Kept(path):
        pass


def test_a_journal_being_made_by_another_process_is_in_use(path: Path) -> None:
    with Kept(path):
        path.rename(path.with_name("journal.new"))
        assert "in use by another process" in refusal(path)


def test_what_a_kill_left_of_a_new_file_is_no_obstacle(path: Path) -> None:
    path.with_name("journal.new").write_bytes(b"half of it")
    with Kept(path) as kept:
        assert kept.publish() == 1
    assert not path.with_name("journal.new").exists()


def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path) -> None:
    assert "Is a directory" in refusal(tmp_path)
    assert "No such file or directory" in refusal(tmp_path / "nowhere" / "journal")
    (tmp_path / "file").write_bytes(b"")
    assert "Not a directory" in refusal(tmp_path / "file" / "journal")


def test_a_disk_without_room_is_said_at_the_start_and_leaves_no_journal(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path; from teslafast.storage.journal import Journal\n"
        "from teslafast.errors import Misconfigured\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, 1 << 19))\n"
        "try: Journal.open(Path(sys.argv[1]), 1 << 20)\n"
        "except Misconfigured as error: print(error)\n"
    )
    root = ROOT
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "journal"], capture_output=True, text=True, check=True, cwd=root
    )
    assert "there is no room" in done.stdout
    assert "smaller RING_BYTES" in done.stdout
    assert not (tmp_path / "journal").exists()


def test_a_journal_with_something_after_its_end_is_refused_with_where_to_cut(path: Path) -> None:
    with Kept(path) as kept:
        kept.fill(10)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"\n")
    assert f"truncate -s {size}" in refusal(path)
    os.truncate(path, size)
    with Kept(path) as kept:
        assert len(kept.events) == 10


def test_a_disk_without_inodes_or_mounted_read_only_is_named_as_that(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "tmpfs") as disk:
        subprocess.run(["mount", "-o", "remount,nr_inodes=1", str(disk)], check=True)
        assert "make room on its disk: space, or inodes" in refusal(disk / "journal")
        subprocess.run(["mount", "-o", "remount,nr_inodes=100", str(disk)], check=True)
        with Kept(disk / "journal"):
            pass
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for name in ("journal", "another"):
            assert "mount its file system writable" in refusal(disk / name)
