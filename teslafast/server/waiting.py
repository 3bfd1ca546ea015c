"""Waiting at a server's end for what tells nobody that it is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

TICK_S = 0.02  # how often it looks again: nobody notices so little, and it costs nothing


async def wait_until(deadline: float, reached: Callable[[], bool]) -> None:
    """Until the deadline (monotonic) at most."""
    while not reached() and time.monotonic() < deadline:  # noqa: ASYNC110 — there is no event of it
        await asyncio.sleep(TICK_S)
