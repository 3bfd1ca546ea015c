"""Waiting for whichever comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Returns, or raises, when the first of them does; the others are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        for one in tasks:
            one.cancel()


async def pause(seconds: float, end: asyncio.Event, ending: bool = False) -> None:
    """Shorter if its end is wanted meanwhile: then it is tried once more at once. `ending`: no pause at all in that case."""
    if seconds <= 0 or (ending and end.is_set()):
        return
    if end.is_set():
        await asyncio.sleep(seconds)
        return
    try:
        async with asyncio.timeout(seconds):
            await end.wait()
    except TimeoutError:
        return
