"""Lines in a file: every line whole and once, whatever happens to the file, the disk or the process."""

from __future__ import annotations

import json
import logging
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from teslafast.errors import Undelivered
from teslafast.outputs.rotating_file import BLOCK, Line, RotatingFile

from tests.support import ROOT

EPOCH = b"0123456789abcdef"
PLENTY = 1 << 30


def line(seq: int, pad: int = 10) -> Line:
    return seq, b'{"id":"%s-%d","seq":%d,"pad":"%s"}\n' % (EPOCH, seq, seq, b"x" * pad)


def lines(first: int, last: int, pad: int = 10) -> list[Line]:
    return [line(seq, pad) for seq in range(first, last + 1)]


def written(path: Path) -> list[int]:
    """The seqs in it; every line must be whole."""
    content = path.read_bytes()
    assert content == b"" or content.endswith(b"\n")
    return [json.loads(text)["seq"] for text in content.splitlines()]


def in_all(path: Path) -> list[int]:
    """The seqs of all files, the oldest first."""
    rotated = sorted(path.parent.glob(f"{path.name}.*"), key=lambda one: -int(one.suffix[1:]))
    return [seq for one in [*rotated, path] if one.exists() for seq in written(one)]


Opener = Callable[..., RotatingFile]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture
def opened(path: Path) -> Iterator[Opener]:
    """Opens it, as a start of the server does; the one before is closed first."""
    files: list[RotatingFile] = []

    def make(max_bytes: int = PLENTY, keep: int = 5, epoch: bytes = EPOCH) -> RotatingFile:
        for one in files:
            one.close()
        files.append(RotatingFile(path, max_bytes, keep, epoch))
        files[-1].open()
        return files[-1]

    yield make
    for one in files:
        one.close()


def test_lines_are_appended_to_a_file_that_only_its_owner_reads(path: Path, opened: Opener) -> None:
    file = opened()
    file.write(lines(1, 3))
    file.write(lines(4, 4))
    assert written(path) == [1, 2, 3, 4]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_batch_that_comes_again_is_not_written_again(path: Path, opened: Opener) -> None:
    opened().write(lines(1, 10))
    file = opened()
    file.write(lines(6, 10))
    file.write(lines(8, 12))
    assert written(path) == list(range(1, 13))


def test_seqs_of_another_epoch_hide_nothing(path: Path, opened: Opener) -> None:
    opened(epoch=b"another").write([(9, b'{"id":"another-9","seq":9}\n')])
    opened().write(lines(1, 2))
    assert written(path) == [9, 1, 2]


def test_a_second_server_is_refused_while_the_first_has_the_file(path: Path, opened: Opener) -> None:
    opened()
    second = RotatingFile(path, PLENTY, 5, EPOCH)
    with pytest.raises(Undelivered, match="in use by another process"):
        second.open()


# ---- rotation


@pytest.mark.parametrize("keep", [0, 1, 2, 5])
def test_a_full_file_is_moved_aside_and_the_newest_are_kept(path: Path, opened: Opener, keep: int) -> None:
    size = len(line(100)[1])
    file = opened(max_bytes=10 * size, keep=keep)
    for first in range(100, 195, 7):
        file.write(lines(first, first + 6))
    files = sorted(one.name for one in path.parent.iterdir())
    assert files == [path.name, *(f"{path.name}.{number}" for number in range(1, keep + 1))]
    seqs = in_all(path)
    assert seqs == list(range(seqs[0], 198))
    assert len(seqs) > 10 * keep
    assert all(one.stat().st_size <= 10 * size for one in path.parent.iterdir())


def test_one_batch_may_fill_several_files(path: Path, opened: Opener) -> None:
    opened(max_bytes=4 * len(line(10)[1])).write(lines(10, 29))
    assert in_all(path) == list(range(10, 30))
    assert [len(written(one)) for one in path.parent.iterdir()] == [4] * 5


def test_a_line_longer_than_a_file_may_be_has_one_for_itself(path: Path, opened: Opener) -> None:
    opened(max_bytes=200).write([line(1), line(2, 5000), line(3)])
    assert [written(path.with_name(f"{path.name}.{number}")) for number in (2, 1)] == [[1], [2]]
    assert written(path) == [3]


def test_after_a_kill_right_behind_a_rotation_the_moved_file_tells_where_to_go_on(path: Path, opened: Opener) -> None:
    opened().write(lines(1, 5))
    path.rename(path.with_name(f"{path.name}.1"))
    opened().write(lines(3, 7))
    assert in_all(path) == list(range(1, 8))


def test_a_hole_among_the_rotated_files_is_filled_before_any_is_given_up(path: Path, opened: Opener) -> None:
    file = opened(max_bytes=100, keep=3)
    file.write(lines(1, 8, 40))
    path.with_name(f"{path.name}.1").unlink()
    kept = written(path.with_name(f"{path.name}.3"))
    file.write(lines(9, 9, 40))
    assert written(path.with_name(f"{path.name}.3")) == kept
    assert written(path.with_name(f"{path.name}.1")) == [8]


# ---- kills


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 400), min_size=1, max_size=8), st.data())
def test_a_kill_at_any_byte_leaves_whole_lines_and_each_once(tmp_path: Path, pads: list[int], data: st.DataObject) -> None:
    path = tmp_path / "killed.jsonl"
    batch = [line(number, pad) for number, pad in enumerate(pads, 1)]
    whole = b"".join(text for _, text in batch)
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    file = RotatingFile(path, PLENTY, 5, EPOCH)
    file.open()
    file.write(batch)
    file.close()
    assert path.read_bytes() == whole


@pytest.mark.parametrize("torn", [BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_a_torn_line_of_any_length_is_cut_off_and_said(
    path: Path, opened: Opener, torn: int, said: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(line(1)[1] + b"{" + b"x" * (torn - 1))
    opened().write([line(2)])
    assert written(path) == [1, 2]
    removed = [record for record in said.records if record.getMessage() == "jsonl_torn_line_removed"]
    assert [getattr(record, "fields")["bytes"] for record in removed] == [torn]  # noqa: B009 — logging's own type lacks it


def test_a_last_line_that_is_none_of_ours_is_finished_and_not_removed(path: Path, opened: Opener) -> None:
    path.write_bytes(b"a note without an end")
    opened().write([line(1)])
    assert path.read_bytes() == b"a note without an end\n" + line(1)[1]


# ---- the world around it


def test_a_file_that_is_moved_away_is_followed_by_a_new_one(path: Path, opened: Opener) -> None:
    file = opened()
    file.write(lines(1, 3))
    aside = path.rename(path.with_name("yesterday"))
    file.write(lines(2, 5))
    assert (written(aside), written(path)) == ([1, 2, 3], [4, 5])


def test_a_folder_that_is_renamed_is_an_error_until_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = RotatingFile(folder / "events.jsonl", PLENTY, 5, EPOCH)
    file.open()
    file.write(lines(1, 2))
    away = folder.rename(tmp_path / "away")
    with pytest.raises(FileNotFoundError):
        file.write(lines(3, 4))
    with pytest.raises(FileNotFoundError):
        file.open()
    away.rename(folder)
    file.open()
    file.write(lines(3, 4))
    file.close()
    assert written(folder / "events.jsonl") == [1, 2, 3, 4]


def test_a_full_disk_is_an_error_that_leaves_whole_lines_and_ends_when_there_is_room(path: Path) -> None:
    program = (
        "import resource, signal, sys; from pathlib import Path; from teslafast.outputs.rotating_file import RotatingFile\n"
        "from tests.outputs.test_rotating_file import EPOCH, PLENTY, lines\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); file = RotatingFile(Path(sys.argv[1]), PLENTY, 5, EPOCH); file.open()\n"
        "file.write(lines(1, 10)); resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))\n"
        "for attempt in range(3):\n"
        "    try: file.write(lines(11, 500)); print('written')\n"
        "    except OSError as error: print(error.strerror, len(Path(sys.argv[1]).read_bytes().splitlines())); file.open()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "file.write(lines(11, 500)); file.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines() == ["File too large 10"] * 3
    assert written(path) == list(range(1, 501))


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("teslafast"), "propagate", True)
    return caplog
