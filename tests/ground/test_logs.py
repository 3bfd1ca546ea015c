"""One event a line: as JSON, as words for a terminal, and not more of them than somebody can read."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.logs import LINES_PER_CAUSE, WINDOW_S, Console, JsonLines, Repeats, fields, log, set_up


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
    before = log.handlers, log.level, log.propagate
    yield
    log.handlers, log.level, log.propagate = before


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


@given(st.text(st.characters(codec="utf-8")))
def test_whatever_a_stranger_says_stays_on_one_line_and_does_nothing_to_a_terminal(text: str) -> None:
    line = Console().format(record(reason=text))
    assert line.isprintable()
    assert len(line) < 400
    assert "\n" not in JsonLines().format(record(reason=text))


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


def test_errors_are_never_held_back() -> None:
    repeats = Repeats(Clock())
    assert all(repeats.filter(record("accept_paused", logging.ERROR, cause="resources")) for _ in range(3 * LINES_PER_CAUSE))


# ---- set-up


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(("form", "is_json"), [("json", True), ("console", False), (None, True)])
def test_logs_go_to_stderr_in_the_form_asked_for(form: str | None, is_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    set_up("info", form)
    log.info("listening", extra=fields(port=3000))
    log.debug("not shown")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("{") is is_json


@pytest.mark.usefixtures("restored")
def test_a_level_is_the_least_that_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("warning", "json")
    log.info("listening")
    log.warning("tls_failed")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["tls_failed"]
