"""A file is put in place whole or not at all, with its mode from the first byte, and nothing is left beside it."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from teslafast.whole_file import WholeFile, write_whole

from tests.support.peers import PATIENCE_S


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def failing(code: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize(("durable", "synced"), [(True, 2), (False, 0)])
def test_only_a_durable_file_and_its_folder_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool, synced: int
) -> None:
    descriptors: list[int] = []
    monkeypatch.setattr(os, "fsync", descriptors.append)
    write_whole(tmp_path / "file", b"content", durable=durable)
    assert len(descriptors) == synced
    assert files(tmp_path) == {"file": b"content"}


def test_a_new_file_has_its_content_and_mode(tmp_path: Path) -> None:
    write_whole(tmp_path / "key", b"secret", mode=0o600)
    assert files(tmp_path) == {"key": b"secret"}
    assert mode(tmp_path / "key") == 0o600


def test_an_existing_file_is_refused_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "file", b"new")
    assert files(tmp_path) == {"file": b"old"}


def test_an_existing_file_is_replaced_if_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    write_whole(tmp_path / "file", b"new", replace=True)
    assert files(tmp_path) == {"file": b"new"}


def test_readers_see_the_old_content_until_the_commit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    file = WholeFile(tmp_path / "file", 0o600)
    file.write(b"ne")
    file.writelines([b"w"])
    assert file.size == 3
    assert (tmp_path / "file").read_bytes() == b"old"
    file.commit(replace=True)
    assert file.closed
    assert files(tmp_path) == {"file": b"new"}


def test_a_discarded_file_leaves_nothing_behind(tmp_path: Path) -> None:
    file = WholeFile(tmp_path / "file", 0o600)
    file.write(b"half")
    file.discard()
    file.discard()
    assert file.closed
    assert files(tmp_path) == {}


def test_discard_after_commit_does_nothing(tmp_path: Path) -> None:
    file = WholeFile(tmp_path / "file", 0o600)
    file.commit(replace=False)
    (tmp_path / "file.new").write_bytes(b"another writer's")
    file.discard()
    assert files(tmp_path) == {"file": b"", "file.new": b"another writer's"}


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_failed_commit_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    monkeypatch.setattr(os, call, failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        write_whole(tmp_path / "file", b"content")
    assert files(tmp_path) == {}


def test_the_leftover_of_a_killed_writer_is_written_over_with_the_narrower_mode(tmp_path: Path) -> None:
    (tmp_path / "key.new").write_bytes(b"a longer leftover")
    (tmp_path / "key.new").chmod(0o644)
    write_whole(tmp_path / "key", b"secret", mode=0o600)
    assert files(tmp_path) == {"key": b"secret"}
    assert mode(tmp_path / "key") == 0o600


def test_a_second_writer_is_refused_while_the_first_is_writing(tmp_path: Path) -> None:
    first = WholeFile(tmp_path / "file", 0o600)
    first.write(b"first")
    with pytest.raises(BlockingIOError):
        WholeFile(tmp_path / "file", 0o600)
    first.commit(replace=False)
    write_whole(tmp_path / "file", b"second", replace=True)
    assert files(tmp_path) == {"file": b"second"}


def test_a_writer_that_opened_the_name_before_it_was_renamed_does_not_empty_the_file_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = WholeFile(tmp_path / "file", 0o600)
    first.write(b"first")
    real = os.open

    def open_then_commit(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = real(path, flags, mode)
        monkeypatch.setattr(os, "open", real)
        first.commit(replace=True)
        return descriptor

    monkeypatch.setattr(os, "open", open_then_commit)
    second = WholeFile(tmp_path / "file", 0o600)
    assert (tmp_path / "file").read_bytes() == b"first"
    second.discard()
    assert files(tmp_path) == {"file": b"first"}


def test_a_symbolic_link_under_the_temporary_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "file.new").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        write_whole(tmp_path / "file", b"content")
    assert (tmp_path / "victim").read_bytes() == b"mine"


def test_a_file_system_without_hard_links_still_refuses_an_existing_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", failing(errno.EPERM))
    write_whole(tmp_path / "file", b"first")
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "file", b"second")
    assert files(tmp_path) == {"file": b"first"}


def test_discard_waits_for_a_commit_in_another_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncing, go_on = threading.Event(), threading.Event()
    real = os.fsync

    def slow(descriptor: int) -> None:
        syncing.set()
        assert go_on.wait(PATIENCE_S)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    file = WholeFile(tmp_path / "file", 0o600)
    file.write(b"whole")
    committing = threading.Thread(target=file.commit, kwargs={"replace": False})
    committing.start()
    assert syncing.wait(PATIENCE_S)
    discarding = threading.Thread(target=file.discard)
    discarding.start()
    go_on.set()
    committing.join(PATIENCE_S)
    discarding.join(PATIENCE_S)
    assert files(tmp_path) == {"file": b"whole"}


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF])
def test_a_file_system_that_does_not_sync_folders_holds_the_file(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def no_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", no_folders)
    write_whole(tmp_path / "file", b"whole")
    assert files(tmp_path) == {"file": b"whole"}


def test_a_disk_that_fails_while_the_folder_is_synced_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: failing(errno.EIO)() if stat.S_ISDIR(os.fstat(descriptor).st_mode) else None
    )
    with pytest.raises(OSError, match="Input/output error"):
        write_whole(tmp_path / "file", b"whole")
