"""
`teslafast`, on a machine whose clock is what a file says: seconds that it is ahead of ours, now.

    MOVED_CLOCK=FILE python -m tests.programs.moved_clock serve

The file may change while the program runs, as an NTP client sets a clock. Monotonic clocks go on, as they do then.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_FILE = Path(os.environ["MOVED_CLOCK"])
_time, _time_ns = time.time, time.time_ns


def _ahead_s() -> int:
    return int(_FILE.read_text() or 0)


time.time = lambda: _time() + _ahead_s()
time.time_ns = lambda: _time_ns() + _ahead_s() * 1_000_000_000

from teslafast.cli import main  # noqa: E402 — what is imported from now on finds the moved clock

if __name__ == "__main__":
    main()
