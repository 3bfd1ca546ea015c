"""
The end of all nodes of one machine: no dashboard is sent away before it has seen the vehicles of every node go.

Each node tells its supervisor when its vehicles are gone and what they have left is in the log; when all have, each shows the log
up to the end of that, and only then closes its dashboards (drain.py).
"""

from __future__ import annotations

import time

from ..core.hub import Hub
from .drain import Leaving
from .lifeline import Lifeline
from .waiting import wait_until


class LeavingTogether:
    """In the place of `cluster`, which is this node's own part in it."""

    def __init__(self, cluster: Leaving, lifeline: Lifeline, hub: Hub) -> None:
        self._cluster = cluster
        self._lifeline = lifeline
        self._hub = hub

    async def settle(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        await self._cluster.settle(seconds)
        last = await self._lifeline.all_settled(self._hub.log.seq, until_s - time.monotonic())
        await wait_until(until_s, lambda: self._hub.log.seq >= last)

    async def leave(self, seconds: float) -> None:
        await self._cluster.leave(seconds)
