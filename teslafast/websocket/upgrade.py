"""
From an HTTP request to a WebSocket: picows becomes the transport's protocol.

picows' own listener factory knows neither the peer nor its certificate, accepts only GET, and refuses Firefox's `Connection`
header. So the server reads and checks the request head itself, and gives picows a plain one that asks for the same, followed by
the bytes that came after the real head. `Upgrade.take` is the one place that uses picows' WSProtocol constructor, which is not a
documented API: hence the pinned version.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from picows import WSUpgradeRequest, WSUpgradeResponse
from picows.common import WSUpgradeResponseWithListener
from picows.picows import WSAutoPingStrategy, WSProtocol  # type: ignore[attr-defined]  # not in picows' stub

from ..http_messages import Request
from ..logs import fields, log
from ._frame_limit import FrameLimit
from .connection import ServerConnection

READ_BUFFER = 2048  # bytes that picows allocates a connection: its least; FrameLimit never gives it more


class PicowsLog(logging.LoggerAdapter[logging.Logger]):
    """
    Where picows logs to. A peer's errors are left out, because the line at the connection's end tells them; our own are shown.
    """

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 — logging's name
        return level >= logging.ERROR and super().isEnabledFor(level)

    def error(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.debug(msg, *args)

    def exception(self, msg: object, *args: object, exc_info: Any = True, **kwargs: Any) -> None:
        log.error("connection_failed", extra=fields(what=str(msg)), exc_info=exc_info)


_picows_log = PicowsLog(log, {})


@dataclass(frozen=True, slots=True)
class Upgrade:
    """
    A WebSocket that is about to open.

    listener        the connection
    largest         bytes of a frame's payload; a larger one is discarded and reported to `listener.on_too_large`
    subprotocol     the one that the server agrees to
    """

    listener: ServerConnection
    largest: int
    subprotocol: str | None = None

    def take(self, transport: Any, request: Request, rest: bytes) -> None:
        """Sends the 101, tells the listener of the connection, then of what is in `rest`."""
        protocol = self._protocol()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        key = request.header("sec-websocket-key")
        head = (
            "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
        _feed(protocol, head.encode("latin-1"))
        incoming = FrameLimit(protocol, self.listener, self.listener.transport, self.largest)
        self.listener.incoming = incoming
        if self.listener.closing:  # it failed at its beginning
            incoming.stop()
        transport.set_protocol(incoming)
        _feed(incoming, rest)
        read_again = getattr(transport, "_retry_ssl_read", None)
        if rest and read_again is not None:  # OpenSSL may hold more of what came with the request
            asyncio.get_running_loop().call_soon(read_again)

    def _protocol(self) -> WSProtocol:
        return WSProtocol(
            None,  # host_port
            None,  # ws_path
            False,  # is_client_side
            self._respond,
            _picows_log,
            True,  # disconnect_on_exception
            None,  # websocket_handshake_timeout: HANDSHAKE_TIMEOUT has seen to that
            False,
            None,
            None,
            WSAutoPingStrategy.PING_WHEN_IDLE,  # auto ping: the server's rounds do it, without a task for each connection
            False,  # auto pong: the listeners do it, within bounds
            self.largest,
            None,  # extra_headers
            READ_BUFFER,
        )

    def _respond(self, _: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        chosen = {"Sec-WebSocket-Protocol": self.subprotocol} if self.subprotocol else None
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(chosen), self.listener)


def _feed(protocol: Any, data: bytes) -> None:
    """As if the transport had read `data`."""
    while data:
        buffer = protocol.get_buffer(len(data))
        count = min(len(buffer), len(data))
        buffer[:count] = data[:count]
        protocol.buffer_updated(count)
        data = data[count:]
