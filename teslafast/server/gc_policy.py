"""
The garbage collector, so that nobody waits for it.

A full collection looks at every object that there is, about 25 ms for each thousand connections in which nothing else happens; by
Python's own rule it comes when many have been made, that is, while a fleet connects. But a connection leaves no cycle behind: it
is gone with the last reference to it (tests/test_garbage.py). So the young generations are collected as ever, what was there at
the start is not looked at again, and everything else is, for what other people's code may leave, once in FULL_EVERY_S.
"""

from __future__ import annotations

import asyncio
import gc

FULL_EVERY_S = 3600.0
_NEVER = 1 << 30


def settle(loop: asyncio.AbstractEventLoop) -> None:
    """From now on collections are as said above. For the process as a whole: when everything is imported, and once."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], _NEVER)
    loop.call_later(FULL_EVERY_S, _collect, loop)


def _collect(loop: asyncio.AbstractEventLoop) -> None:
    gc.collect()
    loop.call_later(FULL_EVERY_S, _collect, loop)
