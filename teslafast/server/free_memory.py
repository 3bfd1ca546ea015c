"""
Gives freed memory back to the system.

glibc keeps what lies between pieces that are still in use: 500 TLS handshakes that never ended left 40 MB behind, of which
`malloc_trim` gives back all but 4. Elsewhere (musl, macOS) there is no such function, and nothing to do.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

TRIM_EVERY_S = 30.0  # it walks over all free pieces, some ms in a process that has had thousands of connections


def _malloc_trim() -> Callable[[int], int] | None:
    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found


class FreeMemory:
    """`trim(0)` gives back what it can; None: there is no such function."""

    def __init__(self, trim: Callable[[int], int] | None) -> None:
        self._trim = trim
        self._next_s = 0.0

    @classmethod
    def of_this_process(cls) -> FreeMemory:
        return cls(_malloc_trim())

    def check(self, now_s: float) -> None:
        """Called often (`now_s`: monotonic); once in TRIM_EVERY_S it does something."""
        if self._trim is None or now_s < self._next_s:
            return
        self._next_s = now_s + TRIM_EVERY_S
        self._trim(0)
