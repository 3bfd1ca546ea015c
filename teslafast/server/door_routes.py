"""
The routes of clients' doors: which protocol is spoken at which path, for those that DOORS names.

A path that is longer than a VIN, or shorter, is never Tessie's; an exact path goes before it (routes.py).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from ..core.hub import Hub
from ..dashboards.sse_door import SseDoor
from ..dashboards.stream_door import StreamDoor
from ..dashboards.tessie_door import TessieDoor, is_full_vin
from ..dashboards.tokens import Verifier, find_tokens
from ..dashboards.websocket import DashboardConnection, dashboard_rules
from ..event_loop import Timer
from .routes import FOR_DASHBOARDS, Route, Variable


def clients_doors(hub: Hub, timer: Timer, verifier: Verifier) -> tuple[Route, ...]:
    """The routes of a server's doors."""
    rules = dashboard_rules(hub, timer)
    websocket = partial(partial, DashboardConnection, hub, rules, verifier)
    return door_routes(
        hub.settings.doors,
        StreamDoor(hub.settings.production, websocket(StreamDoor.name)),
        SseDoor(hub, rules, verifier),
        TessieDoor(websocket(TessieDoor.name)),
    )


def door_routes(doors: Collection[str], stream: StreamDoor, sse: SseDoor, tessie: TessieDoor) -> tuple[Route, ...]:
    """`doors`: the names of those that are open."""
    rows = (
        Route("/stream", FOR_DASHBOARDS, door=stream, token=find_tokens),
        Route("/sse", FOR_DASHBOARDS, door=sse, token=find_tokens, any_body=True, cors=True),
        Route("/sse/", FOR_DASHBOARDS, door=sse, token=find_tokens, any_body=True, cors=True),
        Route(Variable("/sse/"), FOR_DASHBOARDS, door=sse, token=find_tokens, any_body=True, cors=True),
        Route(Variable("/sse/", "/"), FOR_DASHBOARDS, door=sse, token=find_tokens, any_body=True, cors=True),
        Route(Variable("/", accepts=is_full_vin), FOR_DASHBOARDS, door=tessie, token=find_tokens),
    )
    return tuple(row for row in rows if row.door is not None and row.door.name in doors)
