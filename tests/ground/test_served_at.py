"""The file by which `health` finds a server that was started with --port."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from teslafast.served_at import forget, recall, remember


def folder(path: Path, **more: str) -> dict[str, str]:
    return {"XDG_RUNTIME_DIR": str(path)} | more


def test_what_is_remembered_is_recalled_until_it_is_forgotten(tmp_path: Path) -> None:
    written = remember(folder(tmp_path), "127.0.0.1", 8080)
    assert recall(folder(tmp_path)) == ("127.0.0.1", 8080)
    assert recall(folder(tmp_path, PORT="3001")) is None, "another server's environment"
    forget(written)
    assert recall(folder(tmp_path)) is None
    assert list(tmp_path.iterdir()) == []


def test_the_next_server_of_the_same_environment_takes_the_place_of_the_last(tmp_path: Path) -> None:
    remember(folder(tmp_path), "", 1)
    remember(folder(tmp_path), "", 2)
    assert recall(folder(tmp_path)) == ("", 2)


def test_a_server_that_ends_leaves_the_file_of_the_next_one(tmp_path: Path) -> None:
    written = remember(folder(tmp_path), "", 1)
    assert written is not None
    written.write_text(json.dumps({"host": "", "port": 2, "pid": 1}))
    forget(written)
    assert written.exists()


def test_a_folder_that_cannot_be_written_to_is_said_and_no_error(tmp_path: Path) -> None:
    assert remember(folder(tmp_path / "missing"), "", 1) is None
    forget(None)


def write(path: Path, content: str) -> dict[str, str]:
    written = remember(folder(path), "", 1)
    assert written is not None
    written.write_text(content)
    return folder(path)


GONE = {"host": "", "port": 1, "pid": 2**22 + 1}  # above the largest that Linux gives


@pytest.mark.parametrize(
    "content", ["", "{", "[]", json.dumps(GONE), json.dumps(GONE | {"pid": "x"}), json.dumps({"host": "", "port": 0, "pid": 1})]
)
def test_a_file_of_a_server_that_is_gone_or_that_is_damaged_is_not_believed(content: str, tmp_path: Path) -> None:
    assert recall(write(tmp_path, content)) is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"host": "", "port": 1, "pid": os.getpid()}))
    written = remember(folder(tmp_path), "", 2)
    assert written is not None
    written.unlink()
    written.symlink_to(other)
    assert recall(folder(tmp_path)) is None
    assert remember(folder(tmp_path), "", 3) == written
    assert json.loads(other.read_text())["port"] == 1
    assert recall(folder(tmp_path)) == ("", 3)


def test_a_machine_without_any_folder_for_temporary_files_serves_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_there() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none_there)
    assert remember({}, "", 1) is None
    assert recall({}) is None
