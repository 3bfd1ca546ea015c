"""
One event a line: `log.info("vehicle_connected", extra=fields(vin=…, address=…))`, as JSON or for a terminal.

What repeats is limited: after LINES_PER_CAUSE lines of one event and cause in WINDOW_S (INFO_LINES_PER_CAUSE of those that tell
of ordinary life), the rest is counted and said with the next line that passes. Fields are values that we made or bounded; control
characters of strangers never reach the terminal.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson

from .text import printable

log = logging.getLogger("teslafast")

LINES_PER_CAUSE = 10
INFO_LINES_PER_CAUSE = 100
WINDOW_S = 10.0
_LONGEST_VALUE = 256


def fields(**fields: object) -> dict[str, Any]:
    """The `extra` of a log call: the event's fields."""
    return {"fields": fields}


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _stamp(record.created),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class Console(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        words = "".join(f" {name}={_shown(value)}" for name, value in _fields(record).items())
        line = f"{_stamp(record.created)[11:23]} {record.levelname.lower():<7} {printable(record.getMessage())}{words}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class Repeats(logging.Filter):
    """Lets LINES_PER_CAUSE lines of one event and cause through in WINDOW_S; the next one then says how many were held."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, object], list[float]] = {}  # (window's start, lines in it, lines held back)

    def filter(self, record: logging.LogRecord) -> bool:
        cause = _fields(record).get("cause")
        if cause is None or record.levelno >= logging.ERROR:
            return True
        now = self._clock()
        window = self._seen.setdefault((record.getMessage(), cause), [now, 0, 0])
        if now - window[0] >= WINDOW_S:
            if window[2]:
                _fields(record)["held_back"] = int(window[2])
            window[:] = [now, 0, 0]
        window[1] += 1
        passes = window[1] <= (INFO_LINES_PER_CAUSE if record.levelno <= logging.INFO else LINES_PER_CAUSE)
        window[2] += not passes
        return passes


def set_up(level: str, form: str | None) -> None:
    """Logs to stderr from now on; `form` None: `console` on a terminal, else `json`."""
    handler = logging.StreamHandler(sys.stderr)
    console = form == "console" or (form is None and sys.stderr.isatty())
    handler.setFormatter(Console() if console else JsonLines())
    handler.addFilter(Repeats())
    log.handlers = [handler]
    log.setLevel(level.upper())
    log.propagate = False


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", None) or {}
    return fields


def _stamp(created: float) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(created))}.{int(created * 1000) % 1000:03}Z"


def _shown(value: object) -> str:
    text = printable(f"{value:.3f}" if isinstance(value, float) else str(value), _LONGEST_VALUE)
    return f'"{text}"' if " " in text or not text else text
