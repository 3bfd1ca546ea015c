"""
The door at `/streaming/`: TeslaMate's streaming protocol, and that of everybody who spoke the Owner API's.

    messages   go out as binary frames: teslajsonpy and openHAB read no others, TeslaMate takes both
    the end    of a connection is that of TCP, with no CLOSE frame before it: TeslaMate's process fails over one, and the drive
               that it was recording is lost. A CLOSE of the client's is answered.
    strangers  show their token in their first message. They have FIRST_MESSAGE_S for it, and REFUSED_S after a bad one, so that
               TeslaMate finds out by itself; how many there may be stands in core/connections.py

A client that does not read is ended when UNSENT_AT_MOST bytes wait for it, or after two ping intervals.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from picows import WSCloseCode, WSFrame, WSMsgType, WSTransport

from .._fanout import frame
from ..close_reasons import FLOOD, NO_TOKEN_IN_TIME, STALLED, TOO_LARGE
from ..core.hub import Hub
from ..core.load import ServerLoad
from ..event_loop import Timer
from ..http_messages import Request
from ..logs import fields, log
from ..websocket.connection import BINARY, CLOSE, ServerConnection
from ..websocket.rules import Rules
from ..websocket.upgrade import Upgrade
from ._teslamate_rows import VehicleRows
from .teslamate_feed import RowFeed
from .teslamate_session import TeslaMateSession
from .tokens import Grant, Verifier, find_tokens

SUBSCRIBE_LIMIT = 12 * 1024  # bytes of a message: a token, and columns several times over
SAID_AT_MOST = 300  # frames between two checks, about a second: twice what a hundred subscriptions take
UNSENT_AT_MOST = 64 * 1024  # bytes that wait for a client: some 400 rows, several minutes of a drive
FIRST_MESSAGE_S = 10.0  # clients subscribe at once, or when they have heard the hello
REFUSED_S = 60.0  # TeslaMate tries again after 30 s of silence
_BINARY: int = BINARY.value
_PATH_TOKEN = ("/streaming/", "/streaming")


def tokens_of_path(request: Request) -> list[str]:
    """The TOKEN of `/TOKEN/streaming/`, else those that any other door finds."""
    path = request.path
    for suffix in _PATH_TOKEN:
        if path.endswith(suffix) and len(path) > len(suffix):
            return [path.removesuffix(suffix).removeprefix("/")]
    return find_tokens(request)


@dataclass(frozen=True, slots=True)
class AdmitTeslaMate:
    """`grant`: None if its token comes in a message."""

    grant: Grant | None


class TeslaMateDoor:
    """`connect(admission, address)` makes the connection's picows listener."""

    name = "teslamate"
    websocket = True

    def __init__(self, connect: Callable[[AdmitTeslaMate, str], Any]) -> None:
        self._connect = connect

    def admit(self, request: Request, grant: Grant | None) -> AdmitTeslaMate:
        return AdmitTeslaMate(grant)

    def open(self, admission: AdmitTeslaMate, address: str) -> Upgrade:
        return Upgrade(self._connect(admission, address), SUBSCRIBE_LIMIT)


class TeslaMateConnection(ServerConnection):
    """One connection. The reader of its rows."""

    door = TeslaMateDoor.name

    __slots__ = ("_blocked_at", "_feed", "_frames", "_hub", "_load", "_named", "_rows", "_sent_bytes", "_session", "_socket")

    def __init__(
        self,
        hub: Hub,
        rules: Rules,
        verifier: Verifier,
        feed: RowFeed,
        load: Callable[[], ServerLoad],
        admitted: AdmitTeslaMate,
        address: str,
    ) -> None:
        super().__init__(rules, address)
        self._hub = hub
        self._feed = feed
        self._load = load
        self._session = TeslaMateSession(hub, verifier, feed, admitted.grant, self._write, self._require_room)
        self._named: str | None = None  # whom the token names, once it is a dashboard
        self._rows: list[bytes] = []  # of this turn of the event loop, as frames
        self._sent_bytes = 0
        self._frames = 0  # since the last check
        self._blocked_at: float | None = None

    # ---- its life

    def on_opened(self) -> None:
        self._socket: Any = self.transport.underlying_transport
        self._socket.set_write_buffer_limits(high=0)  # pause_writing as soon as it holds anything
        if self._session.sub is None:
            self._hub.connections.add_stranger(self)
        else:
            self._become_dashboard(self._session.sub)
        self._session.greet(time.monotonic())

    def _become_dashboard(self, sub: str) -> None:
        self._hub.connections.remove_stranger(self)
        self._named = sub
        self._hub.connections.add_dashboard(self, sub)
        log.info("dashboard_connected", extra=fields(sub=sub, door="teslamate", address=self.address))

    def _require_room(self, sub: str) -> None:
        self._load().require_room_for_dashboard(self._hub.settings.max_dashboards, sub)

    def on_ended(self) -> None:
        self._session.leave(self)
        self._session.end()
        self._hub.connections.remove_stranger(self)
        if self._named is not None:
            self._hub.connections.remove_dashboard(self, self._named)
        self._hub.counts.add_sent(self._sent_bytes)

    def finish(self, send_close: Callable[[], object]) -> None:
        self._session.leave(self)
        send_close()

    def _send_close(self, code: WSCloseCode, text: str) -> None:
        self._socket.close()  # once all has left; no CLOSE frame

    def log_fields(self) -> dict[str, object]:
        return {"sub": self._named, "door": "teslamate", "bytes": self._sent_bytes}

    def check(self, now_s: float) -> None:
        self._frames = 0
        if self.closing:
            return
        if self._named is None:
            allowed_s = REFUSED_S if self._session.refused else FIRST_MESSAGE_S
            if now_s - self._started_at >= allowed_s:
                self.close(NO_TOKEN_IN_TIME)
                return
        if self.blocked:
            if self.stalled_s(now_s) >= 2 * self._rules.ping_interval_s:
                self.close(STALLED)
                return
        else:
            super().check(now_s)
        reason = self._session.check(time.time(), now_s)
        if reason is not None:
            self.close(reason)

    # ---- for a drain and the metrics

    @property
    def sent_bytes(self) -> int:
        return self._sent_bytes

    @property
    def behind(self) -> int:
        return self._feed.behind

    @property
    def blocked(self) -> bool:
        return self._blocked_at is not None

    @property
    def up_to_date(self) -> bool:
        return not self.blocked and not self._feed.behind

    def stalled_s(self, now_s: float) -> float:
        return 0.0 if self._blocked_at is None else now_s - self._blocked_at

    def pause_writing(self) -> None:
        self._blocked_at = time.monotonic()

    def resume_writing(self) -> None:
        self._blocked_at = None

    # ---- what it is told

    def give_row(self, vin: str, rows: VehicleRows) -> None:
        self._rows += self._session.rows_of(vin, rows)

    def flush(self) -> None:
        rows, self._rows = self._rows, []
        self._send(rows[0] if len(rows) == 1 else b"".join(rows))

    def _write(self, message: bytes) -> None:
        self._send(frame(_BINARY, message))

    def _send(self, data: bytes) -> None:
        """Whole frames, at once."""
        if self.closing:
            return
        self._sent_bytes += len(data)
        self._socket.write(data)
        if self._blocked_at is not None and self._socket.get_write_buffer_size() > UNSENT_AT_MOST:
            self.close(STALLED)

    # ---- what it says

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if not self.closing and frame.msg_type != CLOSE:
            self._frames += 1
            if self._frames > SAID_AT_MOST:
                self.close(FLOOD)
                return
        super().on_ws_frame(transport, frame)

    def on_message(self, opcode: WSMsgType, payload: Any, now_s: float) -> None:
        reason = self._session.receive(bytes(payload), time.time(), now_s, self)
        if self._named is None and self._session.sub is not None:
            self._become_dashboard(self._session.sub)
        if reason is not None:
            self.close(reason)

    def on_too_large(self, opcode: int, fin: int) -> None:
        if not self.closing:
            self._refuse(TOO_LARGE)

    def on_message_too_large(self, opcode: int, now_s: float) -> None:
        self._refuse(TOO_LARGE)


def teslamate_rules(hub: Hub, timer: Timer) -> Rules:
    return Rules("dashboard", SUBSCRIBE_LIMIT, hub.settings.ping_interval, timer, hub.counts)
