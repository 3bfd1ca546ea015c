"""Puts the outputs of one node of several together: who works which is agreed upon in the log that the nodes share."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable, Sequence
from typing import cast

from ..cluster.backplane import ClusterBackplane
from ..cluster.custody import Custody
from ..cluster.custody_site import NodeSite
from ..cluster.engine import Engine
from ..config import Settings
from ..core.hub import Hub
from ..core.tail import Event
from ..outputs import Moving
from ..outputs.deep_tail import PastOfEvents
from ..outputs.moving import MovingOutputs
from ..outputs.settings import OutputPlan

MOVES_S = 15.0  # after a node has been declared dead: what another one needs to claim its outputs and to connect


def moving_outputs(
    plans: Sequence[OutputPlan],
    settings: Settings,
    hub: Hub,
    backplane: ClusterBackplane,
    engine: Engine,
    loop: asyncio.AbstractEventLoop,
) -> MovingOutputs:
    """Raises Misconfigured."""
    node = backplane.node
    backplane.keeps_own = any(plan.wants_own_bytes for plan in plans)
    moving = Moving(settings.cluster_stream, settings.node_dead_seconds + MOVES_S, hub.registry.is_connected)

    def open_past(after: int, take: Callable[[list[Event]], object], fail: Callable[[], object]) -> PastOfEvents:
        replay = node.replay(backplane.past.whole, patient=True)  # type: ignore[arg-type]
        return cast(PastOfEvents, replay(after, take, fail))  # type: ignore[arg-type]

    outputs = MovingOutputs(plans, hub, moving, open_past)
    custody = Custody(
        engine,
        loop,
        time.monotonic,
        random.random,
        NodeSite(node),
        outputs,
        outputs.names,
        settings.node_dead_seconds,
        socket.gethostname(),
        lambda: hub.log.seq,
    )
    outputs.custody = custody
    if outputs.acks is not None:
        backplane.replies.until_shown = node.tells_shown = True
        backplane.replies.begin_anew = outputs.acks.begin_anew
    node.custody = custody
    return outputs
