"""
JSON lines: one event a line, into a file that is rotated by its size, or to standard output.

    {"id":"EPOCH-SEQ","type":"data","seq":…,"vin":…,…}            the event as dashboards get it, and its id
    {"id":"EPOCH-LAST","type":"gap","from":FIRST,"to":LAST}       the ring overtook these before they could be written

The disk has a thread of its own, so neither a slow one nor a pipe that nobody reads holds up the event loop. Each line is written
once: the file's last line tells where to go on, also after a kill, and what a kill or a full disk left of a line is cut off.

fsync: the kernel has a line when its cursor moves, so a kill of this process loses nothing. The disk has it after SYNC_S while
events come in, at a rotation and at the end; if the machine goes down, the last lines may be missing in the file. They are in
the journal if that was on the disk (JOURNAL_SYNC_MS).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from ..config import MIB, Settings
from ..disk_thread import DiskThread, in_thread
from ..environment import Rule, setting, size, whole
from . import Context, Event
from .pipe import Pipe
from .rotating_file import Line, RotatingFile

STANDARD_OUTPUT = Path("-")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonlSettings:
    path: Path = setting(
        "JSONL_PATH", None, Path, "the path of a file, or -", "writes one JSON event a line; `-` = standard output"
    )
    max_bytes: int = setting(
        "JSONL_MAX_BYTES", 64 * MIB, size(1024, 1 << 40), "bytes (64MiB), at least 1024", "a larger file is rotated to PATH.1"
    )
    keep: int = setting("JSONL_KEEP", 5, whole(0, 1000), "a number, 0 to 1000", "how many rotated files are kept")

    @staticmethod
    def rules(server: Settings) -> tuple[Rule[JsonlSettings], ...]:
        """What no variable shows alone."""
        journal = server.journal_path.absolute() if server.journal_path is not None else None
        return (
            Rule("JSONL_PATH", lambda it: it.path.absolute() == journal, "is the same as JOURNAL_PATH", "give another file"),
            Rule("JSONL_PATH", _is_closed, "is -, but standard output is closed", "give the path of a file"),
            Rule(
                "JSONL_PATH",
                lambda it: it.path != STANDARD_OUTPUT and it.path.exists() and not it.path.is_file(),
                lambda it: f"{it.path} is not a file",
                "give the path of a file, or - for standard output",
            ),
        )


def _is_closed(settings: JsonlSettings) -> bool:
    """Then descriptor 1 is something else by now."""
    return settings.path == STANDARD_OUTPUT and sys.stdout is None


class Destination(Protocol):
    """Where the lines go. Everything is called in the disk's thread, and may block there. OSError, Undelivered."""

    def open(self) -> None: ...
    def write(self, lines: Sequence[Line]) -> None:
        """Writes those lines that it has not written yet, in order."""

    def close(self) -> None: ...
    def check(self) -> str: ...
    def give_up(self) -> None:
        """Called from the event loop: a write that waits is to end soon."""


class JsonlOutput:
    def __init__(self, settings: JsonlSettings, context: Context) -> None:
        self._epoch = context.epoch.encode()
        self._path = settings.path
        self._thread = DiskThread("jsonl", "no line is written")
        if settings.path == STANDARD_OUTPUT:
            self._to: Destination = Pipe(1)
        else:
            self._to = RotatingFile(settings.path, settings.max_bytes, settings.keep, self._epoch)

    async def connect(self) -> None:
        await self._in_thread(self._to.open)

    async def send(self, events: Sequence[Event]) -> None:
        start = b'{"id":"' + self._epoch + b'-%d",'
        await self._in_thread(lambda: self._to.write([(one.seq, start % one.seq + one.text[1:] + b"\n") for one in events]))

    async def gap(self, first: int, last: int) -> None:
        line = b'{"id":"%s-%d","type":"gap","from":%d,"to":%d}\n' % (self._epoch, last, first, last)
        await self._in_thread(lambda: self._to.write([(last, line)]))

    async def check(self) -> str:
        return await self._in_thread(self._to.check)

    async def close(self) -> None:
        self._to.give_up()
        await self._in_thread(self._to.close)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await in_thread(self._thread, self._path, work)
