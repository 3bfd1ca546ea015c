"""A FrameLimit with real picows behind it, over a real socket, and what its listener was told."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from picows import WSFrame, WSTransport
from teslafast.http_messages import Request
from teslafast.metrics import Counts
from teslafast.websocket._frame_limit import READ_AT_MOST
from teslafast.websocket._transport import PlainTransport
from teslafast.websocket.connection import ServerConnection
from teslafast.websocket.rules import Rules
from teslafast.websocket.upgrade import Upgrade
from websockets.frames import Frame, Opcode

from .peers import KEY

LIMIT = 20_000
Seen = tuple[str, int, bytes]


class Listener(ServerConnection):
    """Notes whatever reaches it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(Rules("test", LIMIT, 30.0, loop, Counts()), "192.0.2.1")
        self.seen: list[Seen] = []
        self.raises = False

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.seen.append(("frame", frame.msg_type.value, frame.get_payload_as_bytes()))
        if self.raises:
            raise RuntimeError("at a frame")

    def on_too_large(self, opcode: int, fin: int) -> None:
        self.seen.append(("too large", opcode, b""))


class Watched(Upgrade):
    """Keeps picows' protocol at hand."""

    inner: Any = None

    def _protocol(self) -> Any:
        Watched.inner = super()._protocol()
        return Watched.inner


class Stage:
    """An open connection of real picows over a real socket; what is `read` is as if the socket had brought it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, listener: type[Listener]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as bound:
            self.client = socket.create_connection(bound.getsockname())
            accepted, _ = bound.accept()
        self.listener = listener(loop)
        self.transport = PlainTransport(loop, accepted, asyncio.BufferedProtocol())
        request = Request("GET", "/", {"sec-websocket-key": [KEY]}, False, "1.1")
        Watched(self.listener, LIMIT).take(self.transport, request, b"")
        self.inner = Watched.inner

    @property
    def incoming(self) -> Any:
        return self.listener.incoming

    def read(self, data: bytes, size: int = READ_AT_MOST) -> None:
        for at in range(0, len(data), size):
            part = data[at : at + size]
            self.incoming.get_buffer(-1)[: len(part)] = part
            self.incoming.buffer_updated(len(part))

    @property
    def closed_with(self) -> int | None:
        handshake = self.listener.transport.close_handshake
        return None if handshake is None or handshake.sent is None else handshake.sent.code.value


def on(loop: asyncio.AbstractEventLoop, play: Any, listener: type[Listener] = Listener) -> Any:
    """Plays on a new stage, within the loop."""

    async def played() -> Any:
        stage = Stage(asyncio.get_running_loop(), listener)
        try:
            return play(stage)
        finally:
            stage.client.close()
            stage.transport.abort()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    return loop.run_until_complete(played())


def frame(opcode: int, payload: bytes) -> bytes:
    return Frame(Opcode(opcode), payload).serialize(mask=True)
