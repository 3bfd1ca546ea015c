"""
The door at `/VIN`: Tessie's protocol, over WebSocket.

One vehicle, records in the reference server's JSON, and nothing else ever: Tessie's clients take any other message for a fault.
What a client sends is passed over in silence, within the bounds of every dashboard.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..http_messages import Request
from ..websocket.upgrade import Upgrade
from .admission import AdmitDashboard
from .stream_door import opened
from .subscription import Subscription
from .tokens import Grant

_FULL_VIN = re.compile(r"[A-HJ-NPR-Z0-9]{17}", re.ASCII)  # ISO 3779: without I, O and Q


def is_full_vin(text: str) -> bool:
    return _FULL_VIN.fullmatch(text) is not None


class TessieDoor:
    """`connect(admission, address)` makes the connection's picows listener."""

    name = "tessie"
    websocket = True

    def __init__(self, connect: Callable[[AdmitDashboard, str], Any]) -> None:
        self._connect = connect

    def admit(self, request: Request, grant: Grant) -> AdmitDashboard:
        """Whatever the query asks besides the token is passed over. Raises Refused (403)."""
        vins = grant.narrowed([request.path.strip("/")]).vins
        return AdmitDashboard(grant, Subscription(vins=vins, fleet=True, control=False, snapshot=False), None)

    def open(self, admission: AdmitDashboard, address: str) -> Upgrade:
        """Raises Refused (503)."""
        return opened(self._connect, admission, address)
