"""A ServerConnection without a socket, and what it was told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from picows import WSMsgType
from teslafast.metrics import Counts
from teslafast.websocket.connection import (
    ServerConnection,
)
from teslafast.websocket.rules import Rules

from tests.support.fake_loop import FakeLoop
from tests.support.fake_websocket import FakeFrame, FakeTransport

CONT, TEXT, BINARY = WSMsgType.CONTINUATION, WSMsgType.TEXT, WSMsgType.BINARY
PING, PONG, CLOSE = WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE
LIMIT = 100


class Connection(ServerConnection):
    """Notes what it is told; `owed`: what waits for `finish`, if it is to wait."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(rules, "192.0.2.1")
        self.messages: list[tuple[WSMsgType, bytes]] = []
        self.too_large: list[int] = []
        self.owed: list[Callable[[], object]] = []
        self.waits = False
        self.ended = 0

    def on_message(self, opcode: WSMsgType, payload: Any, now_s: float) -> None:
        self.messages.append((opcode, bytes(payload)))

    def on_message_too_large(self, opcode: int, now_s: float) -> None:
        self.too_large.append(opcode)

    def finish(self, send_close: Callable[[], object]) -> None:
        if self.waits:
            self.owed.append(send_close)
        else:
            send_close()

    def on_ended(self) -> None:
        self.ended += 1


class Stage:
    def __init__(self) -> None:
        self.loop, self.counts, self.transport = FakeLoop(), Counts(), FakeTransport()
        self.connection = Connection(Rules("test", LIMIT, 30.0, self.loop, self.counts))
        self.connection.transport = self.transport  # type: ignore[assignment]

    @property
    def done(self) -> list[Any]:
        return self.transport.done

    def frame(self, *frame: Any, **bits: bool) -> None:
        self.connection.on_ws_frame(self.transport, FakeFrame(*frame, **bits))  # type: ignore[arg-type]

    def end(self) -> None:
        self.connection.on_ws_disconnected(self.transport)  # type: ignore[arg-type]

    def heard_at(self) -> float:
        """Its last sign of life."""
        return self.connection._heard_at
