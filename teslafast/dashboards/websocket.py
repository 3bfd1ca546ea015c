"""
A dashboard's connection: its place in a log, what it may say, and how long it may stay.

The bytes that it gets are the log's business (`_fanout`); this class tells the log when the transport is full and when it has
drained, and puts the few words of its own in front: snapshots, gaps, answers. They go through the reader, so that they are in
order and wait when the dashboard is slow; but for hello, which is written first of all, and refusals, which a dashboard that is
shown out for them must still get.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import orjson
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from .._fanout import ALL_KINDS, Reader
from ..core import records
from ..core.hub import Hub
from ..dashboards import messages
from ..errors import Refused
from ..logs import fields, log
from ..vin import is_vin
from ..websocket import closing, text_frames
from ..websocket._transport import slim
from .admission import AdmitDashboard
from .subscription import parse_kinds
from .tokens import Verifier

LARGEST_MESSAGE = 4096  # bytes; what a dashboard may say
ERRORS_AT_MOST = 10  # then it is shown out
WARN_S = 60.0  # before its token ends
SAID_AT_MOST = 1000  # frames that it may send between two checks, which is about a second; all at once they cost some 20 ms
UNHEARD_AT_MOST = 100  # frames that it may send while it takes nothing
CLOSE_GRACE_S = 1.0
MERGE_STEP = 256  # events merged between two looks at whether others wait
MERGE_SLACK_MS = 50
EAGER = 256  # snapshots made at once, so that they are of the very moment at which the stream begins


class DashboardConnection(WSListener):
    """One connection to `/stream`."""

    __slots__ = (
        "_address",
        "_end_cause",
        "_errors",
        "_grant",
        "_heard_at",
        "_hub",
        "_log",
        "_pinged_at",
        "_reader",
        "_said",
        "_started_at",
        "_subscription",
        "_transport",
        "_unheard",
        "_verifier",
        "_vins",
        "_warned",
    )

    def __init__(self, hub: Hub, verifier: Verifier, admitted: AdmitDashboard, address: str) -> None:
        self._hub = hub
        self._verifier = verifier
        self._grant = admitted.grant
        self._vins = admitted.subscription.vins
        self._subscription = admitted.subscription
        self._address = address
        self._errors = 0
        self._said = 0
        self._unheard = 0
        self._warned = False
        self._pinged_at = 0.0
        self._started_at = self._heard_at = time.monotonic()
        self._end_cause = "peer"

    # ---- the connection's life

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        slim(transport)
        self._hub.connections.add(self)
        self._hub.dashboards += 1
        transport.underlying_transport.set_write_buffer_limits(high=0)  # pause_writing as soon as it holds anything
        self._log = self._hub.views.log_for(self._subscription.view, self._hub.log)
        underlying: Any = transport.underlying_transport  # aiofastnet's, whatever picows' stub says
        self._reader = Reader(underlying, self)
        if not self._subscription.fleet:
            underlying.write(messages.hello(self._hub.epoch, self._hub.log.seq, self._hub.log.oldest))
        if self._subscription.interval_ms:
            self._log.subscribe(self._reader, self._vins, self._subscription.kinds)
            self._reader.say(self._merged_since())
        else:
            self._log.subscribe(self._reader, self._vins, self._subscription.kinds, self._after())
        self._tell_snapshots(self._vins)
        log.info("dashboard_connected", extra=fields(sub=self._grant.sub, address=self._address))

    def _after(self) -> int | None:
        """The seq after which it wants to go on; -1 if that is no place in this log."""
        subscription = self._subscription
        if subscription.since is None:
            return None
        known = subscription.epoch in (None, self._hub.epoch) and subscription.since <= self._hub.log.seq
        return subscription.since if known else -1

    def _merged_since(self) -> Iterator[bytes]:
        """
        `since` in an interval's view: what came after it, data merged to one message a vehicle, the other kinds one by one.

        It starts an interval and a bit earlier: a merged message on its way may have been lost with the connection.
        """
        after = self._after()
        if after is None:
            return
        flat = self._hub.log
        if after < 0 or flat.oldest > after + 1:
            yield messages.gap(after + 1, flat.oldest - 1)
        merged: dict[str, dict[str, Any]] = {}
        seq = flat.seq_before(max(after, 0), self._subscription.interval_ms + MERGE_SLACK_MS)
        while batch := flat.events_after(seq, MERGE_STEP):
            for seq, kind, _, text, _ in batch:
                event = orjson.loads(text)
                if not self._subscription.kinds >> kind & 1 or not (self._vins is None or event["vin"] in self._vins):
                    continue
                if kind == records.DATA:
                    known = merged.get(event["vin"])
                    merged[event["vin"]] = event if known is None else event | {"data": known["data"] | event["data"]}
                elif seq > after:
                    yield text_frames.message(**event)
            yield b""
        yield from (text_frames.message(**event | {"seq": seq}) for event in merged.values())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._hub.part(self)
        self._hub.dashboards -= 1
        self._hub.counts.sent_bytes += self._reader.sent_bytes
        self._leave_log()
        cause = closing.log_end(
            "dashboard_disconnected",
            transport,
            self._end_cause,
            self._started_at,
            sub=self._grant.sub,
            address=self._address,
            bytes=self._reader.sent_bytes,
            gaps=self._reader.gaps,
        )
        self._hub.counts.closes[cause] += 1
        self._reader.end()

    def _leave_log(self) -> None:
        self._log.unsubscribe(self._reader)
        self._hub.views.release(self._log)

    def close(self, code: WSCloseCode, cause: str, reason: str = "") -> None:
        """Says why, then ends the connection: at once if the other side agrees, else after CLOSE_GRACE_S."""
        if self._end_cause != "peer":
            return
        self._end_cause = cause
        self._leave_log()
        self._transport.send_close(code, reason)
        self._hub.later(CLOSE_GRACE_S, self.abort)

    def abort(self) -> None:
        self._transport.underlying_transport.abort()

    @property
    def sent_bytes(self) -> int:
        return self._reader.sent_bytes

    @property
    def behind(self) -> int:
        return self._reader.behind

    @property
    def blocked(self) -> bool:
        return self._reader.blocked

    @property
    def up_to_date(self) -> bool:
        """Whether it has been given all that there is for it."""
        return self._reader.served

    @property
    def closing(self) -> bool:
        return self._end_cause != "peer"

    def stalled_s(self, now: float) -> float:
        """For how long it has taken nothing (`now`: monotonic)."""
        return now - self._reader.blocked_at if self._reader.blocked else 0.0

    def check(self, now: float) -> None:
        """Pings, ends what is silent, stalled or out of time (`now`: monotonic seconds)."""
        interval = self._hub.settings.ping_interval
        self._said = 0
        if self._end_cause != "peer":
            return
        if self._reader.blocked:
            if now - self._reader.blocked_at >= 2 * interval:
                self.close(WSCloseCode.TRY_AGAIN_LATER, "stalled", "nothing was taken for too long")
        elif now - self._heard_at < interval:
            self._pinged_at = 0.0
        elif not self._pinged_at:
            self._pinged_at = now
            self._transport.send_ping()
        elif now - self._pinged_at >= interval:
            self.close(WSCloseCode.GOING_AWAY, "silent", "no answer to a ping")
        self._check_token(time.time())

    def _check_token(self, now: float) -> None:
        if now >= self._grant.exp:
            self.close(WSCloseCode.POLICY_VIOLATION, "token_expired", "the token has expired")
        elif not self._warned and now >= self._grant.exp - WARN_S:
            self._warned = True
            if not self._subscription.fleet:
                self._reader.say([messages.token_expiring(self._grant.exp)])

    # ---- what the log and the transport tell

    def pause_writing(self) -> None:
        self._reader.block()

    def resume_writing(self) -> None:
        self._reader.wake()

    def on_gap(self, first: int, last: int) -> Iterable[bytes]:
        """The log: it was lapped. It is told what it missed, and what holds now, if it had been told that before."""
        self._hub.counts.gaps += 1
        if self._subscription.fleet:
            return ()
        return chain([messages.gap(first, last)], self._snapshots(self._vins) if self._subscription.snapshot else ())

    def on_fault(self, error: Exception) -> None:
        log.error("dashboard_failed", extra=fields(address=self._address), exc_info=error)
        self.close(WSCloseCode.INTERNAL_ERROR, "fault")

    def _tell_snapshots(self, vins: Iterable[str] | None) -> None:
        if self._subscription.snapshot and not self._subscription.fleet:
            frames = self._snapshots(vins)
            self._reader.say(chain(list(islice(frames, EAGER)), frames))

    def _snapshots(self, vins: Iterable[str] | None) -> Iterator[bytes]:
        """What is known of each vehicle that it sees, made as the transport takes them; each holds for the seq in it."""
        if not self._subscription.kinds & 1 << records.DATA:
            return
        for vin in self._hub.state.vins() if vins is None else sorted(vins):
            vehicle = self._hub.state.get(vin)
            if vehicle is not None:
                yield messages.snapshot(self._hub.log.seq, vin, vehicle.newest_ns, vehicle.values)

    # ---- what it says

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self._heard_at = time.monotonic()
        kind = frame.msg_type
        if self._end_cause != "peer" and kind != WSMsgType.CLOSE:
            return
        self._said += 1
        if self._said > SAID_AT_MOST and kind != WSMsgType.CLOSE:
            self.close(WSCloseCode.POLICY_VIOLATION, "flood", "too many messages")
        elif frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.close(WSCloseCode.PROTOCOL_ERROR, "reserved_bits", "no extension was agreed on")
        elif self._reader.blocked and kind != WSMsgType.CLOSE:
            self._note_unheard()
        elif kind == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.TEXT and frame.fin:
            self._take(frame.get_payload_as_bytes())
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self._refuse("one text frame a message, please")
        elif kind == WSMsgType.CLOSE:
            self._leave_log()
            if not transport.is_close_frame_sent:
                transport.send_close(closing.close_reply(frame))
            transport.disconnect()

    def _note_unheard(self) -> None:
        """It talks but does not listen: answers would pile up, so it gets none until it takes what it has been sent."""
        self._unheard += 1
        if self._unheard >= UNHEARD_AT_MOST:
            self.close(WSCloseCode.POLICY_VIOLATION, "flood", "it sends without taking anything")

    def _take(self, text: bytes) -> None:
        try:
            message = orjson.loads(text)
            kind = message.get("type") if isinstance(message, dict) else None
            if kind == "auth":
                self._renew(message)
            elif kind == "subscribe":
                self._subscribe(message)
            else:
                self._refuse("type is neither auth nor subscribe")
        except orjson.JSONDecodeError:
            self._refuse("not JSON")
        except Refused as error:
            self._refuse(str(error))

    def _renew(self, message: dict[str, Any]) -> None:
        """A new token in place of the old one, of the same `sub`; what is seen stays within what it grants."""
        token = message.get("token")
        if not isinstance(token, str):
            self._refuse("token is not a string")
            return
        grant = self._verifier.verify(token, time.time())
        if grant.sub != self._grant.sub:
            self._refuse("the token is another sub's")
            return
        seen = self._vins if grant.vins is None or self._vins is None else self._vins & grant.vins
        seen = grant.vins if seen is None else seen
        self._grant = grant
        self._warned = False
        if seen != self._vins:
            self._vins = seen
            self._log.resubscribe(self._reader, seen, self._subscription.kinds)
        self._reader.say([text_frames.message(type="auth", exp=int(grant.exp))])

    def _subscribe(self, message: dict[str, Any]) -> None:
        """Other vehicles or kinds from now on; those newly seen are told by snapshots."""
        vins, types = message.get("vins"), message.get("types")
        if not _is_list_of_strings(vins) or not _is_list_of_strings(types) or not all(map(is_vin, vins or ())):
            self._refuse("vins and types are lists of strings, or null")
            return
        seen = self._grant.narrowed(vins).vins
        kinds = ALL_KINDS if types is None else parse_kinds(types)
        before = self._vins
        self._vins = seen
        self._subscription = replace(self._subscription, kinds=kinds)

        self._log.resubscribe(self._reader, seen, kinds)
        self._reader.say([messages.subscribed(seen, types)])
        if before is not None:
            self._tell_snapshots(self._hub.state.vins() if seen is None else seen - before)

    def _refuse(self, reason: str) -> None:
        self._errors += 1
        self._hub.counts.refused_messages["dashboard"] += 1
        self._transport.underlying_transport.write(text_frames.refusal(reason))
        if self._errors >= ERRORS_AT_MOST:
            self.close(WSCloseCode.POLICY_VIOLATION, "errors", "too many messages that were no use")


def _is_list_of_strings(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value))
