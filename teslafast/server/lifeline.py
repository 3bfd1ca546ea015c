"""
A node's end of its connection to the supervisor (node_link.py): who it is, how the others are, and when to end.

    Lifeline.take(descriptor)   before anything else: reads the hello, and blocks until it is there
    lifeline.connect(loop)      from then on the supervisor is heard
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from ..errors import Misconfigured
from .node_link import LONGEST_LINK_LINE, NodeLink, line_of
from .node_reports import NODE_SILENT, NODE_UP, NodeReport, report_of
from .ticket_keys import TicketKeys

NODE_HELLO_S = 10.0  # the supervisor writes it before the process begins
TURNS_TO_CLOSE = 3  # of the event loop
WHOLE_S = 2.0  # the supervisor waits for half as long for each of the others


class Lifeline:
    """
    number           of this node, from 1
    tickets          keys of TLS sessions, the same in all nodes
    listens_at_once  whether it is to listen before it has joined: no other node does yet
    own_log          whether the log ends with the supervisor, so that there is nothing to drain into
    """

    def __init__(self, sock: socket.socket, hello: dict[str, Any]) -> None:
        self._sock = sock
        self.number = int(hello["node"])
        self.jwt_secret = base64.b64decode(hello["jwt_secret"])
        self.tickets = TicketKeys(base64.b64decode(hello["ticket_secret"]))
        self.listens_at_once = bool(hello["listens_at_once"])
        self.own_log = bool(hello["own_log"])
        self._link: NodeLink | None = None
        self._wanted: asyncio.Future[list[Any]] | None = None
        self._all_settled: asyncio.Future[int]
        self.own_report: Callable[[], NodeReport] = lambda: NodeReport(name=str(self.number), state=NODE_SILENT)
        self.on_drain: Callable[[], object] = lambda: None
        self.on_end: Callable[[], object] = lambda: None

    @classmethod
    def take(cls, descriptor: int) -> Lifeline:
        """Raises Misconfigured: this is nothing that an operator starts."""
        try:
            sock = socket.socket(fileno=descriptor)
            sock.settimeout(NODE_HELLO_S)
            return cls(sock, orjson.loads(_first_line(sock)))
        except (OSError, ValueError, KeyError, TypeError):
            raise Misconfigured("--as-node", "is for the supervisor alone", "use serve --nodes N") from None

    def tell_fault(self, error: Misconfigured) -> None:
        """The supervisor says it: one line for all nodes. To be called without an event loop, or after its end."""
        with contextlib.suppress(OSError):
            self._sock.settimeout(NODE_HELLO_S)
            self._sock.sendall(line_of({"fault": [error.subject, error.fault, error.remedy]}))

    async def connect(self, loop: asyncio.AbstractEventLoop) -> None:
        self._all_settled = loop.create_future()
        connected = self._sock.dup()
        connected.setblocking(False)
        _, self._link = await loop.create_unix_connection(lambda: NodeLink(self._take, self._end), sock=connected)

    async def close(self) -> None:
        """Before the event loop's end."""
        if self._link is not None:
            self._link.close()
            for _ in range(TURNS_TO_CLOSE):
                await asyncio.sleep(0)

    def end(self) -> None:
        """After everything else."""
        self._sock.close()

    def tell(self, state: str, **more: object) -> None:
        if self._link is not None:
            self._link.tell({"state": state} | more)

    def _take(self, message: dict[str, Any]) -> None:
        if "ping" in message and self._link is not None:
            self._link.tell({"pong": True})
        elif "ask" in message and self._link is not None:
            self._link.tell({"report": message["ask"]} | self.own_report().packed())
        elif "whole" in message:
            if self._wanted is not None and not self._wanted.done():
                self._wanted.set_result(message["whole"])
        elif "drain" in message:
            self.on_drain()
        elif "all_settled" in message and not self._all_settled.done():
            self._all_settled.set_result(message["all_settled"])

    def _end(self) -> None:
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result([])
        if not self._all_settled.done():
            self._all_settled.set_result(0)
        self.on_end()

    async def all_settled(self, seq: int, seconds: float) -> int:
        """Waits until every node's vehicles are gone, for so long at most; the seq of what they left last. `seq`: ours."""
        self.tell("settled", seq=seq)
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self._all_settled, max(0.0, seconds))
        return seq

    async def reports(self) -> Sequence[NodeReport]:
        """Of all nodes of this machine; a supervisor that does not answer is named among them. One at a time."""
        self._wanted = asyncio.get_running_loop().create_future()
        if self._link is not None:
            self._link.tell({"want": True})
        said: list[Any] = []
        with contextlib.suppress(TimeoutError):
            said = await asyncio.wait_for(self._wanted, WHOLE_S)
        if not said:
            return [self.own_report(), NodeReport(name="supervisor", state=NODE_SILENT, away_s=WHOLE_S)]
        return [_report(one) for one in said]


def _report(said: dict[str, Any]) -> NodeReport:
    """What the supervisor passes on: the node's own words, or why there are none."""
    if said["state"] == NODE_UP:
        return report_of(said["node"], said["report"], said["restarts"])
    return NodeReport(name=said["node"], state=said["state"], away_s=said["away_s"], restarts=said["restarts"])


def _first_line(sock: socket.socket) -> bytes:
    """No byte more: what follows is the link's."""
    line = b""
    while not line.endswith(b"\n"):
        more = sock.recv(1)
        if not more or len(line) > LONGEST_LINK_LINE:
            raise EOFError
        line += more
    return line
