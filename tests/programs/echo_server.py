"""
Echo servers made of the classes that vehicles and dashboards are served with, for the Autobahn test suite.

    python -m tests.programs.echo_server

Prints one line of JSON, {"vehicle": PORT, "dashboard": PORT}, and serves until its standard input ends. Both roles stand
on the same classes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

import uvloop
from picows import WSMsgType
from teslafast.close_reasons import TOO_LARGE
from teslafast.errors import Refused
from teslafast.http_messages import Answer, Request
from teslafast.metrics import Counts
from teslafast.server.acceptor import Acceptor
from teslafast.server.admission import PendingConnections
from teslafast.server.binding import bind
from teslafast.server.http_connection import HttpConnection
from teslafast.server.routes import Decision, Open, Peer
from teslafast.websocket.connection import ServerConnection
from teslafast.websocket.handshake import check_handshake, wants_websocket
from teslafast.websocket.rules import Rules
from teslafast.websocket.upgrade import Upgrade

MESSAGE_LIMIT = 16 * 1024 * 1024  # bytes: the suite's largest message
PING_INTERVAL_S = 30.0
CHECK_S = 1.0  # as often as the server looks at each of its connections
HANDSHAKE_S = 10.0


class EchoConnection(ServerConnection):
    """Says what it hears, and reads nothing while the peer does not take it."""

    __slots__ = ("_present",)

    def __init__(self, rules: Rules, address: str, present: set[EchoConnection]) -> None:
        super().__init__(rules, address)
        self._present = present

    def on_opened(self) -> None:
        self._present.add(self)

    def on_ended(self) -> None:
        self._present.discard(self)

    def on_message(self, opcode: WSMsgType, payload: Any, now_s: float) -> None:
        self.transport.send(opcode, bytes(payload))

    def on_message_too_large(self, opcode: int, now_s: float) -> None:
        self.close(TOO_LARGE)

    def pause_writing(self) -> None:
        self.transport.underlying_transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.underlying_transport.resume_reading()


@dataclass
class EchoDoor:
    """Lets everybody in."""

    name: str
    rules: Rules
    present: set[EchoConnection] = field(default_factory=set)
    websocket: bool = True

    def admit(self, request: Request, caller: Any, /) -> None:
        """There is nothing to know of anybody."""

    def open(self, admission: None, address: str, /) -> Upgrade:
        return Upgrade(EchoConnection(self.rules, address, self.present), MESSAGE_LIMIT)

    def decide(self, request: Request, peer: Peer) -> Decision:
        if not wants_websocket(request):
            return Answer(HTTPStatus.UPGRADE_REQUIRED)
        try:
            check_handshake(request)
        except Refused as error:
            return Answer.of(error)
        return Open(self, None)


async def check_all(doors: list[EchoDoor]) -> None:
    while True:
        await asyncio.sleep(CHECK_S)
        for connection in [connection for door in doors for connection in door.present]:
            connection.check(time.monotonic())


def listen(loop: asyncio.AbstractEventLoop, door: EchoDoor, counts: Counts) -> Acceptor:
    def connection(address: str, listener: Any, done: Any) -> HttpConnection:
        return HttpConnection(partial(_peer, address), door.decide, lambda cause, *_: counts.refuse_request(cause), done)

    pending = PendingConnections(counts.refused_connections)
    acceptor = Acceptor(loop, bind("127.0.0.1", 0), "all", None, HANDSHAKE_S, connection, pending, counts)
    acceptor.open("")
    return acceptor


def _peer(address: str, transport: Any) -> Peer:
    return Peer(address)


async def main() -> None:
    loop, counts = asyncio.get_running_loop(), Counts()
    doors = [EchoDoor(role, Rules(role, MESSAGE_LIMIT, PING_INTERVAL_S, loop, counts)) for role in ("vehicle", "dashboard")]
    acceptors = [listen(loop, door, counts) for door in doors]
    print(json.dumps({door.name: acceptor.port for door, acceptor in zip(doors, acceptors, strict=True)}), flush=True)
    checking = loop.create_task(check_all(doors))
    await loop.run_in_executor(None, sys.stdin.read)
    checking.cancel()
    for acceptor in acceptors:
        acceptor.close()


if __name__ == "__main__":
    uvloop.run(main())
