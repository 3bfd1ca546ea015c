"""
A connection of server-sent events: an answer over HTTP that never ends, and what comes in is passed over.

    request ──take()──▶ head, `retry`, then the reader's blocks ──▶ end: the token's, a drain's, or the client's
                                            └─ a comment after COMMENT_EVERY_S in which nothing was written

The end is the connection's: no length and no chunks, so HTTP/1.0 and 1.1 get the same bytes, and the ring's text goes out as it
stands there. Never compressed, whatever a client accepts: a compressor would hold events back.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

from .._fanout import EventStream, Reader
from ..close_reasons import FAULT, FLOOD, PEER, STALLED, TLS_FLOOD, CloseReason
from ..core.hub import Hub
from ..logs import fields, log
from ..websocket.connection import CLOSE_GRACE_S
from ..websocket.rules import Rules
from ..websocket.tcp_info import bytes_received
from ..websocket.tls_traffic import NOT_LOOKED, look
from .reading import Reading
from .session import DashboardSession
from .sse_events import comment
from .sse_topics import Place

COMMENT_EVERY_S = 15.0  # of nothing written; Teslemetry's client waits for 30 s, and a round of checks comes once a second
KEEP_ALIVE = b":\n"
RETRY = b"retry: 1000\n"  # ms; browsers wait for 3 to 5 s by themselves. It belongs to the first event's block
PASSED_OVER_AT_MOST = 64 * 1024  # bytes that it may send between two checks, about a second; a client has nothing to say
UNACKNOWLEDGED_INTERVALS = 4  # of PING_INTERVAL, until the kernel gives a peer up: twice what one that stopped reading gets …
UNACKNOWLEDGED_S = 60.0  # … and never less than what a mobile network's worst gap takes

_HEADERS = (
    "HTTP/1.1 200 OK",
    "Content-Type: text/event-stream",
    "Cache-Control: no-cache, no-transform",  # or a proxy compresses, and holds events back for it
    "X-Accel-Buffering: no",  # nginx, which else waits for 4 KB
    "X-Content-Type-Options: nosniff",
    "Connection: close",
)


def response_head(origin: str | None) -> bytes:
    """`origin`: of the page that asks, which has been let in; a browser shows it the events only if the answer says so."""
    lines = list(_HEADERS)
    if origin is not None:
        lines += [f"Access-Control-Allow-Origin: {origin}", "Vary: Origin"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class SseConnection(Reading, asyncio.BufferedProtocol):
    """The sink of its reader. Times: monotonic seconds."""

    __slots__ = (
        "_end_cause",
        "_hub",
        "_looked",
        "_reader",
        "_received",
        "_received_before",
        "_rules",
        "_seen_bytes",
        "_session",
        "_started_at",
        "_transport",
        "_written_at",
        "address",
        "closing",
    )

    door = "sse"
    _passed_over = memoryview(bytearray(4096))  # what clients send; every connection reads into it

    def __init__(self, hub: Hub, rules: Rules, session: DashboardSession, address: str) -> None:
        self._hub = hub
        self._rules = rules
        self._session = session
        self.address = address
        self.closing = False
        self._started_at = self._written_at = time.monotonic()
        self._received = 0  # bytes, of whatever it sends …
        self._received_before = 0  # … and by the last check
        self._looked = NOT_LOOKED  # at TLS
        self._seen_bytes = 0  # that the reader had been given at the last check
        self._end_cause = PEER

    # ---- its life

    def begin(self, transport: Any, head: bytes, framing: EventStream, lost: tuple[int, int] | None) -> None:
        """`lost`: the events that the client missed and cannot have any more."""
        self._transport = transport
        self._reader = Reader(transport, self, framing)
        transport.set_protocol(self)
        transport.set_write_buffer_limits(high=0)  # pause_writing as soon as it holds anything
        _limit_silence(transport, max(UNACKNOWLEDGED_S, UNACKNOWLEDGED_INTERVALS * self._rules.ping_interval_s))
        transport.write(head + RETRY + (comment(f"gap {lost[0]}-{lost[1]}") if lost else b""))
        self._hub.connections.add_dashboard(self, self._session.sub)
        self._session.begin(self._reader, transport.write)
        log.info("dashboard_connected", extra=fields(door=self.door, sub=self._session.sub, address=self.address))

    def connection_lost(self, exc: Exception | None) -> None:
        seconds = round(time.monotonic() - self._started_at, 3)
        ended = fields(cause=self._end_cause, door=self.door, seconds=seconds, address=self.address, **self.log_fields())
        log.info("dashboard_disconnected", extra=ended)
        self._rules.counts.close(self._end_cause)
        self.closing = True
        self._hub.unsent.drop(self)
        self._hub.connections.remove_dashboard(self, self._session.sub)
        self._hub.counts.add_sent(self._reader.sent_bytes)
        self._session.leave()
        self._reader.end()

    def close(self, reason: CloseReason) -> None:
        """Ends the answer when the client has taken what was written, or after CLOSE_GRACE_S."""
        if self.closing:
            return
        self.closing = True
        self._end_cause = reason.cause
        self._session.leave()
        self._transport.close()
        self._rules.timer.call_later(CLOSE_GRACE_S, self.abort)

    def abort(self) -> None:
        self._transport.abort()

    def check(self, now_s: float) -> None:
        self._received_before = self._received
        if self.closing:
            return
        self._looked, flood = look(self._looked, self._wire_bytes, self._received)
        if flood:
            self.close(TLS_FLOOD)
            return
        if self._reader.blocked:
            if self.stalled_s(now_s) >= 2 * self._rules.ping_interval_s:
                self.close(STALLED)
        elif self._reader.sent_bytes != self._seen_bytes:
            self._seen_bytes, self._written_at = self._reader.sent_bytes, now_s
        elif now_s - self._written_at >= min(COMMENT_EVERY_S, self._rules.ping_interval_s):
            self._written_at = now_s
            self._transport.write(KEEP_ALIVE)
        reason = self._session.check(time.time())
        if reason is not None:
            self.close(reason)

    # ---- what the log and the transport tell

    def on_fault(self, error: Exception) -> None:
        log.error("dashboard_failed", extra=fields(address=self.address), exc_info=error)
        self.close(FAULT)

    def pause_writing(self) -> None:
        self._reader.block()
        self._hub.unsent.hold(self, self._transport.get_write_buffer_size() + self._session.held_bytes)

    def shed(self) -> None:
        self._end_cause = STALLED.cause
        self.abort()

    def resume_writing(self) -> None:
        self._hub.unsent.drop(self)
        self._reader.wake()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._passed_over

    def buffer_updated(self, nbytes: int) -> None:
        """Such as the end of an empty body in chunks, which Teslemetry's client sends after its request."""
        self._received += nbytes
        if self._received - self._received_before > PASSED_OVER_AT_MOST:
            self.close(FLOOD)

    def _wire_bytes(self) -> int | None:
        is_secure = self._transport.get_extra_info("ssl_object") is not None
        return bytes_received(self._transport) if is_secure else None


def _limit_silence(transport: Any, seconds: float) -> None:
    """Without pings only the kernel notices that nobody takes the keep-alives; by itself it would try for 15 minutes."""
    connected = transport.get_extra_info("socket")
    if connected is not None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def lost_since(hub: Hub, place: Place) -> tuple[int, int] | None:
    """The first and last seq that a client which had `place` cannot be given any more; None if it lacks nothing."""
    return (place.seq + 1, hub.log.seq) if place.seq + 1 < hub.log.oldest else None
