"""
What every WebSocket connection to this server does, whoever is at the other end.

    frames      data messages, put together if they came in fragments, go to `on_message`; pings are answered here
    violations  of RFC 6455 end the connection with 1002 or 1007; so does a flood of frames, with 1008
    silence     a ping after PING_INTERVAL; as long again without a byte ends the connection
    TLS         messages of its own without data, such as KeyUpdates, end the connection with 1008 if there are too many
    the end     is said once: nothing is taken in after a CLOSE, ours or theirs, and the TCP connection ends as soon as both
                have said it, or after CLOSE_GRACE_S

    open ──close()──▶ closing ──their CLOSE, or CLOSE_GRACE_S──▶ ended
      └──────────────────────their CLOSE───────────────────────────▲   once all has left, or after CLOSE_GRACE_S

A subclass says what a message means (`on_message`) and what is still owed before a CLOSE (`finish`). Nothing here awaits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from ..close_reasons import FAULT, FLOOD, FRAGMENTS, NOT_UTF8, PEER, RESERVED_BITS, SILENT, TLS_FLOOD, CloseReason
from ..logs import fields, log
from ._transport import slim
from .closing import close_reply, log_end
from .reassembly import OutOfOrder, Reassembly
from .rules import Incoming, Rules
from .tcp_info import bytes_received
from .tls_traffic import NOT_LOOKED, look

TEXT, BINARY = WSMsgType.TEXT, WSMsgType.BINARY
PING, PONG, CLOSE = WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE
EMPTY_FRAMES_AT_MOST = 1000  # pings, pongs, fragments between two checks, about a second: some 20 ms of the loop
CLOSE_GRACE_S = 1.0  # a peer that is there answers a CLOSE within a round trip; a mobile network's worst is about a second

_OPEN, _CLOSING, _ENDED = range(3)


class ServerConnection(WSListener):
    """One connection. Times: monotonic seconds."""

    __slots__ = (
        "_empty_frames",
        "_end_cause",
        "_heard_at",
        "_looked",
        "_pinged_at",
        "_reassembly",
        "_received",
        "_rules",
        "_started_at",
        "_state",
        "address",
        "incoming",
        "transport",
    )

    def __init__(self, rules: Rules, address: str) -> None:
        self._rules = rules
        self.address = address
        self._started_at = self._heard_at = time.monotonic()
        self._pinged_at = 0.0  # 0.0: no ping is under way
        self.incoming: Incoming | None = None  # until the connection is open
        self._received = 0  # bytes, at the last check
        self._looked = NOT_LOOKED  # at TLS
        self._empty_frames = 0  # that carry no whole message, since the last check
        self._reassembly: Reassembly | None = None  # while a fragmented message is under way
        self._state = _OPEN
        self._end_cause = PEER

    # ---- for subclasses to say

    def on_opened(self) -> None:
        """The handshake is over; `transport` is there."""

    def on_message(self, opcode: WSMsgType, payload: Any, now_s: float) -> None:
        """A whole message: a memoryview of borrowed memory, or bytes; text is UTF-8."""
        raise NotImplementedError

    def on_message_too_large(self, opcode: int, now_s: float) -> None:
        """A message beyond `message_limit` was thrown away."""
        raise NotImplementedError

    def on_refused(self, cause: str) -> None:
        """A frame was refused; the connection ends for it."""
        self._rules.counts.refuse_message(cause)

    def finish(self, send_close: Callable[[], object]) -> None:
        """Says whatever is owed, then calls `send_close`."""
        send_close()

    def on_ended(self) -> None:
        """The connection is over."""

    def log_fields(self) -> dict[str, object]:
        """What the connection's last log line says besides its cause."""
        return {}

    # ---- its life

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        slim(transport)
        try:
            self.on_opened()
        except Exception as error:
            self.on_failure(error)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._state = _ENDED
        self.incoming = None  # it refers to this object
        event = f"{self._rules.event}_disconnected"
        cause = log_end(event, transport, self._end_cause, self._started_at, address=self.address, **self.log_fields())
        self._rules.counts.close(cause)
        self.on_ended()

    @property
    def closing(self) -> bool:
        """A CLOSE has been said, by us or by the peer."""
        return self._state != _OPEN

    @property
    def is_over(self) -> bool:
        """The peer has said CLOSE, or is gone."""
        return self._state == _ENDED

    def close(self, reason: CloseReason) -> None:
        """Says why, then ends the connection: at once if the other side agrees, else after CLOSE_GRACE_S."""
        if self._state != _OPEN:
            return
        self._state = _CLOSING
        self._reassembly = None  # nobody is told of it any more, and a peer that comes and comes could leave a MB each time
        self._end_cause = reason.cause
        if self.incoming is not None:
            self.incoming.stop()
        self.finish(partial(self._send_close, WSCloseCode(reason.code), reason.text))
        self._abort_later()

    def _send_close(self, code: WSCloseCode, text: str) -> None:
        if not self.transport.is_close_frame_sent:
            self.transport.send_close(code, text)

    def _abort_later(self) -> None:
        self._rules.timer.call_later(CLOSE_GRACE_S, self.abort)

    def abort(self) -> None:
        self.transport.underlying_transport.abort()

    def check(self, now_s: float) -> None:
        """About once a second: pings after silence, and ends what does not answer."""
        self._empty_frames = 0
        if self._state != _OPEN:
            return
        if self.incoming is not None:
            if self.incoming.received != self._received:
                self._received = self.incoming.received
                self._heard_at = now_s  # part of a long message counts as well
            self._look_at_tls(self.incoming)
        interval_s = self._rules.ping_interval_s
        if now_s - self._heard_at < interval_s:
            self._pinged_at = 0.0
        elif not self._pinged_at or self._heard_at >= self._pinged_at:  # not pinged, or the ping was answered long ago
            self._pinged_at = now_s
            self.transport.send_ping()
        elif now_s - self._pinged_at >= interval_s:
            self.close(SILENT)

    def _look_at_tls(self, incoming: Incoming) -> None:
        self._looked, flood = look(self._looked, self._wire_bytes, incoming.received)
        if flood:
            self.close(TLS_FLOOD)

    def _wire_bytes(self) -> int | None:
        return bytes_received(self.transport.underlying_transport) if self.transport.is_secure else None

    def on_failure(self, error: Exception) -> None:
        """Our own fault, at the beginning or at a frame that has come."""
        log.error("connection_failed", extra=fields(what=type(error).__name__, address=self.address), exc_info=error)
        self.close(FAULT)

    # ---- frames

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if self._state != _OPEN:
            if kind == CLOSE and self._state == _CLOSING:
                self._answer_close(frame)
            return
        self._heard_at = now_s = time.monotonic()
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._refuse(RESERVED_BITS)
        elif kind == BINARY and frame.fin and self._reassembly is None:
            self.on_message(BINARY, frame.get_payload_as_memoryview(), now_s)
        elif kind == CLOSE:
            self._answer_close(frame)
        elif kind in (PING, PONG):
            self._take_control(kind, frame)
        elif kind == TEXT and frame.fin and self._reassembly is None:
            self._take_text(frame.get_payload_as_bytes(), now_s)
        else:
            self._take_fragment(kind.value, frame.fin, frame.get_payload_as_memoryview(), now_s)

    def on_too_large(self, opcode: int, fin: int) -> None:
        """A frame beyond the message limit was thrown away as it came (`_frame_limit.FrameLimit`)."""
        if self._state != _OPEN:
            return
        self._heard_at = now_s = time.monotonic()
        if fin and opcode and self._reassembly is None:
            self.on_message_too_large(opcode, now_s)
        else:
            self._take_fragment(opcode, bool(fin), None, now_s)

    def _take_control(self, kind: WSMsgType, frame: WSFrame) -> None:
        if self._within_flood_limit() and kind == PING:
            self.transport.send_pong(frame.get_payload_as_bytes())

    def _within_flood_limit(self) -> bool:
        """Counts a frame that carries no whole message; too many of them end the connection."""
        self._empty_frames += 1
        if self._empty_frames > EMPTY_FRAMES_AT_MOST:
            self.close(FLOOD)
        return self._state == _OPEN

    def _take_text(self, payload: bytes, now_s: float) -> None:
        try:
            payload.decode()
        except UnicodeDecodeError:
            self._refuse(NOT_UTF8)
            return
        self.on_message(TEXT, payload, now_s)

    def _take_fragment(self, opcode: int, final: bool, payload: memoryview | None, now_s: float) -> None:
        if not final and not self._within_flood_limit():
            return
        reassembly = self._reassembly or Reassembly(self._rules.message_limit)
        try:
            message = reassembly.add(opcode, final, payload)
        except OutOfOrder:
            self._refuse(FRAGMENTS)
            return
        self._reassembly = None if reassembly.idle else reassembly
        if message is None:
            return
        if message.payload is None:
            self.on_message_too_large(message.opcode, now_s)
        elif message.opcode == TEXT.value:
            self._take_text(bytes(message.payload), now_s)
        else:
            self.on_message(WSMsgType(message.opcode), memoryview(message.payload), now_s)

    def _refuse(self, reason: CloseReason) -> None:
        self.on_refused(reason.cause)
        self.close(reason)

    def _answer_close(self, frame: WSFrame) -> None:
        """The peer has said CLOSE: we say it too, unless we have, and the connection is over."""
        if self._state == _OPEN:
            self._abort_later()  # a peer that reads nothing would keep the connection for ever: what waits for it never leaves
        self._state = _ENDED
        self.finish(partial(self._end, close_reply(frame)))

    def _end(self, code: WSCloseCode) -> None:
        if not self.transport.is_close_frame_sent:
            self.transport.send_close(code)
        self.transport.disconnect()
