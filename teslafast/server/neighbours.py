"""
A server among others: when it begins to listen on ports that they share, whom it asks for the whole, and how it leaves with them.

Without a lifeline and without a cluster each of these is what a server does that is alone.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..core.hub import Hub
from .drain import Leaving
from .listeners import Listeners
from .scopes import OwnHealth, Scopes
from .tls import Contexts

if TYPE_CHECKING:
    from .clustered import ClusteredServer
    from .lifeline import Lifeline
    from .prometheus import Gauges


class Neighbours:
    """`cluster`: with CLUSTER_URL; `lifeline`: of a node that a supervisor has started."""

    def __init__(self, hub: Hub, listeners: Listeners, cluster: ClusteredServer | None, lifeline: Lifeline | None) -> None:
        self._hub = hub
        self._listeners = listeners
        self._cluster = cluster
        self._lifeline = lifeline

    # ---- listening

    def listen(self, contexts: Callable[[], Contexts]) -> None:
        """
        At once; but a node whose neighbours listen already when it can serve those who come. Raises Misconfigured.

        contexts    those in use when it begins
        """
        lifeline, cluster = self._lifeline, self._cluster
        if lifeline is None:
            self._listeners.open(contexts())
            return
        if cluster is not None:
            cluster.backplane.on_joined = partial(self._joined, contexts, lifeline)
            cluster.on_the_disk = lifeline.own_log
        if lifeline.listens_at_once:
            self._listen(contexts, lifeline)

    def _joined(self, contexts: Callable[[], Contexts], lifeline: Lifeline) -> None:
        if not self._listeners.ports and not self._hub.draining:
            self._listen(contexts, lifeline)
        lifeline.tell("joined")

    def _listen(self, contexts: Callable[[], Contexts], lifeline: Lifeline) -> None:
        self._listeners.open(contexts())
        lifeline.tell("listening", ports=self._listeners.ports)

    # ---- the whole

    def scopes(self, loop: asyncio.AbstractEventLoop, own: OwnHealth, gauges: Callable[[], Gauges], dead_s: float) -> Scopes:
        """Arguments: as Scopes has them."""
        scopes = Scopes(loop, own, gauges, dead_s)
        lifeline, cluster = self._lifeline, self._cluster
        if lifeline is not None:
            scopes.usual = "machine"
            scopes.others["machine"] = lifeline.reports
            lifeline.own_report = lambda: scopes.own_report(str(lifeline.number))
        if cluster is not None:
            scopes.others["cluster"] = cluster.reports_by(lambda: scopes.own_report(self._name()))
        return scopes

    def _name(self) -> str:
        """Of this node in the cluster."""
        host = socket.gethostname()
        if self._lifeline is not None:
            return f"{host}/{self._lifeline.number}"
        ports = self._listeners.ports or [self._hub.settings.port]
        return f"{host}:{ports[0]}"

    # ---- the end

    async def make_room(self, together: bool) -> None:
        """Before a drain: those that share our ports get our place in the queue, unless all of them end `together`."""
        if self._listeners.shared and not together:
            await self._listeners.hand_over()

    def leaving(self, together: bool) -> Leaving | None:
        """What a drain does with the cluster."""
        if together and self._cluster is not None and self._lifeline is not None:
            from .leaving_together import LeavingTogether

            return LeavingTogether(self._cluster, self._lifeline, self._hub)
        return self._cluster
