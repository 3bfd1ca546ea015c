"""
A vehicle's connection: each message decoded, put into the log, and answered; and the story of the connection.

    binary message ──▶ envelope ──▶ record ──▶ hub.publish ──▶ ack, with the others of this turn in one write
                          │            └ does not parse ──▶ error reply           (tesla-protocol.md 2.1 has the table)
                          └ a topic that we do not know ──▶ ack if the sender is who it says, else error reply

Nothing here awaits. The frame's memory is borrowed: it is decoded before `on_ws_frame` returns.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from .._fanout import frame as websocket_frame
from ..core import records
from ..core.hub import Hub
from ..core.registry import VehicleEntry
from ..errors import Malformed
from ..logs import fields, log
from ..protocol._wire import FLAT, FLEET, TOPICS, DecodedRecord, Envelope, ack, error_reply, read_envelope, read_record
from ..vehicles import json_text
from ..vin import is_vin
from ..websocket import closing, text_frames
from ..websocket._transport import slim
from .admission import AdmitVehicle

STREAM = 4  # the envelope's message type that carries records
PINGS_AT_MOST = 1000  # between two checks, which is about a second
CLOSE_GRACE_S = 1.0  # between our CLOSE and the end of the TCP connection


class VehicleConnection(WSListener):
    """One connection. A vehicle may have several; what is known of it across them stands in the registry."""

    def __init__(self, hub: Hub, admitted: AdmitVehicle, address: str) -> None:
        self._hub = hub
        self._admitted = admitted
        self._address = address
        self._connection_id = admitted.connection_id or str(uuid.uuid4())
        self._vin = admitted.device.vin
        self._entry = VehicleEntry(self._vin)  # the registry's, once it is known which vehicle this is
        self._joined = False
        self._replies: list[bytes] = []
        self._parts: bytearray | None = None  # of a fragmented message
        self._parts_type = WSMsgType.BINARY
        self._too_large = False
        self._pings = 0  # since the last check
        self._waits = False  # for the disk, because too many replies do
        self._started_at = time.monotonic()
        self._messages = 0
        self._end_cause = "peer"
        self.heard_at = self._started_at
        self._pinged_at = 0.0

    # ---- the connection's life

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        slim(transport)
        self._hub.connections.add(self)
        if self._vin:
            self._join()

    def _join(self) -> None:
        """It is known now which vehicle this is: enters it in the registry; its first connection makes it CONNECTED."""
        self._entry, first = self._hub.registry.join(self._vin)
        self._joined = True
        self._entry.network_interface = self._admitted.network_interface
        self._entry.client_version = self._admitted.client_version
        log.info(
            "vehicle_connected",
            extra=fields(
                vin=self._vin,
                address=self._address,
                kind=self._admitted.device.kind,
                verified=self._admitted.verified,
                version=self._admitted.client_version,
                interface=self._admitted.network_interface,
            ),
        )
        if first:
            self._tell_connectivity(True)

    def _tell_connectivity(self, connected: bool) -> None:
        interface = self._admitted.network_interface
        report = records.connectivity(self._vin, connected, self._connection_id, interface, time.time_ns())
        self._hub.publish(self._vin, report, partial(records.fleet_of_connectivity, report.body))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._hub.part(self)
        self._replies.clear()
        cause = closing.log_end(
            "vehicle_disconnected",
            transport,
            self._end_cause,
            self._started_at,
            vin=self._vin,
            address=self._address,
            messages=self._messages,
        )
        self._hub.counts.closes[cause] += 1
        if self._joined and self._hub.registry.leave(self._entry):
            self._tell_connectivity(False)

    def close(self, code: WSCloseCode, cause: str, reason: str = "") -> None:
        """Says why, then ends the connection: at once if the other side agrees, else after CLOSE_GRACE_S."""
        if self._end_cause != "peer":
            return
        self._end_cause = cause
        self.send_replies()
        say = partial(self.transport.send_close, code, reason)
        self._hub.reply(b"", lambda _: say(), self.abort)  # after what waits for the disk
        self._hub.later(CLOSE_GRACE_S, self.abort)

    def abort(self) -> None:
        self.transport.underlying_transport.abort()

    def check(self, now: float) -> None:
        """Pings after PING_INTERVAL of silence; as long again without a sign of life is the end."""
        interval = self._hub.settings.ping_interval
        self._pings = 0
        if now - self.heard_at < interval:
            self._pinged_at = 0.0
        elif not self._pinged_at:
            self._pinged_at = now
            self.transport.send_ping()
        elif now - self._pinged_at >= interval:
            self.close(WSCloseCode.GOING_AWAY, "silent", "no answer to a ping")

    def pause_writing(self) -> None:
        """It does not take its acks: nothing more is read from it until it does, so they cannot pile up."""
        self.transport.underlying_transport.pause_reading()

    def resume_writing(self) -> None:
        self.transport.underlying_transport.resume_reading()

    # ---- frames

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.heard_at = time.monotonic()
        kind = frame.msg_type
        if self._end_cause != "peer":
            return  # we have said CLOSE: nothing more is taken in
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._refuse("reserved_bits")
            self.close(WSCloseCode.PROTOCOL_ERROR, "reserved_bits", "no extension was agreed on")
        elif kind == WSMsgType.BINARY and frame.fin and self._parts is None:
            self._take(frame.get_payload_as_memoryview())
        elif kind in (WSMsgType.BINARY, WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._take_part(kind, frame)
        elif kind == WSMsgType.PING:
            self._answer_ping(frame)
        elif kind == WSMsgType.CLOSE:
            self._answer_close(frame)

    def _answer_ping(self, frame: WSFrame) -> None:
        self._pings += 1
        if self._pings > PINGS_AT_MOST:
            self.close(WSCloseCode.POLICY_VIOLATION, "flood", "too many pings")
            return
        self.transport.send_pong(frame.get_payload_as_bytes())

    def _answer_close(self, frame: WSFrame) -> None:
        self.send_replies()
        self._hub.reply(b"", partial(self._end, closing.close_reply(frame)), self.abort)

    def _end(self, code: WSCloseCode, _: bytes) -> None:
        self.transport.send_close(code)
        self.transport.disconnect()

    def _take_part(self, kind: WSMsgType, frame: WSFrame) -> None:
        """Puts a fragmented message together, within the message limit: of one that is too large nothing more is kept."""
        parts = self._parts_for(kind)
        if parts is None:
            return
        self._too_large |= len(parts) + frame.payload_size > self._hub.settings.max_frame_bytes
        if self._too_large:
            parts.clear()
        else:
            parts += frame.get_payload_as_memoryview()
        if frame.fin:
            self._take_whole(parts)

    def on_too_large(self, opcode: int, fin: int) -> None:
        """A frame beyond the message limit was thrown away as it came: its message is answered like any that is no good."""
        self.heard_at = time.monotonic()
        parts = self._parts_for(WSMsgType(opcode)) if self._end_cause == "peer" else None
        if parts is None:
            return
        self._too_large = True
        parts.clear()
        if fin:
            self._take_whole(parts)

    def _parts_for(self, kind: WSMsgType) -> bytearray | None:
        """What the message of this frame has so far; None if there can be no such frame now: then the connection ends."""
        if (kind == WSMsgType.CONTINUATION) == (self._parts is None):
            self._refuse("fragments")
            self.close(WSCloseCode.PROTOCOL_ERROR, "fragments", "fragments out of order")
        elif self._parts is None:
            self._parts, self._parts_type, self._too_large = bytearray(), kind, False
        return None if self._end_cause != "peer" else self._parts

    def _take_whole(self, message: bytearray) -> None:
        self._parts = None
        if self._too_large:
            self._messages += 1
            self._refuse("too_large")
            self._reply(error_reply(b""))
        elif self._parts_type == WSMsgType.TEXT:
            self._take_text(bytes(message))
        else:
            self._take(memoryview(message))

    def _take(self, message: memoryview) -> None:
        """One binary message, answered exactly once."""
        self._messages += 1
        txid = b""
        try:
            envelope = read_envelope(message)
            txid = envelope.txid
            self._reply(self._answer(envelope))
        except Malformed as error:
            self._refuse("malformed", str(error))
            self._reply(error_reply(txid or error.txid))

    def _answer(self, envelope: Envelope) -> bytes:
        """The reply to a readable envelope, after what it holds is in the log. Raises Malformed."""
        if envelope.message_type != STREAM:
            self._refuse("unknown_message_type")
            return ack(envelope.txid, b"")
        if not self._vin:
            self._name(envelope.device_id)
        if envelope.topic not in TOPICS:
            return self._answer_unknown_topic(envelope)
        if not self._within_rate():
            return error_reply(envelope.txid)
        record = read_record(envelope.topic, envelope.payload, self._vin, FLAT)
        self._publish(record, envelope.txid, partial(_fleet, envelope, self._vin))
        self._hub.counts.record_bytes[record.kind] += len(envelope.payload)
        return ack(envelope.txid, envelope.topic)

    def _answer_unknown_topic(self, envelope: Envelope) -> bytes:
        device = self._admitted.device
        if envelope.sender_id not in (f"{device.kind}.{self._vin}".encode(), self._vin.encode()):
            self._refuse("unknown_sender")
            return error_reply(envelope.txid)
        self._hub.counts.records["unknown_topic"] += 1
        return ack(envelope.txid, envelope.topic)

    def _publish(self, record: DecodedRecord | records.Report, txid: bytes, fleet: Callable[[], dict[str, Any]]) -> None:
        """Into the log, and into what is known of this vehicle. Raises Malformed."""
        self._hub.publish(self._vin, record, fleet)
        entry, counts = self._entry, self._hub.counts
        entry.heard(record.kind, record.signals, time.time_ns())
        entry.seen_before(txid)
        if record.kind == "data":
            entry.note_order(record.created_ns, record.is_resend)
        entry.vin_differs += record.vin_differs
        counts.vin_differs += record.vin_differs
        counts.records[record.kind] += 1
        counts.signals += record.signals

    def _within_rate(self) -> bool:
        rate = self._hub.settings.vehicle_rate_limit
        if not rate or self._entry.allowed(rate, self.heard_at):
            return True
        self._refuse("rate_limit")
        return False

    def _name(self, vin: bytes) -> None:
        """An unverified vehicle (development) that did not say who it is when it connected does so in its first message."""
        try:
            self._vin = vin.decode("ascii")
        except UnicodeDecodeError:
            self._vin = ""
        if not is_vin(self._vin):
            self._vin = ""
            raise Malformed("the vehicle has no name: connect to /?vin=VIN")
        self._join()

    # ---- JSON text, in development only

    def _take_text(self, message: bytes) -> None:
        self._messages += 1
        if self._admitted.verified:
            self._refuse("text")
            self.close(WSCloseCode.UNSUPPORTED_DATA, "text", "vehicles send binary messages")
            return
        try:
            text = json_text.read_text(message, self._vin)
            if not self._vin:
                self._name(text.report.body["vin"].encode())
            if not self._within_rate():
                self._say(text_frames.refusal("over VEHICLE_RATE_LIMIT"))
                return
            self._publish(text.report, b"" if text.txid is None else str(text.txid).encode(), text.fleet)
        except Malformed as error:
            self._refuse("malformed", str(error))
            self._say(text_frames.refusal(str(error)))
            return
        if text.txid is not None:
            self._say(text_frames.message(type="ack", txid=text.txid))

    # ---- replies

    def _reply(self, message: bytes) -> None:
        self._say(websocket_frame(text_frames.BINARY, message))

    def _say(self, reply: bytes) -> None:
        if not self._replies:
            self._hub.owe(self)
        self._replies.append(reply)

    def send_replies(self) -> None:
        """Everything that this turn's messages are answered with, in one write."""
        if self._replies:
            self._waits = not self._hub.reply(b"".join(self._replies), self._write, self.abort)
            self._replies.clear()
            if self._waits:
                self.pause_writing()

    def _write(self, replies: bytes) -> None:
        if self._waits:
            self._waits = False
            self.resume_writing()
        if not self.transport.is_close_frame_sent:  # what waited for the disk may come too late: it is sent again then
            self.transport.underlying_transport.write(replies)

    def _refuse(self, cause: str, reason: str = "") -> None:
        self._hub.counts.refused_messages[cause] += 1
        self._entry.refused += 1
        log.warning("message_refused", extra=fields(cause=cause, reason=reason, vin=self._vin, address=self._address))


def _fleet(envelope: Envelope, vin: str) -> dict[str, Any]:
    return read_record(envelope.topic, envelope.payload, vin, FLEET).body
