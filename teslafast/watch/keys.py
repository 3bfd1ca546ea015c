"""
Keys pressed on a terminal, as names: `up`, `page-down`, `q`.

`read_keys` sets the terminal so that keys come at once and are not shown, and sets it back, however the block ends. Ctrl-C and
Ctrl-Z stay signals. `Keys` is pure: bytes in, names out; an escape sequence that comes in two parts waits for its rest.
"""

import asyncio
import os
import re
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

SEQUENCES = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1bOA": "up",
    b"\x1bOB": "down",
    b"\x1b[5~": "page-up",
    b"\x1b[6~": "page-down",
    b"\x1b[H": "home",
    b"\x1b[F": "end",
    b"\x1bOH": "home",
    b"\x1bOF": "end",
    b"\x1b[1~": "home",
    b"\x1b[4~": "end",
    b" ": "page-down",
}
_KEY = re.compile(rb"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])|[^\x1b]", re.DOTALL)
_BEGUN = re.compile(rb"\x1b(?:\[[0-9;]*|O)?\Z")
_LONGEST = 16  # bytes of an escape sequence: a longer one is none


class Keys:
    """Bytes from a terminal as names of keys; what has no name is passed over."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, received: bytes) -> list[str]:
        text = self._rest + received
        begun = _BEGUN.search(text)
        self._rest = text[begun.start() :] if begun and len(text) - begun.start() < _LONGEST else b""
        found = _KEY.findall(text[: begun.start()] if begun else text)
        names = (SEQUENCES.get(key) or (key.decode("ascii", "replace") if len(key) == 1 else "") for key in found)
        return [name for name in names if name]


def in_the_foreground(source: TextIO) -> bool:
    """Whether keys can be read: a terminal, and this program is the one that it talks to."""
    try:
        return source.isatty() and os.tcgetpgrp(source.fileno()) == os.getpgrp()
    except (OSError, ValueError):  # closed, or not this session's
        return False


@contextmanager
def read_keys(source: TextIO, press: Callable[[str], None]) -> Iterator[None]:
    """Calls `press` with the name of each key until the block ends. `source` is a terminal in the foreground."""
    loop, fd, keys = asyncio.get_running_loop(), source.fileno(), Keys()
    before = termios.tcgetattr(fd)

    def received() -> None:
        try:
            got = os.read(fd, 1024)
        except OSError:
            got = b""
        if not got:  # the terminal has gone
            loop.remove_reader(fd)
        for name in keys.feed(got):
            press(name)

    tty.setcbreak(fd, termios.TCSADRAIN)
    loop.add_reader(fd, received)
    try:
        yield
    finally:
        loop.remove_reader(fd)
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
