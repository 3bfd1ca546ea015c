"""The set-up's folder: modes, files that are whole, and the lock between processes."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from teslafast.errors import Misconfigured, Unhealthy
from teslafast.onboarding.state_folder import StateFolder


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_is_the_one_given_then_the_variables_then_teslafast_d() -> None:
    assert StateFolder.locate({"TESLAFAST_STATE": "/a"}, Path("/b")).path == Path("/b")
    assert StateFolder.locate({"TESLAFAST_STATE": "/a"}).path == Path("/a")
    assert StateFolder.locate({}).path == Path("teslafast.d")


def test_nothing_is_made_by_looking(folder: StateFolder) -> None:
    assert folder.read("tokens.json") is None
    assert not folder.exists


def test_folder_and_files_are_closed_to_others_whatever_the_umask(folder: StateFolder) -> None:
    before = os.umask(0)
    try:
        folder.write("app.key", b"secret")
    finally:
        os.umask(before)
    assert mode(folder.path) == 0o700
    assert mode(folder.path / "app.key") == 0o600


def test_a_folder_and_a_file_that_are_too_open_are_closed(folder: StateFolder) -> None:
    folder.path.mkdir(mode=0o755)
    (folder.path / "state.json").write_text("{}")
    (folder.path / "state.json").chmod(0o644)
    folder.write_json("state.json", {"domain": "a.example"})
    assert (mode(folder.path), mode(folder.path / "state.json")) == (0o700, 0o600)


def test_a_file_that_cannot_be_written_leaves_the_old_one_whole(folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("tokens.json", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Misconfigured, match="No space left"):
        folder.write("tokens.json", b"new")
    assert folder.read("tokens.json") == b"old"


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
def test_a_damaged_file_is_named(folder: StateFolder, content: bytes) -> None:
    folder.write("tokens.json", content)
    with pytest.raises(Misconfigured, match=r"tokens\.json is damaged"):
        folder.read_json("tokens.json")


def test_a_file_that_is_not_ours_is_not_read_to_its_end(folder: StateFolder) -> None:
    folder.write("tokens.json", b"x" * ((1 << 20) + 1))
    with pytest.raises(Misconfigured, match="not a file of teslafast's"):
        folder.read("tokens.json")


def test_the_lock_keeps_another_process_out_until_it_is_given_up(folder: StateFolder) -> None:
    program = (
        "import sys; from pathlib import Path; from teslafast.onboarding.state_folder import StateFolder\n"
        "with StateFolder(Path(sys.argv[1])).lock():\n print('held', flush=True); sys.stdin.readline()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(Unhealthy, match="in use by another process"), folder.lock(0.1):
        pass
    other.communicate("\n", 10)
    with folder.lock(5), folder.lock(0.1):
        assert mode(folder.path / ".lock") == 0o600


def test_the_lock_keeps_another_thread_out(folder: StateFolder) -> None:
    refused = []

    def other() -> None:
        try:
            with folder.lock(0.05):
                pass
        except Unhealthy as error:
            refused.append(error)

    with folder.lock():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(refused) == 1


def test_a_folder_that_cannot_be_made_is_said_with_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match=r"^TESLAFAST_STATE: .*Not a directory"):
        StateFolder(tmp_path / "file" / "state").write("app.key", b"")


def test_nothing_of_a_folder_in_a_clone_is_offered_to_git(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    StateFolder(tmp_path / "teslafast.d").write("app.key", b"a key")
    shown = subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert shown.stdout == ""


def test_a_folder_that_was_there_before_is_kept_out_of_git_if_it_holds_nothing_else(tmp_path: Path) -> None:
    for name in ("app.key", "tokens.json", ".lock"):
        (tmp_path / name).write_text("")
    StateFolder(tmp_path).write("state.json", b"{}")
    assert (tmp_path / ".gitignore").read_text() == "*\n"
    assert (tmp_path / ".gitignore").stat().st_mode & 0o077 == 0


def test_a_project_of_somebody_is_not_hidden_from_git(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("")
    StateFolder(tmp_path).write("app.key", b"a key")
    StateFolder(tmp_path).write("state.json", b"{}")
    assert not (tmp_path / ".gitignore").exists()
