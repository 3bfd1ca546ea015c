"""
One listening socket, and each connection that it accepts until an HttpConnection has it.

This is not left to the event loop's own server, because that one cannot say why a TLS handshake failed, cannot count a
connection's time from the accept on, and cannot share out what may be computed in one turn (fair_turns.py). The kernel's queue
knows no turns: whoever waits in it waits for all before him. So it is emptied as fast as connections come, an accept costs next
to nothing, and who of them goes on, and who has to go, is decided here: PendingConnections, FairTurns.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..logs import fields, log
from ..metrics import Counts
from ..websocket._ends import Ends
from ..websocket.tcp_info import has_left, socket_bytes_received
from . import tls_errors
from .admission import PendingConnections
from .arrival import Arrival, Entrance, host_of, shown
from .deadlines import Deadlines
from .descriptor_limit import DescriptorLimit
from .fair_turns import FairTurns
from .http_connection import HttpConnection
from .proxy_reader import read_proxy_header
from .readiness import readiness
from .routes import Listener
from .tls import ServerContext

# In one turn of the event loop: some hundred connections. While more than that come, each turn has twice as long, up to so much.
ACCEPT_S = 0.002
ACCEPT_AT_MOST_S = 0.008
ACCEPTS_AT_LEAST = 32  # however slow the machine is
# Over TCP before a connection is admitted: MOST_REQUESTS with 4 KB of cookies each, and TLS around them.
UNADMITTED_BYTES = 256 * 1024
UNADMITTED_CHECK_S = 0.5  # some 5 ms, if there are as many as PendingConnections allows


class Acceptor:
    """
    Accepts on `bound` from `open` to `close`.

    connection(address, listener, done)  makes what reads the request; that calls `done()` when it has handed over, or is lost
    pending                              connections that have not been admitted yet, at all ports together
    trusts(host)                         whether this host's PROXY protocol is read, and names the client
    turned_away(cause, meaning, address) whose TLS handshake failed
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
        trusts: Callable[[str], bool] = lambda host: False,
        turned_away: Callable[[str, str, str], None] = lambda cause, meaning, address: None,
    ) -> None:
        self._loop = loop
        self._bound = bound
        self.listener = listener
        self._handshake_s = handshake_s
        self._connection = connection
        self._pending = pending
        self._counts = counts
        self._trusts = trusts
        self._turned_away = turned_away
        self.port = int(bound.getsockname()[1])
        self._reading = False
        self._leaving = False
        self._accept_s = ACCEPT_S
        self.ends = Ends(loop)
        self._limit = DescriptorLimit(loop, pending, counts, self._pause, self._resume, self._take)
        self._checked_s = 0.0
        self._deadlines = Deadlines(loop, handshake_s)
        self._readiness = readiness(loop)
        self._entrance = self._entrance_for(context)
        self._proxied: set[asyncio.Task[None]] = set()  # that wait for a trusted proxy's header

    def _entrance_for(self, context: ssl.SSLContext | None) -> Entrance:
        return Entrance(
            loop=self._loop,
            context=context,
            handshake_s=self._handshake_s,
            readiness=self._readiness,
            turns=FairTurns(
                self._loop,
                lambda: context is None or self._pending.may_begin(time.monotonic()),
                lambda: context is None or self._pending.known_may_begin(),
            ),
            ends=self.ends,
            pending=self._pending,
            connect=self._connect,
            on_begin=self._deadlines.start,
            on_end=self._deadlines.drop,
            on_failed=self._note_failure,
        )

    def open(self, url: str) -> None:
        """`url`: how this machine reaches it, for the log."""
        self._resume()
        tls = self._entrance.context is not None
        log.info("listening", extra=fields(port=self.port, takes=self.listener, tls=tls, url=url))

    def use(self, context: ssl.SSLContext | None) -> None:
        """From now on handshakes use this context."""
        self._entrance = replace(self._entrance, context=context)

    def leave(self) -> None:
        """Accepts until nobody waits in the kernel's queue, and then no more: `left`."""
        self._leaving = True
        self._loop.call_soon(self._accept_the_rest)

    @property
    def left(self) -> bool:
        return self._bound.fileno() < 0

    def _accept_the_rest(self) -> None:
        if not self.left:
            self._accept()
            self._loop.call_soon(self._accept_the_rest)  # in turns: as many as may wait are some 100 ms

    def stop_listening(self) -> None:
        self._pause()
        self._bound.close()

    def close(self) -> None:
        """Accepts no more, and cancels the handshakes under way."""
        self.stop_listening()
        for arrival in self._deadlines:
            if arrival.connection is None or arrival.handshake is not None:
                arrival.abort()
        for task in self._proxied:
            task.cancel()
        self._limit.close()
        self._readiness.close()

    def check(self, now_s: float) -> None:
        """
        Once in UNADMITTED_CHECK_S at most: counts what came, and ends those who send and send, and are never admitted; forgets
        TLS sessions that are too old to be resumed.
        """
        if now_s >= self._checked_s + UNADMITTED_CHECK_S:
            self._checked_s = now_s
            self._check_bytes()
            context = self._entrance.context
            if isinstance(context, ServerContext) and context.sessions is not None:
                context.sessions.forget_old(now_s)

    def _check_bytes(self) -> None:
        for arrival in [arrival for arrival in self._deadlines if arrival.begun]:
            received = socket_bytes_received(arrival.sock) or 0
            if received > UNADMITTED_BYTES:
                self._counts.refused_connections["too_many_bytes"] += 1
                log.warning("connection_refused", extra=fields(cause="too_many_bytes", address=shown(arrival.address)))
                arrival.abort()

    def _resume(self) -> None:
        if not self._reading and self._bound.fileno() >= 0:
            self._reading = True
            self._loop.add_reader(self._bound.fileno(), self._accept)

    def _pause(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._bound.fileno())

    def _accept(self) -> None:
        if self._limit.is_waited_at:
            return
        until_s = time.monotonic() + self._accept_s
        while True:
            for _ in range(ACCEPTS_AT_LEAST):
                if not self._accept_one():
                    self._accept_s = ACCEPT_S
                    return
            if time.monotonic() >= until_s:
                self._accept_s = min(2 * self._accept_s, ACCEPT_AT_MOST_S)
                return

    def _accept_one(self) -> bool:
        """False: nobody is waiting, or there is no room."""
        try:
            accepted, address = self._bound.accept()
        except BlockingIOError:
            if self._leaving:
                self.stop_listening()  # in the same breath: whoever comes between is lost
            return False
        except (InterruptedError, ConnectionAbortedError):
            return False
        except OSError as error:
            self._limit.refused(error)
            return False
        if not self._limit.lets(accepted, address):
            return False
        self._take(accepted, address)
        return True

    def _take(self, accepted: socket.socket, address: Any) -> None:
        if has_left(accepted):
            accepted.close()
            if self._entrance.context is not None:
                self._note_failure(ConnectionResetError(), address)
            return
        if not self._trusts(host_of(address)):
            self._admit(accepted, address)
            return
        task = self._loop.create_task(self._take_from_proxy(accepted, address))
        self._proxied.add(task)
        task.add_done_callback(self._proxied.discard)

    async def _take_from_proxy(self, accepted: socket.socket, address: Any) -> None:
        """From a trusted proxy, whose PROXY header, if there is one, names the client. Descriptors alone bound how many wait."""
        try:
            async with asyncio.timeout(self._handshake_s):
                client = await read_proxy_header(self._loop, accepted)
        except asyncio.CancelledError:
            accepted.close()
            raise
        except EOFError:  # a health check of the proxy's
            accepted.close()
            return
        except (TimeoutError, OSError, ValueError) as error:
            accepted.close()
            self._counts.refused_connections["proxy_header"] += 1
            reason = str(error) or "nothing came within HANDSHAKE_TIMEOUT"
            log.warning("connection_refused", extra=fields(cause="proxy_header", reason=reason, address=shown(address)))
            return
        self._admit(accepted, client or address, limited=client is not None)

    def _admit(self, accepted: socket.socket, address: Any, limited: bool = True) -> None:
        """`limited`: the address is a client's, not that of a proxy that many share."""
        arrival = Arrival(self._entrance, accepted, address)
        ticket = self._pending.enter(host_of(address), arrival.abort, limited)
        if ticket is None or ticket.displaced:
            log.warning("connection_refused", extra=fields(cause="address_limit", address=shown(address)))
        if ticket is None:
            accepted.close()
            return
        arrival.ticket = ticket
        self._deadlines.start(arrival)
        accepted.setblocking(False)
        arrival.wait()

    def _connect(self, address: Any, done: Callable[[], None]) -> HttpConnection:
        return self._connection(shown(address), self.listener, done)

    def _note_failure(self, error: Exception, address: Any, doctors: bool = False) -> None:
        """`doctors`: it was `teslafast doctor`, or the road test of a set-up, which nobody need be told of."""
        cause, meaning = tls_errors.failure(error)
        self._counts.tls_failures[cause] += 1
        if doctors:
            log.info("tls_failed", extra=fields(cause=cause, meaning=f"teslafast's doctor: {meaning}", address=shown(address)))
            return
        self._turned_away(cause, meaning, shown(address))
        log.warning("tls_failed", extra=fields(cause=cause, meaning=meaning, address=shown(address)))
