"""
One event a line: `log.info("vehicle_connected", extra=fields(vin=…, address=…))`, as JSON or for a terminal.

Every line of the process goes this way, libraries' and warnings' too (`library_message`), and through `LogWriter`, which never
makes the event loop wait. What repeats is limited: after so many lines of one event and cause in WINDOW_S, the rest is counted
and said with the next line that passes. Fields are values that we made or bounded; control characters of strangers never reach
a terminal.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import orjson

from .log_writer import LogWriter
from .text import printable

log = logging.getLogger("teslafast")

LINES_PER_CAUSE = 10  # warnings: each is said once, and that it goes on
INFO_LINES_PER_CAUSE = 100  # what tells of ordinary life
ERROR_LINES_PER_CAUSE = 50  # faults of ours, with tracebacks: the first ones are the useful ones
WINDOW_S = 10.0  # the limits above hold for so long: no cause can write more than a few lines a second
STDERR = 2  # the descriptor: `sys.stderr` may have been replaced
CAUSES_AT_MOST = 1000  # that are counted at one time
LIBRARY_MESSAGE = "library_message"
_LONGEST_VALUE = 256  # characters: longer values come from outside, and their beginning says what they are
_LONGEST_LIBRARY_MESSAGE = 1000  # characters: some libraries put a whole request into theirs


def fields(**fields: object) -> dict[str, Any]:
    """The `extra` of a log call: the event's fields."""
    return {"fields": fields}


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"time": _stamp(record.created), "level": record.levelname.lower(), "event": _event(record), **_fields(record)}
        line = {name: _harmless(value) for name, value in line.items()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str).decode()
        except (TypeError, ValueError):  # invalid Unicode somewhere inside: said as it can be said
            return json.dumps({name: str(value).encode("utf-8", "backslashreplace").decode() for name, value in line.items()})


class Console(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        words = "".join(f" {name}={_shown(value)}" for name, value in _fields(record).items())
        line = f"{_stamp(record.created)[11:23]} {record.levelname.lower():<7} {printable(_event(record))}{words}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class Repeats(logging.Filter):
    """Lets so many lines of one event and cause through in WINDOW_S; the next one then says how many were held back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str], list[float]] = {}  # (window's start, lines in it, lines held back)

    def filter(self, record: logging.LogRecord) -> bool:
        now = self._clock()
        key = (_event(record), str(_fields(record).get("cause")))
        if key not in self._seen and len(self._seen) >= CAUSES_AT_MOST:
            del self._seen[next(iter(self._seen))]
        window = self._seen.setdefault(key, [now, 0, 0])
        if now - window[0] >= WINDOW_S:
            if window[2]:
                _note(record, held_back=int(window[2]))
            window[:] = [now, 0, 0]
        window[1] += 1
        passes = window[1] <= _allowed(record.levelno)
        window[2] += not passes
        return passes


def _allowed(level: int) -> int:
    if level >= logging.ERROR:
        return ERROR_LINES_PER_CAUSE
    return LINES_PER_CAUSE if level >= logging.WARNING else INFO_LINES_PER_CAUSE


class Members(logging.Filter):
    """Adds the same fields to every line."""

    def __init__(self, **members: object) -> None:
        super().__init__()
        self._members = members

    def filter(self, record: logging.LogRecord) -> bool:
        _note(record, **self._members)
        return True


def set_up(level: str, form: str | None, **members: object) -> None:
    """
    Logs to stderr from now on; `form` None: `console` on a terminal, else `json`. Libraries' lines from `warning` on.

    `members`: fields of every line.
    """
    handler = LogWriter(STDERR)
    console = form == "console" or (form is None and sys.stderr.isatty())
    handler.setFormatter(Console() if console else JsonLines())
    handler.addFilter(Repeats())
    if members:
        handler.addFilter(Members(**members))
    root = logging.getLogger()
    for old in (*log.handlers, *root.handlers):
        old.close()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    log.handlers = [handler]
    log.setLevel(level.upper())
    log.propagate = False
    logging.captureWarnings(True)


def log_what_nobody_caught() -> None:
    """Exceptions that end a thread, or that Python cannot raise (in `__del__`), are lines like others, not text on stderr."""
    threading.excepthook = lambda thrown: _log_uncaught(thrown.exc_type, thrown.exc_value, thrown.exc_traceback, "thread ended")
    sys.unraisablehook = lambda thrown: _log_uncaught(
        thrown.exc_type, thrown.exc_value, thrown.exc_traceback, thrown.err_msg or "could not be raised"
    )


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None, what: str) -> None:
    if not issubclass(kind, SystemExit):
        log.error("fault", extra=fields(cause=kind.__name__, what=what), exc_info=(kind, error or kind(), trace))


def lines_dropped() -> int:
    """How many lines were not written, because whoever reads the log was too slow."""
    return sum(handler.dropped for handler in log.handlers if isinstance(handler, LogWriter))


def _event(record: logging.LogRecord) -> str:
    return record.getMessage() if record.name == log.name else LIBRARY_MESSAGE


def _note(record: logging.LogRecord, **members: object) -> None:
    record.fields = _fields(record) | members


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """A library's line: which library, and what it said."""
    if record.name != log.name:
        return {"cause": record.name, "reason": printable(_said(record), _LONGEST_LIBRARY_MESSAGE)}
    members: dict[str, Any] = getattr(record, "fields", None) or {}
    return members


def _said(record: logging.LogRecord) -> str:
    """A library's words; filters run outside `emit`, so a line that cannot be made would reach the library as its exception."""
    try:
        return record.getMessage()
    except Exception as error:
        return f"{record.msg if isinstance(record.msg, str) else type(record.msg).__name__} ({type(error).__name__})"


def _stamp(created: float) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(created))}.{int(created * 1000) % 1000:03}Z"


def _harmless(value: object) -> object:
    """Text without what a terminal would obey that shows the line."""
    return printable(value, len(value)) if isinstance(value, str) and not value.isprintable() else value


def _shown(value: object) -> str:
    text = printable(f"{value:.3f}" if isinstance(value, float) else str(value), _LONGEST_VALUE)
    return f'"{text}"' if " " in text or not text else text
