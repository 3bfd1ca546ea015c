"""A dashboard's WebSocket connection: the shell that gives its session messages and the time, and its reader the transport."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from picows import WSFrame, WSMsgType, WSTransport

from .._fanout import Reader
from ..close_reasons import FAULT, FLOOD, NOT_READING, STALLED, TOO_LARGE
from ..core.hub import Hub
from ..logs import fields, log
from ..websocket.connection import CLOSE, TEXT, ServerConnection
from ..websocket.rules import Rules
from .admission import AdmitDashboard
from .reading import Reading
from .session import DashboardSession
from .tokens import Verifier

MESSAGE_LIMIT = 4096  # bytes: the longest that makes sense, a `subscribe` of 200 VINs, has that many
FRAMES_AT_MOST = 1000  # between two checks, about a second: answering them all takes some 20 ms
BYTES_AT_MOST = 64 * 1024  # of frames, likewise: parsing costs by the byte
# Answers that wait for it: up to 8 KB each. Whoever reads slowly, and asks faster, would have them pile up without an end.
ANSWERS_OWED_AT_MOST = 100
ANSWER_BYTES_OWED_AT_MOST = 40 * 1024  # of memory: nine that name 200 VINs each, or all 100 small ones
FRAMES_UNREAD_AT_MOST = 100  # that it may send while it reads nothing: their answers pile up, 12 KB of pongs for example


class DashboardConnection(Reading, ServerConnection):
    """One connection to `/stream`, or to another door that speaks WebSocket. The sink of its reader."""

    __slots__ = ("_begun", "_bytes", "_frames", "_frames_unread", "_hub", "_reader", "_session", "door")

    def __init__(self, hub: Hub, rules: Rules, verifier: Verifier, door: str, admitted: AdmitDashboard, address: str) -> None:
        """`door`: by whose name it is counted."""
        super().__init__(rules, address)
        self.door = door
        self._hub = hub
        self._session = DashboardSession(hub, verifier, admitted, time.time())
        self._begun = False
        self._frames = 0  # since the last check
        self._bytes = 0  # likewise
        self._frames_unread = 0

    # ---- its life

    def on_opened(self) -> None:
        underlying: Any = self.transport.underlying_transport  # aiofastnet's, whatever picows' stub says
        underlying.set_write_buffer_limits(high=0)  # pause_writing as soon as it holds anything
        self._reader = Reader(underlying, self)
        self._begun = True
        self._hub.connections.add_dashboard(self, self._session.sub)
        self._session.begin(self._reader, underlying.write)
        log.info("dashboard_connected", extra=fields(sub=self._session.sub, address=self.address))

    def on_ended(self) -> None:
        if not self._begun:  # something went wrong on the way
            self._session.abandon()
            return
        self._hub.unsent.drop(self)
        self._hub.connections.remove_dashboard(self, self._session.sub)
        self._hub.counts.add_sent(self._reader.sent_bytes)
        self._session.leave()
        self._reader.end()

    def finish(self, send_close: Callable[[], object]) -> None:
        if self._begun:
            self._session.leave()
        send_close()

    def log_fields(self) -> dict[str, object]:
        sent_bytes = self._reader.sent_bytes if self._begun else 0
        return {"sub": self._session.sub, "bytes": sent_bytes, "gaps": self._session.gaps}

    def check(self, now_s: float) -> None:
        self._frames = self._bytes = 0
        if self.closing:
            return
        if self._reader.blocked:
            if self.stalled_s(now_s) >= 2 * self._rules.ping_interval_s:
                self.close(STALLED)
        else:
            super().check(now_s)
        reason = self._session.check(time.time())
        if reason is not None:
            self.close(reason)

    # ---- what the log and the transport tell

    def pause_writing(self) -> None:
        self._reader.block()
        self._count_unsent()

    def _count_unsent(self) -> None:
        waiting = self.transport.underlying_transport.get_write_buffer_size() + self._session.held_bytes
        self._hub.unsent.hold(self, waiting)

    def shed(self) -> None:
        self._end_cause = STALLED.cause
        self.abort()

    def resume_writing(self) -> None:
        self._hub.unsent.drop(self)
        self._frames_unread = 0
        self._reader.wake()

    def on_fault(self, error: Exception) -> None:
        log.error("dashboard_failed", extra=fields(address=self.address), exc_info=error)
        self.close(FAULT)

    # ---- what it says

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self.closing or frame.msg_type == CLOSE or self._may_speak(frame.payload_size):
            super().on_ws_frame(transport, frame)

    def _may_speak(self, size: int) -> bool:
        """Counts one more frame of so many bytes; one too many ends the connection."""
        self._frames += 1
        self._bytes += size
        if self._frames > FRAMES_AT_MOST or self._bytes > BYTES_AT_MOST:
            self.close(FLOOD)
            return False
        if not self._reader.blocked:
            return True
        self._frames_unread += 1
        answers = self._reader.owed >= ANSWERS_OWED_AT_MOST or self._session.answers_bytes > ANSWER_BYTES_OWED_AT_MOST
        if answers or self._frames_unread >= FRAMES_UNREAD_AT_MOST:
            self.close(NOT_READING)
            return False
        return True

    def on_message(self, opcode: WSMsgType, payload: Any, now_s: float) -> None:
        now = time.time()
        if opcode == TEXT:
            reason = self._session.receive(payload, now)
        else:
            reason = self._session.refuse("send each message as text, not as binary", now)
        if reason is not None:
            self.close(reason)
        elif self._reader.blocked:
            self._count_unsent()

    def on_too_large(self, opcode: int, fin: int) -> None:
        if not self.closing:
            self._refuse(TOO_LARGE)

    def on_message_too_large(self, opcode: int, now_s: float) -> None:
        self._refuse(TOO_LARGE)


def dashboard_rules(hub: Hub, timer: Any) -> Rules:
    return Rules("dashboard", MESSAGE_LIMIT, hub.settings.ping_interval, timer, hub.counts)
