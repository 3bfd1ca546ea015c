"""Cursors of outputs after a restart: where each goes on, whatever has become of the file and of the log."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from teslafast.errors import Misconfigured
from teslafast.logs import log
from teslafast.storage.cursors import RECORD, Cursor, Cursors, path_of, read
from teslafast.storage.journal import Life

from tests.support.disks import fill, mounted

JOURNAL = "0123456789abcdef"
EPOCH, FORMER = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"
NEWEST, OLDEST = 500, 100
PRESENT = Life(EPOCH)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(log, "propagate", True)
    return caplog


def opened(
    path: Path, *outputs: str, former: Life = PRESENT, epoch: str = EPOCH, name: str = JOURNAL, newest: int = NEWEST
) -> Cursors:
    return Cursors.open(path, name, former, epoch, newest, OLDEST, outputs or ("jsonl",))


def kept(path: Path, seq: int, *outputs: str, epoch: str = EPOCH, name: str = JOURNAL) -> None:
    """A server ran with these outputs, and each came to `seq`."""
    cursors = opened(path, *outputs, former=Life(epoch), epoch=epoch, name=name)
    for output in outputs or ("jsonl",):
        cursors.put(output, seq)
    cursors.close()


def first(path: Path, output: str = "jsonl", former: Life = PRESENT, name: str = JOURNAL, newest: int = NEWEST) -> int:
    cursors = opened(path, output, former=former, name=name, newest=newest)
    cursors.close()
    return cursors.first[output]


def test_an_output_goes_on_after_its_cursor(path: Path) -> None:
    kept(path, 321)
    assert first(path) == 322
    assert first(path) == 322, "a start that sent nothing changes nothing"


def test_an_output_that_is_new_begins_with_the_next_event(path: Path) -> None:
    assert first(path) == NEWEST + 1
    kept(path, 321, "jsonl")
    assert first(path, "mqtt") == NEWEST + 1


def test_outputs_have_a_cursor_each(path: Path) -> None:
    kept(path, 200, "jsonl", "mqtt")
    cursors = opened(path, "mqtt", "jsonl")
    cursors.put("mqtt", 300)
    cursors.close()
    found = read(path_of(path).read_bytes())
    assert (found.journal, found.cursors) == (JOURNAL, {"mqtt": Cursor(EPOCH, 300), "jsonl": Cursor(EPOCH, 200)})


def test_a_cursor_of_seqs_that_the_log_has_lost_goes_back_to_the_newest_it_has(path: Path) -> None:
    kept(path, 321)
    assert first(path, newest=300) == 301


def test_a_cursor_of_the_epoch_before_counts_up_to_where_the_new_one_began(path: Path) -> None:
    kept(path, 321, epoch=FORMER)
    assert first(path, former=Life(EPOCH, previous=FORMER, base_seq=310)) == 311
    kept(path, 305, epoch=FORMER)
    assert first(path, former=Life(EPOCH, previous=FORMER, base_seq=310)) == 306


def test_a_cursor_of_another_epoch_or_another_journal_goes_back_to_the_oldest_event(path: Path) -> None:
    kept(path, 321, epoch=FORMER)
    assert first(path) == OLDEST
    kept(path, 321)
    assert first(path, name="another") == OLDEST


@pytest.mark.parametrize("content", [b"", b"x" * 4096, bytes(4096)])
def test_a_file_that_cannot_be_read_as_cursors_goes_back_to_the_oldest_event(path: Path, content: bytes) -> None:
    path_of(path).write_bytes(content)
    assert first(path) == OLDEST


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(OLDEST, NEWEST), min_size=1, max_size=9).map(sorted), st.integers(0, RECORD))
def test_a_kill_in_the_middle_of_a_write_leaves_the_cursor_before_it_or_the_new_one(
    tmp_path: Path, seqs: list[int], bytes_written: int
) -> None:
    path = tmp_path / "journal"
    path_of(path).unlink(missing_ok=True)
    cursors = opened(path)
    contents = [path_of(path).read_bytes()]
    for seq in seqs:
        cursors.put("jsonl", seq)
        contents.append(path_of(path).read_bytes())
    before, after = contents[-2:]
    changed = next((at for at in range(len(before)) if before[at] != after[at]), 0) // RECORD * RECORD
    torn = after[: changed + bytes_written] + before[changed + bytes_written :]
    cursors.close()
    path_of(path).write_bytes(torn)
    assert first(path) - 1 in [NEWEST, *seqs][-2:]


def test_a_cursor_that_is_noted_is_in_the_file_before_anything_else_happens(path: Path) -> None:
    cursors = opened(path)
    cursors.put("jsonl", 400)
    assert read(path_of(path).read_bytes()).cursors["jsonl"].seq == 400
    cursors.close()


def test_a_place_where_no_file_can_be_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="make its folder first"):
        opened(tmp_path / "nowhere" / "journal")


def test_the_file_is_its_owners_only(path: Path) -> None:
    kept(path, 1)
    assert path_of(path).stat().st_mode & 0o777 == 0o600
    assert not path_of(path).with_name("journal.outputs.new").exists()


# ---- disks


def test_on_a_full_disk_the_old_file_is_written_over(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "tmpfs") as disk:
        kept(disk / "journal", 321, "jsonl", "mqtt")
        other = fill(disk)
        assert first(disk / "journal") == 322
        kept(disk / "journal", 400)
        assert first(disk / "journal") == 401
        path_of(disk / "journal").unlink()
        fill(disk)
        with pytest.raises(Misconfigured, match="make room on its disk"):
            opened(disk / "journal")
        assert [one.name for one in disk.iterdir()] == [other.name]


def test_a_file_that_is_cut_short_while_it_is_in_use_is_said_once_and_outputs_go_on(
    path: Path, said: pytest.LogCaptureFixture
) -> None:
    cursors = opened(path, "jsonl", "mqtt")
    os.truncate(path_of(path), 0)
    for seq in range(300, 310):
        cursors.put("jsonl", seq)
        cursors.put("mqtt", seq)
    assert [record.getMessage() for record in said.records] == ["cursors_stopped"]
    cursors.close()
    assert first(path) == OLDEST, "twice is better than never"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path_of(path).write_bytes(bytes(4096)), "it is damaged"),
        (lambda path: path_of(path).write_bytes(b""), "it is damaged"),
        (lambda path: kept(path, 321, name="fedcba9876543210"), "it belongs to another journal"),
    ],
)
def test_a_file_that_is_not_used_is_said_with_the_reason(
    path: Path, said: pytest.LogCaptureFixture, spoil: Callable[[Path], object], reason: str
) -> None:
    kept(path, 321)
    spoil(path)
    said.clear()
    assert first(path) == OLDEST
    [record] = said.records
    assert (record.getMessage(), vars(record)["fields"]["reason"]) == ("cursors_not_used", reason)
