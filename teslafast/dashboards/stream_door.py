"""The door at `/stream`: our own protocol for dashboards, over WebSocket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..http_messages import Request
from ..websocket.upgrade import Upgrade
from .admission import AdmitDashboard
from .subscription import parse_subscription, parse_vins
from .tokens import Grant
from .websocket import LARGEST_MESSAGE

SUBPROTOCOL = "teslafast.v1"


class StreamDoor:
    """`connect(admission, address)` makes the connection's picows listener."""

    name = "stream"
    websocket = True

    def __init__(self, connect: Callable[[AdmitDashboard, str], Any]) -> None:
        self._connect = connect

    def admit(self, request: Request, grant: Grant) -> AdmitDashboard:
        """Raises Refused (400, 403)."""
        query = dict(request.query)
        vins = grant.narrowed(parse_vins(query.get("vin"))).vins
        return AdmitDashboard(grant, replace(parse_subscription(query), vins=vins), chosen_subprotocol(request))

    def open(self, admission: AdmitDashboard, address: str) -> Upgrade:
        listener = self._connect(admission, address)
        return Upgrade(listener, LARGEST_MESSAGE, answers_too_large=False, subprotocol=admission.subprotocol)


def chosen_subprotocol(request: Request) -> str | None:
    """Ours, if the client offers it; never the other one, which carries the token."""
    return SUBPROTOCOL if SUBPROTOCOL in request.tokens("sec-websocket-protocol") else None
