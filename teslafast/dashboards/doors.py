"""
The seam for clients' protocols: a door admits a request of somebody who holds a token, and then speaks its protocol with them.

    admit   pure: the request and its token's grant become what the connection will need, or a refusal
    open    makes the connection for an admission
    take    hands the transport to the connection; from then on the HTTP server has nothing to do with it

A door whose clients show their token only in their first message admits strangers too (`StrangerDoor`): how many there may be
is bounded in core/connections.py, and for how long by the door.

A new protocol is one file with a door, one row in server/routes.py, and one document.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from ..http_messages import Request
from .tokens import Grant

Admission = TypeVar("Admission")


class Opened(Protocol):
    """A connection without its transport yet. For a WebSocket: `websocket.upgrade.Upgrade`."""

    def take(self, transport: Any, request: Request, rest: bytes) -> None:
        """
        Becomes the protocol of `transport` (an aiofastnet Transport) and answers the request.

        rest    what the client sent after the request's head; it comes before anything that the transport reads
        """


class ClientDoor(Protocol[Admission]):
    """
    name        a fixed word for counters and log lines
    websocket   whether the request must be a WebSocket handshake: one that is not never reaches `admit`
    """

    name: str
    websocket: bool

    def admit(self, request: Request, grant: Grant, /) -> Admission:
        """Raises Refused."""

    def open(self, admission: Admission, address: str, /) -> Opened:
        """Raises Refused, if what the connection needs cannot be had."""


class StrangerDoor(Protocol[Admission]):
    """A ClientDoor that may be given no grant: the token comes later, and until then its client is told nothing."""

    name: str
    websocket: bool

    def admit(self, request: Request, grant: Grant | None, /) -> Admission:
        """Raises Refused."""

    def open(self, admission: Admission, address: str, /) -> Opened:
        """Raises Refused, if what the connection needs cannot be had."""
