"""
Where a watched stream goes: one JSON event a line, or a live table that is redrawn in place.

    Lines   for pipes and programs
    Table   for people: board.py below what stands in the terminal already, each time over the last one

Nothing that comes from the network reaches the terminal as it is: the table takes printable characters only, and what JSON may
hold but a terminal obeys is written as an escape.
"""

import asyncio
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, TextIO

import orjson

from ..text import printable
from .board import Board, render

REDRAW_S = 0.1  # ten times a second at most ...
TICK_S = 1.0  # ... and once at least, because ages go on when nothing comes
_HIDE_CURSOR, _SHOW_CURSOR, _CLEAR_SCREEN, _ERASE_BELOW = "\x1b[?25l", "\x1b[?25h", "\x1b[H\x1b[2J", "\x1b[J"
# A line is erased before it is written: after it, a cursor that stands in the last column would erase what stands there.
_ERASE_LINE = "\x1b[2K"


class Display(Protocol):
    """Where events go. `note` is for what is no event."""

    def show(self, text: str, event: dict[str, Any]) -> None: ...
    def note(self, text: str) -> None: ...
    def link(self, word: str) -> None: ...
    def flush(self) -> None: ...
    async def run(self) -> None:
        """Until it is cancelled."""


class Lines:
    """One event a line. Control characters that JSON may hold but a terminal obeys are written as escapes."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out, self._err = out, err

    def show(self, text: str, event: dict[str, Any]) -> None:
        if "\n" in text or "\r" in text:
            text = orjson.dumps(event).decode()
        self._out.write(re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")

    def note(self, text: str) -> None:
        self._err.write(f"teslafast: {printable(text)}\n")

    def link(self, word: str) -> None:
        """A line a change would be noise."""

    def flush(self) -> None:
        self._out.flush()

    async def run(self) -> None:
        """Nothing happens between events."""
        await asyncio.Event().wait()


class Table:
    """The board on the terminal's other screen while it runs, and once more on the usual one at the end."""

    def __init__(self, out: TextIO, title: str, size: Callable[[], os.terminal_size]) -> None:
        self._out, self._size = out, size
        self._board = Board(title)
        self._changed = asyncio.Event()
        self._height = self._width = 0  # of what was drawn last

    def show(self, text: str, event: dict[str, Any]) -> None:
        self._board.take(event, time.monotonic())

    def note(self, text: str) -> None:
        self._board.note(text)
        self._changed.set()

    def link(self, word: str) -> None:
        self._board.link = word
        self._changed.set()

    def flush(self) -> None:
        self._changed.set()

    async def run(self) -> None:
        self._out.write(_HIDE_CURSOR)
        try:
            while True:
                self._draw()
                self._changed.clear()
                await asyncio.sleep(REDRAW_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._changed.wait()
        finally:
            self._draw()
            self._out.write(_SHOW_CURSOR)
            self._out.flush()

    def _draw(self) -> None:
        size = self._size()
        lines = render(self._board, time.monotonic(), size.columns, size.lines - 1)
        self._out.write(self._back_to_its_top(size.columns) + "".join(f"{_ERASE_LINE}{line}\n" for line in lines) + _ERASE_BELOW)
        self._out.flush()
        self._height, self._width = len(lines), size.columns

    def _back_to_its_top(self, width: int) -> str:
        if self._height and self._width != width:
            return _CLEAR_SCREEN  # the terminal has wrapped the lines anew: nobody knows where they stand
        return f"\x1b[{self._height}F" if self._height else ""
