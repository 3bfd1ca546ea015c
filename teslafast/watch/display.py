"""
Where a watched stream goes: one JSON event a line, or a live table that is redrawn in place.

    Lines   for pipes and programs
    Table   for people: the board (board.py, render.py), drawn below what the terminal shows already, each time over the last one

No control character that comes from the network reaches the terminal: the table takes printable characters only, and Lines writes
the control characters that JSON may hold as escapes.
"""

import asyncio
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol, TextIO

import orjson

from ..text import printable
from .board import Board
from .render import AS_IT_COMES, View, last_top, page_rows, render

REDRAW_S = 0.1  # at most ten times a second: faster than anybody reads, slow enough to cost next to nothing
IDLE_REDRAW_S = 1.0  # ages are shown in seconds, so they change even if no event comes
_HIDE_CURSOR, _SHOW_CURSOR, _CLEAR_SCREEN, _ERASE_BELOW = "\x1b[?25l", "\x1b[?25h", "\x1b[H\x1b[2J", "\x1b[J"
# A line is erased before it is written: afterwards, a cursor in the last column would erase the last character.
_ERASE_LINE = "\x1b[2K"


class Display(Protocol):
    """Where events go. `note` is for what is not an event, `set_status` for a word about the connection."""

    def show(self, text: str, event: dict[str, Any]) -> None: ...
    def note(self, text: str) -> None: ...
    def set_status(self, word: str) -> None: ...
    def flush(self) -> None: ...
    async def run(self) -> None:
        """Keeps the display up to date until it is cancelled."""


class Lines:
    """One event a line on `out`, notes on `err`."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out, self._err = out, err

    def show(self, text: str, event: dict[str, Any]) -> None:
        if "\n" in text or "\r" in text:
            text = orjson.dumps(event).decode()
        self._out.write(re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")

    def note(self, text: str) -> None:
        self._err.write(f"teslafast: {printable(text)}\n")

    def set_status(self, word: str) -> None:
        """Nothing to do: notes say what happens to the connection."""

    def flush(self) -> None:
        self._out.flush()

    async def run(self) -> None:
        """Nothing to do between events."""
        await asyncio.Event().wait()


class Table:
    """The board, redrawn in place while it runs and left on the terminal at the end."""

    def __init__(self, out: TextIO, title: str, size: Callable[[], os.terminal_size], view: View = AS_IT_COMES) -> None:
        self._out, self._size, self._view = out, size, view
        self._ended = asyncio.Event()
        self._board = Board(title)
        self._changed = asyncio.Event()
        self._height = self._width = 0  # of what was drawn last

    def show(self, text: str, event: dict[str, Any]) -> None:
        self._board.take(event, time.monotonic(), time.time() if self._view.keys else None)

    async def until_ended(self) -> None:
        """Returns once a key has asked for the end."""
        await self._ended.wait()

    def press(self, key: str) -> None:
        """A key: it scrolls, changes the units, or ends the table. Any other does nothing."""
        height = self._size().lines - 1
        page, most = page_rows(self._board, height), last_top(self._board, height)
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page-up": -page, "page-down": page, "home": -most, "end": most}
        if key in steps:
            self._view = replace(self._view, top=min(most, max(0, self._view.top + steps[key])))
        elif key in ("u", "m"):
            self._view = replace(self._view, metric=not self._view.metric)
        elif key in ("q", "Q"):
            self._ended.set()
        self._changed.set()

    def note(self, text: str) -> None:
        self._board.time_s = time.time() if self._view.keys else None
        self._board.note(text)
        self._changed.set()

    def set_status(self, word: str) -> None:
        self._board.status = word
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
                    async with asyncio.timeout(IDLE_REDRAW_S):
                        await self._changed.wait()
        finally:
            self._draw()
            self._out.write(_SHOW_CURSOR)
            self._out.flush()

    def _draw(self) -> None:
        size = self._size()
        top = min(self._view.top, last_top(self._board, size.lines - 1))  # the window may have grown
        lines = render(self._board, time.monotonic(), size.columns, size.lines - 1, replace(self._view, top=top))
        self._out.write(self._to_top(size.columns) + "".join(f"{_ERASE_LINE}{line}\n" for line in lines) + _ERASE_BELOW)
        self._out.flush()
        self._height, self._width = len(lines), size.columns

    def _to_top(self, width: int) -> str:
        if self._height and self._width != width:
            return _CLEAR_SCREEN  # the terminal has wrapped the lines again, so their number is unknown
        return f"\x1b[{self._height}F" if self._height else ""
