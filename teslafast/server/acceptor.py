"""
One listening socket, and each connection that it accepts until an HttpConnection has it.

This is not left to the event loop's own server, because that one cannot say why a TLS handshake failed, cannot count a
connection's time from the accept on, and cannot bound the rate of handshakes. The bound lets the event loop breathe while
thousands of vehicles come back at once: a handshake costs milliseconds of CPU, most of it for checking the vehicle's chain up to
a P-521 root.

    A TLS connection is accepted only with a slot. It returns the slot when its handshake is over, or after SLOT_S: so no more
    than SLOTS handshakes finish in one turn of the loop, and silent peers cannot keep the others out for longer. Connections
    that have no slot yet wait in the kernel's queue, where they cost us nothing.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import ssl
from collections.abc import Callable
from typing import Any

import aiofastnet

from ..logs import fields, log
from ..metrics import Counts
from ..websocket._transport import PlainTransport
from . import tls_errors
from .admission import PendingConnections
from .http_connection import HttpConnection
from .routes import Listener

BACKLOG = 4096  # the kernel's queue; Linux caps it at net.core.somaxconn, which is 4096 by default
ACCEPTS_PER_TURN = 64  # of plain connections: a burst leaves the loop to the others after each batch
SLOTS = 16  # at 1 to 2 ms of CPU a handshake, the loop is held up for some 30 ms at most
SLOT_S = 0.1  # longer than a handshake over a land line takes
TLS_BUFFER_BYTES = 16 * 1024  # of a connection, each way: aiofastnet's minimum
TLS_GOODBYE_S = 2.0  # for the other side's close_notify: a few round trips of a bad connection
PAUSE_AFTER_FULL_S = 0.5  # no descriptors left: when to try again
RESERVED_DESCRIPTORS = 32  # for files, and for the sockets of outputs

_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; without a host for IPv4 and IPv6 alike, or for IPv4 alone where there is no IPv6. Raises OSError."""
    if host:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, kind, protocol)
    elif socket.has_dualstack_ipv6():
        bound, address = socket.socket(socket.AF_INET6, socket.SOCK_STREAM), ("::", port)
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    else:
        bound, address = socket.socket(socket.AF_INET, socket.SOCK_STREAM), ("0.0.0.0", port)  # noqa: S104 — HOST's default
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setblocking(False)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


class Acceptor:
    """
    Accepts on `bound` from `open` to `close`.

    connection(address, listener, done)  makes what reads the request; that calls `done()` when it has handed over, or is lost
    pending                              connections that have not been admitted yet, at all ports together
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        bound: socket.socket,
        listener: Listener,
        context: ssl.SSLContext | None,
        handshake_s: float,
        connection: Callable[[str, Listener, Callable[[], None]], HttpConnection],
        pending: PendingConnections,
        counts: Counts,
    ) -> None:
        self._loop = loop
        self._bound = bound
        self._listener = listener
        self._context = context
        self._handshake_s = handshake_s
        self._connection = connection
        self._pending = pending
        self._counts = counts
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._highest = limit - RESERVED_DESCRIPTORS if limit != resource.RLIM_INFINITY else 1 << 30
        self._slots = SLOTS if context is not None else ACCEPTS_PER_TURN
        self._reading = False
        self._handshakes: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        return int(self._bound.getsockname()[1])

    def open(self, url: str) -> None:
        """`url`: how this machine reaches it, for the log."""
        self._resume()
        log.info("listening", extra=fields(port=self.port, takes=self._listener, tls=self._context is not None, url=url))

    def use(self, context: ssl.SSLContext | None) -> None:
        """From now on handshakes use this context."""
        self._context = context

    def close(self) -> None:
        """Accepts no more, and cancels the handshakes under way."""
        self._pause()
        self._bound.close()
        for task in self._handshakes:
            task.cancel()

    def _resume(self) -> None:
        if not self._reading and self._bound.fileno() >= 0:
            self._reading = True
            self._loop.add_reader(self._bound.fileno(), self._accept)

    def _pause(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._bound.fileno())

    def _accept(self) -> None:
        for _ in range(min(self._slots, ACCEPTS_PER_TURN)):
            try:
                accepted, address = self._bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _OUT_OF_RESOURCES:
                    raise
                self._pause_a_while(os.strerror(error.errno or 0))
                return
            if accepted.fileno() > self._highest:
                accepted.close()
                self._counts.refused_connections["descriptors"] += 1
                self._pause_a_while(f"{self._highest} files and connections are open")
                return
            self._take(accepted, address)
        if not self._slots:
            self._pause()

    def _pause_a_while(self, reason: str) -> None:
        """There is no room for more: connections that are here stay, new ones wait in the kernel's queue."""
        self._pause()
        self._loop.call_later(PAUSE_AFTER_FULL_S, self._resume)
        self._counts.accept_pauses += 1
        remedy = "raise the limit of open files (ulimit -n)"
        log.warning("accept_paused", extra=fields(cause="descriptors", reason=reason, remedy=remedy))

    def _take(self, accepted: socket.socket, address: Any) -> None:
        arrival = _Arrival()
        ticket = self._pending.enter(_host(address), arrival.abort)
        if ticket is None:
            accepted.close()
            log.warning("connection_refused", extra=fields(cause="address_limit", address=_shown(address)))
            return

        def done() -> None:
            self._pending.leave(ticket)
            arrival.end()

        connection = arrival.connection = self._connection(_shown(address), self._listener, done)
        arrival.timer = self._loop.call_later(self._handshake_s, connection.expire)
        if self._context is None:
            accepted.setblocking(False)
            arrival.transport = PlainTransport(self._loop, accepted, connection)
            return
        handshake = self._shake_hands(self._context, accepted, connection, _shown(address), done)
        task = arrival.handshake = self._loop.create_task(handshake)
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _shake_hands(
        self, context: ssl.SSLContext, accepted: socket.socket, connection: HttpConnection, address: str, done: Callable[[], None]
    ) -> None:
        give_back = self._hold_slot()
        try:
            await aiofastnet.connect_accepted_socket(
                self._loop,
                lambda: connection,
                accepted,
                ssl=context,
                ssl_handshake_timeout=self._handshake_s,
                ssl_shutdown_timeout=TLS_GOODBYE_S,
                ssl_incoming_bio_size=TLS_BUFFER_BYTES,
                ssl_outgoing_bio_size=TLS_BUFFER_BYTES,
            )
        except asyncio.CancelledError:
            done()
            accepted.close()
            raise
        except Exception as error:  # OSError, and ssl.SSLError is one; what else it may be must not reach the event loop
            done()
            accepted.close()
            cause, meaning = tls_errors.failure(error)
            self._counts.tls_failures[cause] += 1
            log.warning("tls_failed", extra=fields(cause=cause, meaning=meaning, address=address))
            error.__traceback__ = None  # breaks a cycle: it refers to a frame, which refers to the future that holds the error
        finally:
            give_back()

    def _hold_slot(self) -> Callable[[], None]:
        """Takes a slot. The function returned gives it back, once; a timer does so after SLOT_S."""
        self._slots -= 1
        held = True

        def give_back() -> None:
            nonlocal held
            if held:
                held = False
                lease.cancel()
                self._slots += 1
                self._resume()

        lease = self._loop.call_later(SLOT_S, give_back)
        return give_back


class _Arrival:
    """One connection until it is admitted, as far as it has come."""

    connection: HttpConnection | None = None
    timer: asyncio.TimerHandle | None = None
    transport: PlainTransport | None = None
    handshake: asyncio.Task[None] | None = None

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()
        elif self.handshake is not None and not self.handshake.done():
            self.handshake.cancel()
        elif self.connection is not None:
            self.connection.abort()

    def end(self) -> None:
        """Admitted, or gone: cancels the timer, and drops its references to objects that refer to it."""
        if self.timer is not None:
            self.timer.cancel()
        self.connection = self.timer = self.transport = self.handshake = None


def _host(address: Any) -> str:
    """Of a socket's address; an IPv4-mapped IPv6 address as IPv4."""
    return str(address[0]).removeprefix("::ffff:")


def _shown(address: Any) -> str:
    """`1.2.3.4:5` of a socket's address."""
    host = _host(address)
    return f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"
