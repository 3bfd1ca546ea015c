"""
One TLS handshake, a step at a time: each goes as far as the bytes go, and is taken when the connection has its turn
(fair_turns.py).

aiofastnet begins a handshake in a transport's constructor and goes on with it whenever the socket has bytes. In between, its
reader is taken off the loop, and the caller waits for the bytes (`on_wait`); this is the one file that knows.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

import aiofastnet
from aiofastnet import constants
from aiofastnet.api_utils import _ssl_needs_fallback_engine
from aiofastnet.ssl_transport import SSLTransport_Socket  # type: ignore[import-not-found]  # compiled, without a stub

from ..doctor_mark import DOCTORS_PROTOCOL
from ..websocket._ends import Ends, Gate
from ..websocket.tcp_info import has_ended, socket_bytes_received
from .proxy_reader import refuse_proxy_header

# From the first byte to the end of the handshake, with the request head if it comes at once: Tesla's chains have 5 KB, tickets 3.
HANDSHAKE_BYTES = 48 * 1024
TLS_BUFFER_BYTES = 16 * 1024  # of a connection, each way: aiofastnet's minimum
TLS_GOODBYE_S = 2.0  # for the other side's close_notify: a few round trips of a bad connection

# As much as a plain connection is read of in a turn (websocket/_transport.pyx). aiofastnet has no other way to say it.
constants.MAX_READ_BYTES_PER_CYCLE_HINT = 32 * 1024


HELLO_BYTES = 4 * 1024  # of a hello that are looked at: the doctor's has 600, or 1,800 with a post-quantum key share
_DOCTORS_PROTOCOL = DOCTORS_PROTOCOL.encode()
_TLS_HANDSHAKE = b"\x16"  # the first byte of a hello (RFC 8446, 5.1)


class HandshakeTooLarge(Exception):
    """More than HANDSHAKE_BYTES before the end of the handshake."""


class _Transport(SSLTransport_Socket):  # type: ignore[misc]  # compiled, without a stub
    """
    aiofastnet's own timeout of a handshake is not cancelled when one is aborted, and would keep the transport until then: 48 to
    90 KB. The caller's own takes its place (`Handshake.expire`).
    """

    __slots__ = ()

    ends: Ends | None = None  # while it is constructed

    def watch(self) -> None:
        """From now on its reads go through a Gate."""
        if self.ends is not None:
            descriptor = self.get_extra_info("socket").fileno()
            self.ends.loop.add_reader(descriptor, Gate(self.ends, descriptor, self._read_ready).readable)

    def resume_reading(self) -> None:
        super().resume_reading()  # without the gate
        if self.is_reading():
            self.watch()

    @property
    def _check_handshake_timeout(self) -> Callable[[], None]:
        return _nothing

    def _finalize_close(self, error: Exception | None) -> None:
        if self.ends is None:
            super()._finalize_close(error)
        else:
            self.ends.run(super()._finalize_close, error)


def _nothing() -> None: ...


class Handshake:
    """
    One connection's. OpenSSL's memory is taken at its first step. The connection that comes of it ends through `ends`.

    on_wait()           it needs more bytes
    on_done()           once, when its protocol has the transport
    on_failed(error)    once, if it fails; neither of them after `abort`
    on_bytes(received)  before each step, with what has come over TCP by then; it may abort this
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ends: Ends,
        handshake_s: float,
        context: ssl.SSLContext,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        on_wait: Callable[[], object],
        on_done: Callable[[], object],
        on_failed: Callable[[Exception], object],
        on_bytes: Callable[[int], object],
    ) -> None:
        self._loop = loop
        self._ends = ends
        self._handshake_s = handshake_s
        self._context = context
        self._sock = sock
        self._protocol = protocol
        self._on_wait = on_wait
        self._on_done = on_done
        self._on_failed = on_failed
        self._on_bytes = on_bytes
        self._transport: Any = None
        self._waiter: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None  # where aiofastnet cannot read the socket itself
        self._over = False
        self.is_doctors = False  # its hello says that it is the doctor's

    def step(self) -> None:
        """Computes as far as the bytes go that are there."""
        try:
            received = socket_bytes_received(self._sock)
            if received is not None and received > HANDSHAKE_BYTES:
                raise HandshakeTooLarge
            self._on_bytes(received or 0)
            if self._over:
                return
            if self._transport is None:
                self._look_at_first_bytes()
                self._begin()
            else:
                self._transport._read_ready()
            self._look()
        except Exception as error:  # what it may be besides OSError must not reach the event loop
            self._fail(error)

    def _look_at_first_bytes(self) -> None:
        """Raises OSError if they are not worth a step: a PROXY header, or a hello whose sender has left."""
        refuse_proxy_header(self._sock)
        self.is_doctors = _DOCTORS_PROTOCOL in self._sock.recv(HELLO_BYTES, socket.MSG_PEEK)
        if has_ended(self._sock) and self._sock.recv(1, socket.MSG_PEEK) in (b"", _TLS_HANDSHAKE):
            raise ConnectionResetError("the client left after its first bytes")

    def _begin(self) -> None:
        loop, handshake_s = self._loop, self._handshake_s
        if _ssl_needs_fallback_engine(self._context):
            self._task = loop.create_task(self._shake_hands())
            return
        self._waiter = loop.create_future()
        self._transport = _Transport(
            loop,
            self._protocol,
            self._context,
            True,
            handshake_s,
            TLS_GOODBYE_S,
            TLS_BUFFER_BYTES,
            TLS_BUFFER_BYTES,
            self._sock,
            waiter=self._waiter,
        )
        self._transport.ends = self._ends

    def _look(self) -> None:
        """At what has become of it."""
        if self._waiter is None or self._over:
            return
        if not self._waiter.done():
            self._loop.remove_reader(self._sock.fileno())
            self._on_wait()
            return
        self._waiter.result()
        self._over = True
        if not self._transport.is_closing():
            self._transport.watch()
        self._transport = self._waiter = None
        self._on_done()

    async def _shake_hands(self) -> None:
        """All of it, where the ssl module's own engine has to do (a Python with OpenSSL linked into it)."""
        try:
            await aiofastnet.connect_accepted_socket(
                self._loop,
                lambda: self._protocol,
                self._sock,
                ssl=self._context,
                ssl_handshake_timeout=self._handshake_s,
                ssl_shutdown_timeout=TLS_GOODBYE_S,
                ssl_incoming_bio_size=TLS_BUFFER_BYTES,
                ssl_outgoing_bio_size=TLS_BUFFER_BYTES,
            )
        except Exception as error:
            self._fail(error)
            return
        self._over = True
        self._on_done()

    def expire(self) -> None:
        """It has taken too long."""
        self._fail(ConnectionAbortedError("the TLS handshake took too long"))

    def _fail(self, error: Exception) -> None:
        if self._over:
            return
        self.abort()
        self._on_failed(error)
        error.__traceback__ = None  # breaks a cycle: it refers to a frame, which refers to what holds the error

    def abort(self) -> None:
        """Ends the connection."""
        if self._over:
            return
        self._over = True
        if self._waiter is not None and self._waiter.done() and not self._waiter.cancelled():
            self._waiter.exception()  # it has been told of
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()
        else:
            self._sock.close()
