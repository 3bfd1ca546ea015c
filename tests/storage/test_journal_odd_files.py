"""JOURNAL_PATH and what lies beside it: what is no file, and file systems that lack a call. One line, exit 2, no hang."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from teslafast.errors import Misconfigured
from teslafast.storage import journal_file
from teslafast.storage.journal import Journal
from teslafast.storage.journal_file import read_state

from tests.support.journals import MIB, Kept
from tests.support.peers import PATIENCE_S
from tests.support.servers import BASE, spawn


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def refusal(path: Path) -> str:
    with pytest.raises(Misconfigured) as caught:
        Journal.open(path, MIB)
    assert caught.value.subject == "JOURNAL_PATH"
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- no files


def make_socket(path: Path) -> None:
    here = os.open(".", os.O_RDONLY)
    os.chdir(path.parent)  # a socket's address holds a hundred bytes only
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


def link_to_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("fifo"))
    path.symlink_to(path.with_name("fifo"))


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "fifo": (os.mkfifo, "is a FIFO, not a file"),
    "socket": (make_socket, "is a socket, not a file"),
    "directory": (os.mkdir, "Is a directory"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is a device, not a file"),
    "terminal": (lambda path: path.symlink_to("/dev/tty"), "is a device, not a file"),
    "dangling link": (lambda path: path.symlink_to("nowhere"), "is a link to nowhere, which does not exist"),
    "link to itself": (lambda path: path.symlink_to(path), "symbolic links"),
    "link to a FIFO": (link_to_fifo, "is a FIFO, not a file"),
    "memory": (lambda path: path.symlink_to("/proc/self/mem"), "is not a journal"),
    "environment": (lambda path: path.symlink_to("/proc/self/environ"), "is not a journal"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_file_is_refused_as_a_journal(path: Path, name: str) -> None:
    make, words = ODD[name]
    make(path)
    said = refusal(path)
    assert words in said or "Permission denied" in said  # as others than root read /proc
    assert not path.with_name("journal.new").exists()


@pytest.mark.parametrize("name", [name for name in ODD if name not in ("memory", "environment")])
def test_what_is_no_file_is_refused_as_a_checkpoint(path: Path, name: str) -> None:
    make, words = ODD[name]
    make(path)
    with pytest.raises(Misconfigured, match=words):
        read_state(path)


@pytest.mark.parametrize("name", ["fifo", "socket", "directory", "device", "dangling link"])
def test_what_is_no_file_is_in_the_way_of_a_new_journal(path: Path, name: str) -> None:
    ODD[name][0](path.with_name("journal.new"))
    assert "journal.new is in the way" in refusal(path)
    assert os.path.lexists(path.with_name("journal.new")), "it is not ours to remove"


def test_a_link_to_a_journal_is_a_journal(path: Path) -> None:
    with Kept(path) as kept:
        kept.publish()
    path.with_name("link").symlink_to(path)
    with Kept(path.with_name("link")) as kept:
        assert len(kept.events) == 1


def test_a_second_name_of_a_journal_that_was_moved_is_not_written_over(path: Path) -> None:
    with Kept(path) as kept:
        kept.publish()
    os.link(path, path.with_name("journal.new"))
    path.rename(path.with_name("backup"))
    with Kept(path) as kept:
        assert kept.events == []
    with Kept(path.with_name("backup")) as kept:
        assert len(kept.events) == 1


@pytest.mark.parametrize("which", ["journal", "journal.state"])
def test_a_server_with_a_fifo_for_a_file_ends_with_one_line(path: Path, which: str) -> None:
    os.mkfifo(path.with_name(which))
    process = spawn(["serve"], BASE | {"NODE_ENV": "development", "JOURNAL_PATH": str(path)}, stderr=subprocess.PIPE)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert f"{which} is a FIFO, not a file" in said
    assert len(said.splitlines()) == 1


# ---- file systems that lack a call


def failing(monkeypatch: pytest.MonkeyPatch, module: Any, call: str, number: int) -> None:
    def fail(*arguments: object, **named: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, call, fail)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ESTALE, errno.EIO])
@pytest.mark.parametrize(
    ("old", "module", "call", "name"),
    [
        (False, fcntl, "flock", "flock"),
        (False, mmap, "mmap", "mmap"),
        (False, os, "pwrite", "write"),
        (False, os, "fsync", "fsync"),
        (True, fcntl, "flock", "flock"),
        (True, mmap, "mmap", "mmap"),
        (True, os, "pread", "read"),
    ],
)
def test_a_call_that_fails_is_named_and_nothing_is_left(
    path: Path, monkeypatch: pytest.MonkeyPatch, old: bool, module: Any, call: str, name: str, number: int
) -> None:
    if old:
        with Kept(path) as kept:
            kept.publish()
    before = path.read_bytes() if old else b""
    with monkeypatch.context() as patched:
        failing(patched, module, call, number)
        said = refusal(path)
    assert f"{name} failed" in said
    assert "put the journal on a local disk" in said
    assert [one.name for one in path.parent.iterdir()] == (["journal"] if old else [])
    if old:
        assert path.read_bytes() == before


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def test_without_links_the_file_is_renamed(path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    failing(monkeypatch, os, "link", number)
    with Kept(path) as kept:
        assert kept.publish() == 1
    assert [one.name for one in path.parent.iterdir()] == ["journal"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EACCES, errno.ENOSYS])
def test_a_folder_that_cannot_be_synced_does_not_matter(path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    failing(monkeypatch, journal_file, "sync_folder", number)
    with Kept(path) as kept:
        assert kept.publish() == 1


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_without_fallocate_the_room_is_taken_by_zeros(path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    failing(monkeypatch, os, "posix_fallocate", number)
    with Kept(path) as kept:
        kept.fill(10)
    assert path.stat().st_blocks * 512 >= path.stat().st_size
    os.truncate(path, MIB)
    with Kept(path):
        assert path.stat().st_blocks * 512 >= path.stat().st_size


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_is_full_all_the_same_is_left_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A quota or a thin volume, which the free room does not tell of."""
    with monkeypatch.context() as patched:
        failing(patched, os, "posix_fallocate", number)
        assert "there is no room" in refusal(path)
    assert list(path.parent.iterdir()) == []
    with Kept(path):
        pass
    os.truncate(path, MIB // 2)

    def half(descriptor: int, start: int, size: int) -> None:
        os.truncate(descriptor, size - MIB // 4)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", half)
    assert "there is no room" in refusal(path)
    assert path.stat().st_size == MIB // 2


def test_a_file_system_that_does_not_tell_its_room_is_asked_for_it_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, os, "fstatvfs", errno.ENOSYS)
    with Kept(path) as kept:
        assert kept.publish() == 1
