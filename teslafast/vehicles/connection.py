"""A vehicle's WebSocket connection: the shell that gives its session messages and the time, and takes its replies out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from picows import WSMsgType

from ..close_reasons import CERTIFICATE_EXPIRED
from ..core.hub import Hub
from ..core.turn import Replies
from ..websocket.connection import BINARY, TEXT, ServerConnection
from ..websocket.rules import Rules
from .admission import AdmitVehicle
from .rate_limit import RateLimits
from .session import Now, VehicleSession

# A message of 60,000 fields takes 10 to 20 ms, and a vehicle may have several under way. So after a heavy one all connections of
# its vehicle are left alone for a while, and the others get three quarters of the time. No car is met by that: its largest
# message takes a twentieth of HEAVY_S.
HEAVY_BYTES = 4 * 1024  # what is smaller is not timed: it costs a millisecond at most
HEAVY_S = 0.005
REST_TIMES = 3

_made = tuple.__new__  # a NamedTuple's own constructor takes four times as long


class VehicleConnection(ServerConnection):
    """One connection. An Outlet for its session's replies."""

    __slots__ = ("_ends_at", "_held_back", "_hub", "_named", "_replies", "_resting", "_session", "_unread")

    def __init__(self, hub: Hub, rules: Rules, limits: RateLimits, admitted: AdmitVehicle, address: str) -> None:
        super().__init__(rules, address)
        self._hub = hub
        self._ends_at = admitted.certificate_ends_at  # its certificate: seconds since 1970
        self._named = False  # whether `connections` knows which vehicle this is
        self._replies = Replies(hub.turn, self)
        self._held_back = False  # too many replies wait for the disk
        self._unread = False  # the vehicle does not take its replies
        self._resting = 0  # how many rests are under way
        self._session = VehicleSession(hub, limits, admitted, address, self._replies)

    # ---- its life

    def on_opened(self) -> None:
        self._hub.connections.add_vehicle(self)
        self._session.begin(Now(time.monotonic(), time.time_ns()))
        self._note_name()

    def _note_name(self) -> None:
        if self._session.vin and not self._named:
            self._named = True
            self._hub.connections.name_vehicle(self, self._session.vin)

    def on_ended(self) -> None:
        self._hub.connections.remove_vehicle(self, self._session.vin)
        self._session.end(Now(time.monotonic(), time.time_ns()))
        self._replies.end()

    def finish(self, send_close: Callable[[], object]) -> None:
        self._replies.then(send_close)

    def log_fields(self) -> dict[str, object]:
        return {"vin": self._session.vin, "messages": self._session.messages}

    # ---- messages in

    def on_binary(self, payload: memoryview) -> None:
        """A binary message in one frame, which is all that cars send: the shortest way from the transport to the session."""
        if not self.closing:
            self._heard_at = now_s = time.monotonic()
            if self._reassembly is None:
                self.on_message(BINARY, payload, now_s)
            else:
                self._take_fragment(BINARY.value, True, payload, now_s)

    def on_message(self, opcode: WSMsgType, payload: Any, now_s: float) -> None:
        now = _made(Now, (now_s, time.time_ns()))
        receive = self._session.receive_text if opcode == TEXT else self._session.receive
        reason = receive(payload, now)
        if not self._named:
            self._note_name()
        if reason is not None:
            self.close(reason)
        elif len(payload) > HEAVY_BYTES:
            self._rest_after(time.monotonic() - now_s)

    def on_message_too_large(self, opcode: int, now_s: float) -> None:
        reason = self._session.too_large()
        if reason is not None:
            self.close(reason)

    def check(self, now_s: float) -> None:
        self._session.check()
        super().check(now_s)
        if time.time() >= self._ends_at:
            self.close(CERTIFICATE_EXPIRED)

    def on_refused(self, cause: str) -> None:
        self._session.refuse(cause)

    # ---- replies out

    def write(self, data: bytes) -> None:
        if not self.transport.is_close_frame_sent:  # what waited for the disk may come too late: the vehicle sends it again then
            self.transport.underlying_transport.write(data)

    def pause_reading(self) -> None:
        self._held_back = True
        self._read_or_not()

    def resume_reading(self) -> None:
        self._held_back = False
        self._read_or_not()

    def pause_writing(self) -> None:
        """The vehicle does not take its acks: nothing more is read from it until it does, so that they cannot pile up."""
        self._unread = True
        self._read_or_not()

    def resume_writing(self) -> None:
        self._unread = False
        self._read_or_not()

    def _rest_after(self, took_s: float) -> None:
        if took_s > HEAVY_S:
            self._hub.counts.heavy_messages += 1
            for connection in self._hub.connections.of_vehicle(self._session.vin):
                if isinstance(connection, VehicleConnection):
                    connection.rest(REST_TIMES * took_s)

    def rest(self, seconds: float) -> None:
        """Nothing is read from it for so long."""
        self._resting += 1
        self._read_or_not()
        self._rules.timer.call_later(seconds, self._rested)

    def _rested(self) -> None:
        self._resting -= 1
        if not self.is_over:
            self._read_or_not()

    def _read_or_not(self) -> None:
        """There are three reasons not to read, and the end of one is not the end of the others."""
        if self._held_back or self._unread or self._resting:
            self.transport.underlying_transport.pause_reading()
        else:
            self.transport.underlying_transport.resume_reading()


def vehicle_rules(hub: Hub, timer: Any) -> Rules:
    settings = hub.settings
    return Rules("vehicle", settings.max_frame_bytes, settings.ping_interval, timer, hub.counts)
