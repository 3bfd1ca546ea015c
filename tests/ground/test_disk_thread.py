"""Calls to a disk: made one after the other in a thread, said when they hang, their errors handed over."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from teslafast.disk_thread import HANGS_S, AtOnce, DiskThread
from teslafast.logs import log

from tests.support.peers import PATIENCE_S


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    caplog.set_level("INFO", "teslafast")
    monkeypatch.setattr(log, "propagate", True)
    return caplog


def words(said: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    lines: list[Any] = said.records
    return [(record.getMessage(), record.fields["cause"], record.fields["path"]) for record in lines]


def test_a_call_is_made_in_a_thread_that_nobody_waits_for_at_the_end() -> None:
    disk = DiskThread("journal", "nothing happens")
    thread = disk.submit(Path("x"), threading.current_thread).result(PATIENCE_S)
    assert (thread.name, thread.daemon) == ("journal", True)
    assert disk.submit(Path("x"), threading.current_thread).result(PATIENCE_S) is thread


@pytest.mark.parametrize("disk", [AtOnce(), DiskThread("files", "nothing happens")], ids=["at once", "thread"])
def test_an_error_is_handed_to_whoever_asks_for_the_result(disk: AtOnce | DiskThread) -> None:
    def fail() -> None:
        raise OSError("stale handle")

    with pytest.raises(OSError, match="stale handle"):
        disk.submit(Path("x"), fail).result(PATIENCE_S)
    assert disk.submit(Path("x"), lambda: 7).result(PATIENCE_S) == 7


def test_a_call_that_hangs_is_said_once_and_so_is_its_end(said: pytest.LogCaptureFixture) -> None:
    disk, begun, answered = DiskThread("journal", "nothing is noticed"), threading.Event(), threading.Event()

    def hang() -> bool:
        begun.set()
        return answered.wait(PATIENCE_S)

    first = disk.submit(Path("/share/journal"), hang)
    second = disk.submit(Path("/share/other"), lambda: threading.current_thread().name)
    assert begun.wait(PATIENCE_S)
    began_s = disk._under_way[1] if disk._under_way else 0.0
    disk.check(began_s + HANGS_S)
    assert words(said) == []
    for late_s in (1, 100, 1000):
        disk.check(began_s + HANGS_S + late_s)
    assert words(said) == [("disk_hangs", "journal", "/share/journal")]
    assert "until it does, nothing is noticed" in str(vars(said.records[0])["fields"])
    assert not second.done(), "one call at a time"
    answered.set()
    assert first.result(PATIENCE_S)
    assert second.result(PATIENCE_S) == "journal"
    disk.check(began_s + HANGS_S + 2000)
    assert words(said)[1:] == [("disk_answers", "journal", "/share/journal")]
