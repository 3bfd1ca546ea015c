"""
One connection from its accept until it is admitted, or gone; and what it holds of memory by then.

    silent ──bytes──▶ ready ──its turn──▶ TLS handshake, as far as the bytes go ──▶ request head ──▶ admitted, answered
       ▲                                    │ more bytes are needed
       └────────────────────────────────────┘

While it is silent it costs a socket and this object. What it needs besides is made at its first turn (fair_turns.py).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..logs import fields, log
from ..websocket._ends import Ends
from ..websocket._transport import PlainTransport
from .admission import HELD_BYTES_AT_MOST, PendingConnections, Ticket
from .fair_turns import FairTurns
from .handshakes import Handshake
from .http_connection import HttpConnection
from .readiness import Readiness

# What a connection holds besides the bytes that have come, a hello or a request head: OpenSSL's and aiofastnet's buffers from the
# hello on (46 KB measured), or an object and a buffer.
TLS_BYTES = 48 * 1024
# What a byte of a certificate chain becomes while the handshake waits for its signature: a chain of 5 KB has 65 KB, one of 40 has
# 435. It is let go of when the handshake is over.
DECODED_BYTES = 12
PLAIN_BYTES = 4 * 1024
# What an answer counts for at most: one client that is slow may have the largest one (a list of 50,000 vehicles) all the same.
ONE_ANSWER_AT_MOST = HELD_BYTES_AT_MOST // 2
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: a close is a reset, of which the kernel keeps nothing


@dataclass(frozen=True, slots=True)
class Entrance:
    """
    What the connections of one listening socket share.

    context     None: they are plain
    connect     makes what reads the request of an address; that calls `done()` when it has handed over, or is lost
    on_begin    a connection has its first turn
    on_end      a connection is no longer waiting to be admitted
    on_failed   a TLS handshake of an address has failed; whether it was the doctor's
    """

    loop: asyncio.AbstractEventLoop
    context: ssl.SSLContext | None
    handshake_s: float
    readiness: Readiness
    turns: FairTurns
    ends: Ends
    pending: PendingConnections
    connect: Callable[[Any, Callable[[], None]], HttpConnection]
    on_begin: Callable[[Arrival], object]
    on_end: Callable[[Arrival], object]
    on_failed: Callable[[Exception, Any, bool], object]


class Arrival:
    """As far as it has come. `ticket` is for whoever makes it to set."""

    __slots__ = (
        "__weakref__",
        "_entrance",
        "_fd",
        "_hello",
        "_received",
        "address",
        "begun",
        "connection",
        "handshake",
        "over",
        "sock",
        "ticket",
        "transport",
        "waiting",
    )

    def __init__(self, entrance: Entrance, sock: socket.socket, address: Any) -> None:
        self._entrance = entrance
        self.sock = sock
        self._fd = sock.fileno()
        self.waiting = False  # for bytes, and not for its turn
        self.address = address
        self.ticket: Ticket
        self.begun = False
        self.over = False
        self.connection: HttpConnection | None = None  # from its first turn on
        self.transport: PlainTransport | None = None
        self.handshake: Handshake | None = None  # while it is under way
        self._hello = 0  # bytes over TCP, at the first step of the handshake
        self._received = 0  # what all that came over TCP takes by the last step

    # ---- turns

    def wait(self) -> None:
        """For its first bytes, or its next."""
        self.waiting = True
        self._entrance.readiness.wait(self._fd, self._ready)

    def _ready(self) -> None:
        self.waiting = False
        self._entrance.turns.add(self)

    def step(self) -> None:
        self._guarded(self._step)

    def _guarded(self, call: Callable[[], object]) -> None:
        """A fault in one connection ends that one: the others' turns and deadlines come after it in the same call."""
        try:
            call()
        except Exception as error:
            log.error(
                "fault",
                extra=fields(cause=type(error).__name__, what="a new connection", address=shown(self.address)),
                exc_info=error,
            )
            self.abort()

    def _step(self) -> None:
        if self.connection is None:
            self.begun = True
            self._entrance.on_begin(self)
            self._begin()
        if self.handshake is not None:
            self.handshake.step()

    def _begin(self) -> None:
        entrance = self._entrance
        connection = self.connection = entrance.connect(self.address, self._done)
        connection.on_unfinished = self._holds_head
        connection.on_unsent = self._holds_answer
        if entrance.context is None:
            self.transport = PlainTransport(entrance.loop, self.sock, connection, entrance.ends)
            self.transport.begin()
            return
        self.handshake = Handshake(
            entrance.loop,
            entrance.ends,
            entrance.handshake_s,
            entrance.context,
            self.sock,
            connection,
            on_wait=self.wait,
            on_done=self._shaken,
            on_failed=self._fail,
            on_bytes=self.has_received,
        )

    def _shaken(self) -> None:
        self.handshake = None
        if not self.over:
            self._received = self._hello
            self._hold(0)

    def _fail(self, error: Exception) -> None:
        doctors = self.handshake is not None and self.handshake.is_doctors
        self._end()
        self._entrance.on_failed(error, self.address, doctors)

    # ---- memory

    def has_received(self, count: int) -> None:
        """So many bytes have come by now, over TCP. A connection that has sent none holds next to nothing."""
        if count:
            self._hello = self._hello or count
            self._received = self._hello + DECODED_BYTES * (count - self._hello)
            self._hold(0)

    def _holds_head(self, size: int) -> None:
        """So many bytes of a request head are here, and it goes on. May abort this connection, or another."""
        self._hold(size + size // 2)  # what it left behind while it grew: with 4,000 heads by 500 bytes, 40 % more

    def _holds_answer(self, size: int) -> None:
        """So many bytes of an answer wait for its client. May abort this connection, or another."""
        self._hold(min(size, ONE_ANSWER_AT_MOST))

    def _hold(self, more: int) -> None:
        least = PLAIN_BYTES if self._entrance.context is None else TLS_BYTES
        self._entrance.pending.hold(self.ticket, least + self._received + more, time.monotonic())

    # ---- its end

    def expire(self) -> None:
        """HANDSHAKE_TIMEOUT is over."""
        self._guarded(self._expire)

    def _expire(self) -> None:
        self._stop_waiting()
        if self.connection is None:
            self._begin()
        if self.handshake is not None:
            self.handshake.expire()
        elif self.connection is not None:
            self.connection.expire()

    def abort(self) -> None:
        """Ends it by a reset."""
        if self.over:
            return
        self._stop_waiting()
        if self.sock.fileno() >= 0:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if self.connection is None:
            self._end()
            self.sock.close()
        elif self.transport is not None:
            self.transport.abort()
        elif self.handshake is not None:
            self.handshake.abort()
            self._end()
        else:
            self.connection.abort()

    def _stop_waiting(self) -> None:
        """For bytes, or for its turn. Before the socket is closed: the descriptor may be another's right after."""
        self._entrance.turns.discard(self)
        if self.waiting:
            self.waiting = False
            self._entrance.readiness.forget(self._fd)

    def _done(self) -> None:
        admitted = self.connection is not None and self.connection.admitted
        if admitted:
            self._entrance.pending.admit(self.ticket, time.monotonic())
        self._end()

    def _end(self) -> None:
        """Admitted, or gone: drops its references to objects that refer to it."""
        if self.over:
            return
        self.over = True
        self._stop_waiting()
        self._entrance.pending.leave(self.ticket)
        self._entrance.on_end(self)
        if self.connection is not None:
            self.connection.on_unfinished = self.connection.on_unsent = None
        self.connection = self.transport = self.handshake = None


def host_of(address: Any) -> str:
    """Of a socket's address; an IPv4-mapped IPv6 address as IPv4."""
    return str(address[0]).removeprefix("::ffff:")


def shown(address: Any) -> str:
    """`1.2.3.4:5` of a socket's address."""
    host = host_of(address)
    return f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"
