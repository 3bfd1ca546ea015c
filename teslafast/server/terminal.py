"""
Whether the terminal that a server was started on has been closed.

SIGHUP has two meanings: a terminal that is closed takes its programs with it, and an operator's `kill -HUP` asks for the
certificates to be read again. A closed terminal can no longer be asked for its foreground process group.
"""

from __future__ import annotations

import os

STDIN = 0


class StartingTerminal:
    """Made at start: only a terminal that was there can go."""

    def __init__(self, descriptor: int = STDIN) -> None:
        self._descriptor = descriptor
        self._was_there = _is_there(descriptor)

    def has_gone(self) -> bool:
        return self._was_there and not _is_there(self._descriptor)


def _is_there(descriptor: int) -> bool:
    try:
        os.tcgetpgrp(descriptor)
    except OSError:
        return False
    return True
