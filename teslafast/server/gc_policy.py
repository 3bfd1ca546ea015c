"""
When Python's garbage collector runs, so that nobody waits for it.

A full collection visits every object, which takes about 25 ms for each thousand connections, and nothing else happens meanwhile.
By Python's own rule it runs when many objects have been made: that is, while a fleet connects. But a connection leaves no cycle
behind and is freed with the last reference to it (tests/server/test_gc_policy.py). So the young generations are collected as
usual, objects that exist at the start are never visited again, and a full collection runs once in FULL_EVERY_S, for cycles that
libraries may leave.
"""

from __future__ import annotations

import asyncio
import gc

FULL_EVERY_S = 3600.0  # rarely, because everybody waits for it, and libraries leave few cycles
_NEVER = 1 << 30  # the threshold of the oldest generation, which no count of collections reaches


def settle(loop: asyncio.AbstractEventLoop) -> None:
    """Applies this to the whole process. To be called once, when everything is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], _NEVER)
    loop.call_later(FULL_EVERY_S, _collect, loop)


def _collect(loop: asyncio.AbstractEventLoop) -> None:
    gc.collect()
    loop.call_later(FULL_EVERY_S, _collect, loop)
