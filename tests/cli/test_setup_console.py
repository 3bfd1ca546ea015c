"""Where a set-up speaks: what a wait looks like without a terminal, and what is copied on one."""

import base64
import io
import sys
import time
from pathlib import Path

import pytest
from teslafast.cli.setup_console import FIRST_WAITING_S, STILL_WAITING_S, console_of
from teslafast.setup.console import SetupConsole
from teslafast.setup.options import SetupOptions


def console(monkeypatch: pytest.MonkeyPatch, as_json: bool) -> tuple[SetupConsole, list[float]]:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return console_of(SetupOptions(environment={}, yes=True), as_json), now


def test_a_wait_without_a_terminal_says_every_so_often_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    speaks, now = console(monkeypatch, as_json=False)
    for now[0] in range(0, 75, 5):
        speaks.status("waiting for the key on the car")
    out, err = capsys.readouterr()
    assert (out, err) == ("  … waiting for the key on the car\n" * 3, "")
    assert (FIRST_WAITING_S, STILL_WAITING_S) == (10.0, 30.0)


def test_with_json_a_short_wait_leaves_stderr_for_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    speaks, now = console(monkeypatch, as_json=True)
    for now[0] in (0.0, 10.0, 29.0):
        speaks.status("waiting")
    speaks.status("")
    assert capsys.readouterr() == ("", "")
    for now[0] in (40.0, 71.0):
        speaks.status("waiting")
    assert capsys.readouterr() == ("", "  … waiting\n")


def test_a_line_is_copied_by_the_escape_sequence_that_terminals_know(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    speaks = console_of(SetupOptions(environment={}), False)
    assert speaks.copy is not None
    speaks.copy("https://road.example.com")
    assert terminal.getvalue() == f"\x1b]52;c;{base64.b64encode(b'https://road.example.com').decode()}\x07"


def test_where_there_is_no_terminal_nothing_can_be_copied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        assert console_of(SetupOptions(environment={}), False).copy is None
