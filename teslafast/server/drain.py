"""
The end of a server, so that nobody notices more of it than a reconnect.

    refuse      /health says 503, nobody new is let in (503 with Retry-After); all goes on for those who are there
    vehicles    closed with 1001 one after the other, VEHICLES_PER_S, so that they do not all come back at once; what has
                arrived from one is in the log and acknowledged before; its DISCONNECTED event is in the log after
    dashboards  each closed with 1012 when it has had its last frame; one that takes nothing for STALLED_S is not waited for
    cluster     with several nodes: what was taken in is in the log before the dashboards go, and at the end the run is over
    outputs     send all the while; when everybody has gone, each sends what it still lacks (outputs/runner.py). With several
                nodes another one goes on with them from the beginning of the drain (outputs/moving.py)

Every step has a share of DRAIN_SECONDS, and what is not done by then is broken off.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Protocol

from ..close_reasons import DASHBOARD_DRAIN, VEHICLE_DRAIN
from ..core.connections import Connection
from ..core.hub import Hub
from ..logs import fields, log
from ..websocket.connection import CLOSE_GRACE_S
from .waiting import TICK_S, wait_until

if TYPE_CHECKING:
    from .assemble import AnyOutputs

VEHICLES_PER_S = 250  # what one core takes in of handshakes, where they come back to
SHARE_OF_VEHICLES = 0.5  # of DRAIN_SECONDS
DASHBOARDS_AT_ONCE = 100  # closing so many takes about 10 ms of the loop
STALLED_S = 1.0  # a client that reads takes what the kernel holds for it within a round trip
SHARE_OF_OUTPUTS = 0.2  # of DRAIN_SECONDS, for them alone: they send all the time before it, too
COALESCE_S = 0.05  # each vehicle's end is an event for every dashboard: some together in one write
LEAST_TO_LEAVE_S = 1.0  # a round trip, or the others wait for NODE_DEAD_SECONDS


class Leaving(Protocol):
    """A node of several: `settle` waits until the others have what this one took in, `leave` says that it is over."""

    async def settle(self, seconds: float) -> None: ...
    async def leave(self, seconds: float) -> None: ...


async def drain(
    hub: Hub, drain_s: float, outputs: AnyOutputs | None = None, cluster: Leaving | None = None, together: bool = False
) -> None:
    """
    Returns when all are gone and the outputs have everything, or after `drain_s`.

    together   other nodes end at the same time, so none of them is to go on with the outputs
    """
    hub.begin_drain()
    if outputs is not None and not together:
        outputs.hand_on()
    hub.turn.coalesce(COALESCE_S)
    began_s = time.monotonic()
    deadline = began_s + drain_s * (1 if outputs is None else 1 - SHARE_OF_OUTPUTS)
    vehicles = list(hub.connections.vehicles)
    log.info("draining", extra=fields(vehicles=len(vehicles), dashboards=len(hub.connections.dashboards)))
    await _close_vehicles(vehicles, min(len(vehicles) / VEHICLES_PER_S, drain_s * SHARE_OF_VEHICLES))
    await wait_until(deadline, lambda: hub.turn.all_acknowledged and not hub.connections.vehicles)
    if cluster is not None:  # each vehicle's end is in the log, and shown here, before the dashboards go
        await cluster.settle(deadline - time.monotonic())
    hub.views.flush_pending()
    await _close_dashboards(hub, deadline - CLOSE_GRACE_S)
    await wait_until(deadline, lambda: not len(hub.connections))
    if outputs is not None:
        await outputs.finish(began_s + drain_s - time.monotonic())
    if cluster is not None:
        await cluster.leave(max(LEAST_TO_LEAVE_S, began_s + drain_s - time.monotonic()))
    log.info("drained", extra=fields(left=len(hub.connections), seconds=round(time.monotonic() - began_s, 3)))


async def _close_vehicles(vehicles: list[Connection], spread_s: float) -> None:
    """Evenly over `spread_s`, in no order that a fleet could have in common."""
    random.shuffle(vehicles)
    began_s = time.monotonic()
    for number, vehicle in enumerate(vehicles):
        due_s = began_s + spread_s * number / len(vehicles)
        if due_s > time.monotonic():
            await asyncio.sleep(TICK_S)
        vehicle.close(VEHICLE_DRAIN)


async def _close_dashboards(hub: Hub, deadline: float) -> None:
    """Those that have had everything, again and again, until none is left or the time is over; then the rest."""
    for stranger in list(hub.connections.strangers):
        stranger.close(DASHBOARD_DRAIN)
    while left := [one for one in hub.connections.dashboards if not one.closing]:
        now_s = time.monotonic()
        ready = [one for one in left if now_s >= deadline or one.up_to_date or one.stalled_s(now_s) > STALLED_S]
        for one in ready[:DASHBOARDS_AT_ONCE]:
            one.close(DASHBOARD_DRAIN)
        await asyncio.sleep(0 if ready else TICK_S)
