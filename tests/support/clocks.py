"""
The time of day that a server believes in, set by a test. Monotonic clocks go on, as they do when NTP sets a clock.

    set_clock_ahead     a fixture (conftest.py): for servers inside of the test's process
    MovedServer         a process whose clock is so many seconds ahead as a file says: `MOVED_CLOCK=FILE`, written by `moved`
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.servers import Process

SetClockAhead = Callable[[float], None]


class MovedServer(Process):
    module = "tests.programs.moved_clock"


def moved(file: Path, ahead_s: int) -> None:
    """In one piece: the server reads the file again and again."""
    whole = file.with_suffix(".new")
    whole.write_text(str(ahead_s))
    whole.replace(file)
