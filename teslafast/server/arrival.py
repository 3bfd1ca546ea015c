"""
One connection from its accept until it is admitted, or gone; and what it holds of memory by then.

    accepted ──▶ TLS handshake ──▶ request head ──▶ admitted, answered
                   a Handshake       an HttpConnection
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from ..websocket._transport import PlainTransport
from .handshakes import Handshake
from .http_connection import HttpConnection

# What a connection holds besides the bytes that have come, a certificate chain or a request head: OpenSSL's and aiofastnet's
# buffers from the hello on (48 KB measured), or an object and a buffer.
TLS_BYTES = 48 * 1024
PLAIN_BYTES = 4 * 1024


class Arrival:
    """
    As far as it has come.

    on_end()         it is no longer waiting to be admitted
    on_hold(bytes)   it has so many bytes of memory; may abort it, or another, if all together have too many
    """

    def __init__(self, sock: socket.socket, address: Any, secure: bool) -> None:
        self.sock = sock
        self.address = address
        self.on_end: Callable[[], None] | None = None
        self.on_hold: Callable[[int], object] | None = None
        self.connection: HttpConnection | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.transport: PlainTransport | None = None
        self.handshake: Handshake | None = None  # while it is under way
        self._least = TLS_BYTES if secure else PLAIN_BYTES

    def has_received(self, count: int) -> None:
        """So many bytes have come by now, over TCP. A connection that has sent none holds next to nothing."""
        if count and self.on_hold is not None:
            self.on_hold(self._least + count)

    def shaken(self) -> None:
        """The TLS handshake is over, and `connection` has the transport."""
        self.handshake = None

    def expire(self) -> None:
        """HANDSHAKE_TIMEOUT is over."""
        if self.handshake is not None:
            self.handshake.expire()
        elif self.connection is not None:
            self.connection.expire()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
        elif self.handshake is not None:
            self.handshake.abort()
            self.finish()
        elif self.connection is not None:
            self.connection.abort()

    def finish(self) -> None:
        if self.on_end is not None:
            self.on_end()

    def end(self) -> None:
        """Admitted, or gone: cancels the timer, and drops its references to objects that refer to it."""
        if self.timer is not None:
            self.timer.cancel()
        self.on_end = self.connection = self.timer = self.transport = self.handshake = self.on_hold = None


def host_of(address: Any) -> str:
    """Of a socket's address; an IPv4-mapped IPv6 address as IPv4."""
    return str(address[0]).removeprefix("::ffff:")


def shown(address: Any) -> str:
    """`1.2.3.4:5` of a socket's address."""
    host = host_of(address)
    return f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"
