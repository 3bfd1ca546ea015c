"""The door at `/stream`: our own protocol for dashboards, over WebSocket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..errors import Refused
from ..http_messages import Request
from ..refusals import NO_MEMORY
from ..websocket.upgrade import Upgrade
from .admission import AdmitDashboard
from .subscription import parse_subscription
from .tokens import Grant
from .websocket import MESSAGE_LIMIT

SUBPROTOCOL = "teslafast.v1"


class StreamDoor:
    """
    `exact_vins`: VINs have 17 characters. `connect(admission, address)` makes the connection's picows listener; it raises OSError
    if there is no memory for its view.
    """

    name = "stream"
    websocket = True

    def __init__(self, exact_vins: bool, connect: Callable[[AdmitDashboard, str], Any]) -> None:
        self._exact_vins = exact_vins
        self._connect = connect

    def admit(self, request: Request, grant: Grant) -> AdmitDashboard:
        """Raises Refused (400, 403)."""
        asked = parse_subscription(request.query, self._exact_vins)
        return AdmitDashboard(grant, replace(asked, vins=grant.narrowed(asked.vins).vins), chosen_subprotocol(request))

    def open(self, admission: AdmitDashboard, address: str) -> Upgrade:
        """Raises Refused (503)."""
        try:
            listener = self._connect(admission, address)
        except (OSError, MemoryError) as error:
            raise Refused(NO_MEMORY, f"no memory for one more view of the stream ({error})") from None
        return Upgrade(listener, MESSAGE_LIMIT, subprotocol=admission.subprotocol)


def chosen_subprotocol(request: Request) -> str | None:
    """Ours, if the client offers it; never the other one, which carries the token."""
    return SUBPROTOCOL if SUBPROTOCOL in request.tokens("sec-websocket-protocol") else None
