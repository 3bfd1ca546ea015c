"""A journal on real, small file systems: full ones, such as share blocks, and files that change under a running server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from teslafast.errors import Misconfigured
from teslafast.logs import log
from teslafast.storage.journal import Journal
from teslafast.storage.journal_watch import LOOK_S, JournalWatch

from tests.support.disks import fill, free_bytes, mounted
from tests.support.fake_log import Dashboard
from tests.support.journals import MIB, Event, Kept
from tests.support.servers import BASE, Process, spawn


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Lines:
    caplog.set_level("INFO", "teslafast")
    monkeypatch.setattr(log, "propagate", True)  # a command line that ran in this process has ended it
    return Lines(caplog)


class Lines:
    """What the watch has logged."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def events(self) -> list[tuple[str, object]]:
        """(event, cause) of the lines since the last call."""
        records = list(self._caplog.records)
        self._caplog.clear()
        return [(record.getMessage(), getattr(record, "fields", {}).get("cause")) for record in records]


# ---- room


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_journal_that_does_not_fit_takes_nothing(tmp_path: Path, kind: str) -> None:
    with mounted(tmp_path / "disk", kind) as disk:
        before = free_bytes(disk)
        for ring_bytes in (before, before - 100_000, 1 << 40):  # the second: all but the reserve
            with pytest.raises(Misconfigured, match="there is no room for") as caught:
                Journal.open(disk / "journal", ring_bytes)
            assert "RING_BYTES" in caught.value.remedy
        assert [one.name for one in disk.iterdir() if one.name != "lost+found"] == []
        assert free_bytes(disk) == before


def test_a_journal_that_cannot_grow_is_left_as_it_was(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "tmpfs") as disk:
        with Kept(disk / "journal") as kept:
            kept.fill(10)
        os.truncate(disk / "journal", MIB // 2)
        fill(disk)
        with pytest.raises(Misconfigured, match="there is no room for"):
            Journal.open(disk / "journal", MIB)
        assert (disk / "journal").stat().st_size == MIB // 2


def test_what_a_killed_start_left_counts_as_room(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "tmpfs") as disk:
        (disk / "journal.new").write_bytes(b"x" * 9 * MIB)
        with Kept(disk / "journal", 8 * MIB) as kept:
            assert kept.publish() == 1


# ---- disks that run full under a running journal


def check_the_ring_goes_on(kept: Kept, watch: JournalWatch, cause: str, said: Lines) -> None:
    """Goes round the ring, though nothing can be written any more; nothing that it holds is lost or changed by that."""
    before = kept.log.seq
    kept.fill(8000, 300)
    watch.check(10 * LOOK_S)
    assert ("journal_stopped", cause) in said.events()
    assert kept.journal.stopped == cause
    assert kept.log.seq == before + 8000
    events = kept.events
    assert [seq for seq, *_ in events] == list(range(kept.log.oldest, kept.log.seq + 1))
    assert all(text.endswith(b'"pad":"%s"}' % (b"x" * 300)) for *_, text, _ in events)
    with pytest.raises(OSError, match="has stopped"):
        kept.journal.sync()
    watch.check(20 * LOOK_S)
    assert [event for event, _ in said.events() if event == "journal_stopped"] == []


def check_a_restart(path: Path, kept: Kept, expected: list[Event]) -> None:
    kept.journal.close(kept.log.seq)
    with Kept(path) as again:
        assert again.events[:999] == expected[:999], "of what came later the file may hold some, up to the write that failed"
        assert again.journal.lost <= 1
        assert again.journal.life.epoch != kept.journal.life.epoch, "the old one has gone on without the file"


def test_a_full_disk_whose_blocks_are_shared_is_survived_with_the_whole_ring(tmp_path: Path, said: Lines) -> None:
    with mounted(tmp_path / "disk", "xfs") as disk, Kept(disk / "journal") as kept:
        watch = JournalWatch(kept.journal)
        watch.start()
        assert ("journal_file_system", None) in said.events()
        kept.fill(1000, 300)
        expected = kept.events
        subprocess.run(["cp", "--reflink=always", disk / "journal", disk / "backup"], check=True)
        other = fill(disk)
        check_the_ring_goes_on(kept, watch, "write_failed", said)
        other.unlink()
        check_a_restart(disk / "journal", kept, expected)


def test_a_disk_that_takes_new_blocks_stops_the_journal_before_it_is_full(tmp_path: Path, said: Lines) -> None:
    with mounted(tmp_path / "disk", "btrfs") as disk, Kept(disk / "journal") as kept:
        watch = JournalWatch(kept.journal)
        kept.fill(1000, 300)
        expected = kept.events
        watch.check(0)
        assert kept.journal.stopped == ""
        other = fill(disk)
        watch.check(5 * LOOK_S)
        assert kept.journal.stopped == "disk_full"
        check_the_ring_goes_on(kept, watch, "disk_full", said)
        other.unlink()
        check_a_restart(disk / "journal", kept, expected)


def test_a_full_disk_of_another_kind_is_said_and_the_journal_goes_on(tmp_path: Path, said: Lines) -> None:
    with mounted(tmp_path / "disk", "ext4") as disk, Kept(disk / "journal") as kept:
        watch = JournalWatch(kept.journal)
        other = fill(disk)
        for look in range(4):
            watch.check(look * LOOK_S * 2)
        kept.fill(8000, 300)
        kept.journal.sync()
        assert said.events() == [("journal_disk_low", None)], "one line a change"
        other.unlink()
        watch.check(10 * LOOK_S)
        assert said.events() == [("journal_disk_has_room", None)]
        assert kept.journal.stopped == ""


# ---- files that change


def test_a_file_that_is_cut_short_is_noticed_and_the_log_goes_on(path: Path, said: Lines) -> None:
    with Kept(path) as kept:
        watch = JournalWatch(kept.journal)
        kept.fill(100)
        late = Dashboard()
        os.truncate(path, 10_000)
        watch.check(0)
        assert said.events() == [("journal_stopped", "file_cut_short")]
        assert (kept.log.seq, kept.log.kept) == (100, 0)
        kept.log.subscribe(late.reader, after=50)
        kept.fill(6000, 300)
        while kept.log.flush():
            pass
        assert late.gaps
        assert late.messages()[-1]["seq"] == kept.log.seq == 6100
        os.truncate(path, 0)
        watch.check(LOOK_S)
        kept.fill(6000, 300)
        assert len(kept.events) == kept.log.kept


def test_a_file_that_is_moved_put_back_replaced_and_deleted_is_said_once_each(path: Path, said: Lines) -> None:
    with Kept(path) as kept:
        watch = JournalWatch(kept.journal)
        away = path.with_name("away")
        now_s = 0.0

        def look() -> None:
            nonlocal now_s
            for _ in range(2):
                now_s += LOOK_S
                watch.check(now_s)

        look()
        path.rename(away)
        look()
        assert said.events() == [("journal_missing", "moved")]
        away.rename(path)
        look()
        assert said.events() == [("journal_found_again", None)]
        path.unlink()
        look()
        assert said.events() == [("journal_missing", "deleted")]
        path.write_bytes(b"another")
        look()
        assert said.events() == [("journal_missing", "replaced")]
        assert kept.publish() == 1


def test_a_copy_of_a_journal_goes_on_under_an_epoch_of_its_own(path: Path, said: Lines) -> None:
    with Kept(path) as kept:
        kept.fill(10)
        epoch = kept.journal.life.epoch
        kept.journal.close(10)
    shutil.copy2(path, path.with_name("copy"))
    with Kept(path.with_name("copy")) as copy, Kept(path) as original:
        assert original.journal.life.epoch == epoch != copy.journal.life.epoch
        assert copy.events == original.events
        JournalWatch(copy.journal).start()
        JournalWatch(original.journal).start()
        assert [event for event, _ in said.events() if event == "journal_is_a_copy"] == ["journal_is_a_copy"]
        epoch = copy.journal.life.epoch
    with Kept(path.with_name("copy")) as copy:
        assert copy.journal.life.epoch == epoch, "it is no copy of itself"


# ---- a whole server


def test_a_sigbus_that_cannot_be_survived_is_said_in_one_line(path: Path) -> None:
    process = spawn(["serve"], BASE | {"NODE_ENV": "development", "JOURNAL_PATH": str(path)}, stderr=subprocess.PIPE)
    assert process.stderr is not None
    lines = iter(process.stderr)
    assert any('"listening"' in line for line in lines)
    process.send_signal(signal.SIGBUS)
    [line] = map(json.loads, lines)
    process.stderr.close()
    assert process.wait(30) == -signal.SIGBUS
    assert (line["level"], line["event"], line["path"]) == ("critical", "killed_by_sigbus", str(path))


def test_a_server_whose_journal_is_cut_short_says_so_and_serves_on(path: Path) -> None:
    with Process(JOURNAL_PATH=str(path)) as process:
        with process.place.vehicle("one") as vehicle:
            vehicle.tell({"Odometer": {"doubleValue": 1.0}})
            os.truncate(path, 4096)
            process.lines.wait_for("journal_stopped", cause="file_cut_short")
            assert process.place.get("/health").json["journal"]["state"] == "stopped"
            assert b"teslafast_journal_stopped 1.0" in process.place.get("/metrics").body
            vehicle.tell({"Odometer": {"doubleValue": 2.0}})
        assert process.place.get("/health").status == 200


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_of_two_servers_on_clones_of_one_disk_the_clone_goes_on_under_an_epoch_of_its_own(tmp_path: Path, kind: str) -> None:
    """A clone has the file system's number and the inode of the original: only the device under it is another."""
    with mounted(tmp_path / "disk", kind) as disk:
        with Kept(disk / "journal") as kept:
            kept.fill(10)
            kept.journal.close(kept.log.seq)
        os.sync()
        clone, place = tmp_path / "clone.image", tmp_path / "clone"
        shutil.copyfile(tmp_path / "disk.image", clone)
        place.mkdir()
        options = "loop,nouuid" if kind == "xfs" else "loop"
        subprocess.run(["mount", "-o", options, str(clone), str(place)], check=True)
        try:
            with Kept(disk / "journal") as one, Kept(place / "journal") as other:
                assert (one.journal.copied, one.journal.epoch) == (False, kept.journal.epoch)
                assert other.journal.copied
                assert other.journal.epoch != one.journal.epoch
                assert one.events == other.events
                assert one.publish() == other.publish() == 11, "two events under one seq: `since` must not take one for the other"
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_takes_nothing_any_more_stops_the_journal_although_no_page_says_so(tmp_path: Path, said: Lines) -> None:
    with mounted(tmp_path / "disk", "ext4") as disk, Kept(disk / "journal") as kept:
        watch = JournalWatch(kept.journal)
        kept.fill(10)
        subprocess.run(["mount", "-o", "remount,errors=remount-ro", str(disk)], check=True)
        found = subprocess.run(["findmnt", "-no", "SOURCE", str(disk)], check=True, capture_output=True, text=True)
        Path(f"/sys/fs/ext4/{Path(found.stdout.strip()).name}/trigger_fs_error").write_text("as a damaged disk does")
        kept.fill(10)
        watch.check(10 * LOOK_S)
        assert said.events() == [], "the kernel took it all"
        watch.doubt()  # as a checkpoint does that fails
        watch.check(20 * LOOK_S)
        assert ("journal_stopped", "write_failed") in said.events()
        assert len(kept.events) == 20
