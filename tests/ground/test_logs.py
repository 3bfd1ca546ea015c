"""One event a line: as JSON, as words for a terminal, and not more of them than somebody can read."""

from __future__ import annotations

import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from teslafast.logs import (
    CAUSES_AT_MOST,
    ERROR_LINES_PER_CAUSE,
    INFO_LINES_PER_CAUSE,
    LIBRARY_MESSAGE,
    LINES_PER_CAUSE,
    WINDOW_S,
    Console,
    JsonLines,
    Repeats,
    fields,
    log,
    log_what_nobody_caught,
    set_up,
)


def record(event: str = "tls_failed", level: int = logging.WARNING, **members: object) -> logging.LogRecord:
    made = logging.LogRecord("teslafast", level, "", 0, event, None, None)
    made.created = 1_800_000_000.123
    for name, value in fields(**members).items():
        setattr(made, name, value)
    return made


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    before = log.handlers, log.level, log.propagate, root.handlers, root.level
    log.handlers, root.handlers = [], []
    yield
    for handler in log.handlers:
        handler.close()
    log.handlers, log.level, log.propagate, root.handlers, root.level = before
    logging.captureWarnings(False)


def written() -> None:
    """Returns when all lines have been written."""
    for handler in log.handlers:
        handler.flush()


# ---- forms


def test_json_is_one_object_a_line() -> None:
    line = JsonLines().format(record(cause="expired", address="192.0.2.1:5", seconds=1.5))
    assert json.loads(line) == {
        "time": "2027-01-15T08:00:00.123Z",
        "level": "warning",
        "event": "tls_failed",
        "cause": "expired",
        "address": "192.0.2.1:5",
        "seconds": 1.5,
    }


def test_console_is_one_line_of_words() -> None:
    line = Console().format(record(cause="expired", reason="two words", nothing="", seconds=1.23456))
    assert line == '08:00:00.123 warning tls_failed cause=expired reason="two words" nothing="" seconds=1.235'


@pytest.mark.parametrize("form", [JsonLines(), Console()])
def test_a_traceback_is_part_of_the_record_that_it_belongs_to(form: logging.Formatter) -> None:
    failed = record()
    try:
        raise RuntimeError("something broke")
    except RuntimeError as error:
        failed.exc_info = (type(error), error, error.__traceback__)
    assert "something broke" in form.format(failed)


@given(st.text(st.characters()))
@example("\ud800")
@example("\u202e\x9b31m")
def test_whatever_a_stranger_says_stays_on_one_line_and_does_nothing_to_a_terminal(text: str) -> None:
    line = Console().format(record(reason=text))
    assert line.isprintable()
    assert len(line) < 400
    in_json = JsonLines().format(record(reason=text))
    assert in_json.isprintable()
    assert json.loads(in_json)["event"] == "tls_failed"


def test_a_librarys_line_is_one_json_object_with_the_librarys_name() -> None:
    made = logging.LogRecord("asyncio", logging.ERROR, "", 0, "Task exception was never\nretrieved", None, None)
    line = json.loads(JsonLines().format(made))
    assert line["event"] == LIBRARY_MESSAGE
    assert line["cause"] == "asyncio"
    assert line["reason"] == "Task exception was never?retrieved"


def test_values_that_json_does_not_know_are_shown_as_text() -> None:
    assert json.loads(JsonLines().format(record(reason=ValueError("x"))))["reason"] == "x"


# ---- repeats


def test_what_repeats_is_held_back_and_counted_with_the_next_line_that_passes() -> None:
    clock = Clock()
    repeats = Repeats(clock)
    passed = [repeats.filter(record(cause="expired")) for _ in range(LINES_PER_CAUSE + 5)]
    assert passed == [True] * LINES_PER_CAUSE + [False] * 5
    clock.now += WINDOW_S
    next_line = record(cause="expired")
    assert repeats.filter(next_line)
    assert json.loads(JsonLines().format(next_line))["held_back"] == 5


def test_each_event_and_cause_has_its_own_allowance() -> None:
    repeats = Repeats(Clock())
    for _ in range(LINES_PER_CAUSE):
        repeats.filter(record(cause="expired"))
    assert not repeats.filter(record(cause="expired"))
    assert repeats.filter(record(cause="unknown_ca"))
    assert repeats.filter(record("request_refused", cause="expired"))


@pytest.mark.parametrize(
    ("level", "allowed"),
    [(logging.INFO, INFO_LINES_PER_CAUSE), (logging.WARNING, LINES_PER_CAUSE), (logging.ERROR, ERROR_LINES_PER_CAUSE)],
)
def test_lines_without_a_cause_and_errors_are_limited_too(level: int, allowed: int) -> None:
    repeats = Repeats(Clock())
    assert sum(repeats.filter(record("vehicle_connected", level)) for _ in range(allowed + 5)) == allowed


def test_causes_that_are_counted_are_bounded() -> None:
    repeats = Repeats(Clock())
    for number in range(CAUSES_AT_MOST + 10):
        repeats.filter(record(cause=str(number)))
    assert len(repeats._seen) == CAUSES_AT_MOST


# ---- set-up


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(("form", "is_json"), [("json", True), ("console", False), (None, True)])
def test_logs_go_to_stderr_in_the_form_asked_for(form: str | None, is_json: bool, capfd: pytest.CaptureFixture[str]) -> None:
    set_up("info", form)
    log.info("listening", extra=fields(port=3000))
    log.debug("not shown")
    written()
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("{") is is_json


@pytest.mark.usefixtures("restored")
def test_a_level_is_the_least_that_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    set_up("warning", "json")
    log.info("listening")
    log.warning("tls_failed")
    written()
    assert [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()] == ["tls_failed"]


@pytest.mark.usefixtures("restored")
def test_warnings_and_libraries_are_logged_in_our_form(capfd: pytest.CaptureFixture[str]) -> None:
    set_up("info", "json")
    logging.getLogger("aiofastnet").warning("SSL connection is closed")
    warnings.showwarning("an odd certificate", UserWarning, "x.py", 1)
    written()
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["cause"] for line in lines] == ["aiofastnet", "py.warnings"]


class NoWords:
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Unraisable:
    def __del__(self) -> None:
        raise KeyError("at the end")


@pytest.mark.parametrize("arguments", [("one",), ("one", "two", "three"), (NoWords(), "two")])
def test_a_librarys_line_whose_arguments_do_not_fit_is_a_line_and_no_exception(
    arguments: tuple[object, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    set_up("info", "json")
    logging.getLogger("somelib").warning("%s and %s", *arguments)
    log.handlers[0].flush()
    line = json.loads(capfd.readouterr().err)
    assert (line["cause"], line["reason"].partition(" (")[0]) == ("somelib", "%s and %s")


def test_what_ends_a_thread_and_what_cannot_be_raised_are_lines(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, name in ((threading, "excepthook"), (sys, "unraisablehook")):
        monkeypatch.setattr(place, name, getattr(place, name))
    set_up("info", "json")
    log_what_nobody_caught()
    thread = threading.Thread(target=lambda: int("x"))
    thread.start()
    thread.join()
    Unraisable()
    log.handlers[0].flush()
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(line["event"], line["cause"]) for line in lines] == [("fault", "ValueError"), ("fault", "KeyError")]
