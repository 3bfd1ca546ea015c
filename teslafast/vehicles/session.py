"""
One vehicle's conversation: messages in; records into the hub, replies out, and at most one reason to close.

    binary message ──▶ envelope ──▶ record ──▶ hub.submit ──▶ ack, with the others of this turn in one write
                          │            └ does not parse ──▶ error reply                  (docs/protocol.md has the table)
                          └ an unknown topic ──▶ ack if the sender is who it says, else error reply

Pure: no picows, no clock, no transport. A message's memory is borrowed: it is decoded before `receive` returns.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from .._fanout import frame
from ..close_reasons import FLOOD, TEXT_FROM_VEHICLE, CloseReason
from ..core.hub import Hub
from ..core.records import OwnBytes, connectivity, fleet_of_connectivity
from ..core.registry import VehicleEntry
from ..core.turn import Replies
from ..errors import Malformed
from ..logs import fields, log
from ..protocol._wire import FLAT, FLEET, TOPICS, Envelope, ack, error_reply, read_envelope, read_record, write_record
from ..protocol.identity import Device
from ..vin import is_vin, mended_vin
from ..websocket.text_frames import BINARY_OPCODE, message, refusal
from .admission import AdmitVehicle
from .json_text import Text, read_text
from .rate_limit import RateLimits

REFUSED_AT_MOST = 1000  # messages between two checks, about a second: no car sends as many good ones
STREAM_MESSAGE_TYPE = 4  # the envelope's message type that carries records


class Now(NamedTuple):
    """`monotonic_s` counts from anywhere; `wall_ns`: ns since 1970."""

    monotonic_s: float
    wall_ns: int


class VehicleSession:
    """A vehicle may have several at once; what is known of it across them stands in the registry."""

    __slots__ = (
        "_address",
        "_admitted",
        "_client_version",
        "_connection_id",
        "_entry",
        "_hub",
        "_limits",
        "_refused",
        "_replies",
        "_vin",
        "messages",
    )

    def __init__(self, hub: Hub, limits: RateLimits, admitted: AdmitVehicle, address: str, replies: Replies) -> None:
        self._hub = hub
        self._limits = limits
        self._admitted = admitted
        self._address = address
        self._replies = replies
        self._connection_id = admitted.connection_id or str(uuid.uuid4())
        self._vin = admitted.device.vin
        self._entry: VehicleEntry | None = None  # once it is known which vehicle this is
        self._client_version = admitted.client_version.encode(errors="replace") if hub.keeps_own else b""
        self._refused = 0  # messages, since the last check
        self.messages = 0

    @property
    def vin(self) -> str:
        """ "" until a vehicle in development has named itself."""
        return self._vin

    # ---- its life

    def begin(self, now: Now) -> None:
        if self._vin:
            self._join(now)

    def end(self, now: Now) -> None:
        if self._entry is not None and self._hub.registry.leave(self._entry):
            self._report_connectivity(False, now)

    def _join(self, now: Now) -> None:
        """It is known now which vehicle this is; its first connection makes it CONNECTED."""
        admitted = self._admitted
        self._entry, first = self._hub.registry.join(self._vin, admitted.network_interface, admitted.client_version)
        log.info(
            "vehicle_connected",
            extra=fields(
                vin=self._vin,
                address=self._address,
                kind=admitted.device.kind,
                verified=admitted.verified,
                version=admitted.client_version,
                interface=admitted.network_interface,
            ),
        )
        if first:
            self._report_connectivity(True, now)

    def _report_connectivity(self, connected: bool, now: Now) -> None:
        report = connectivity(self._vin, connected, self._connection_id, self._admitted.network_interface, now.wall_ns)
        fleet = partial(fleet_of_connectivity, report.body)
        own = None
        if self._hub.keeps_own:
            own = (self._connection_id.encode(), self._client_version, write_record(b"connectivity", fleet()))
        self._hub.submit(self._vin, report, fleet, None, now.wall_ns, own)

    def _name(self, vin: bytes, now: Now) -> None:
        """An unverified vehicle (development) that did not say who it is when it connected does so in its first message."""
        try:
            named = vin.decode("ascii")
        except UnicodeDecodeError:
            named = ""
        named = mended_vin(named)
        if not is_vin(named):
            raise Malformed("the vehicle has no name: connect to /?vin=VIN")
        self._vin = named
        self._join(now)

    # ---- messages

    def receive(self, payload: memoryview, now: Now) -> CloseReason | None:
        """One binary message, answered exactly once."""
        self.messages += 1
        txid = b""
        try:
            # before anything is decoded: a message that does not parse costs as much
            within = not self._limits.rate or self._within_rate(now)
            envelope = read_envelope(payload)
            txid = envelope.txid
            reply = self._answer(envelope, now) if within else error_reply(txid)
        except Malformed as error:
            self.refuse("malformed", str(error))
            reply = error_reply(txid or error.txid)
        self._replies.add(frame(BINARY_OPCODE, reply))
        return FLOOD if self._refused > REFUSED_AT_MOST else None

    def too_large(self) -> CloseReason | None:
        """A message beyond the limit: answered like any that does not parse."""
        self.messages += 1
        self.refuse("too_large")
        self._replies.add(frame(BINARY_OPCODE, error_reply(b"")))
        return FLOOD if self._refused > REFUSED_AT_MOST else None

    def check(self) -> None:
        """About once a second."""
        self._refused = 0

    def _answer(self, envelope: Envelope, now: Now) -> bytes:
        """The reply to a readable envelope, once what it holds has been submitted. Raises Malformed."""
        if envelope.message_type != STREAM_MESSAGE_TYPE:
            self.refuse("unknown_message_type")
            return ack(envelope.txid, b"")
        if not self._vin:
            self._name(envelope.device_id, now)
        topic = envelope.topic
        if topic not in TOPICS:
            return self._answer_unknown_topic(envelope)
        payload, txid, vin, hub = envelope.payload, envelope.txid, self._vin, self._hub
        record = read_record(topic, payload, vin, FLAT)
        own = (txid, self._client_version, payload) if hub.keeps_own else None
        hub.submit(vin, record, partial(_fleet_body, envelope, vin), txid, now.wall_ns, own)
        hub.counts.take_record(record.kind, record.signals, len(payload), record.vin_differs)
        if record.unknown_values:
            self._note_unknown(record.unknown_values)
        return ack(txid, topic)

    def _note_unknown(self, members: Mapping[int, int]) -> None:
        """Values in members of `Value` that this version does not know: newer firmware, or nonsense."""
        self._hub.counts.take_unknown_values(sum(members.values()))
        log.info("unknown_values", extra=fields(cause="newer_schema", members=sorted(members)[:8], vin=self._vin))

    def _answer_unknown_topic(self, envelope: Envelope) -> bytes:
        device = self._admitted.device
        device = Device(self._vin, device.kind, device.spelling)  # in development it may have said since who it is
        if envelope.sender_id not in (device.sender_id.encode(), device.device_id.encode()):
            self.refuse("unknown_sender")
            return error_reply(envelope.txid)
        self._hub.counts.take_unknown_topic()
        return ack(envelope.txid, envelope.topic)

    def _within_rate(self, now: Now) -> bool:
        if self._limits.allowed(self._vin, now.monotonic_s):
            return True
        self.refuse("rate_limit")
        return False

    # ---- JSON text, in development only

    def receive_text(self, payload: bytes, now: Now) -> CloseReason | None:
        self.messages += 1
        if self._admitted.verified:
            self.refuse("text")
            return TEXT_FROM_VEHICLE
        reply = self._answer_text(payload, now)
        if reply is not None:
            self._replies.add(reply)
        return FLOOD if self._refused > REFUSED_AT_MOST else None

    def _answer_text(self, payload: bytes, now: Now) -> bytes | None:
        if not self._within_rate(now):
            return refusal("over VEHICLE_RATE_LIMIT")
        try:
            text = read_text(payload, self._vin)
            if not self._vin:
                self._name(text.report.body["vin"].encode(), now)
            txid = b"" if text.txid is None else str(text.txid).encode()
            report, counts = text.report, self._hub.counts
            self._hub.submit(self._vin, report, text.fleet, txid, now.wall_ns, self._own_of(text, txid))
            counts.take_record(report.kind, report.signals, 0, report.vin_differs)
        except Malformed as error:
            self.refuse("malformed", str(error))
            return refusal(str(error))
        return None if text.txid is None else message(type="ack", txid=text.txid)

    def _own_of(self, text: Text, txid: bytes) -> OwnBytes | None:
        if not self._hub.keeps_own:
            return None
        known = (txid, self._client_version)
        return known if text.payload is None else (*known, text.payload)

    def refuse(self, cause: str, reason: str = "") -> None:
        """Counts a message that is not accepted, and says so in the log."""
        self._refused += 1
        self._hub.counts.refuse_message(cause)
        if self._entry is not None:
            self._entry.refuse()
        log.warning("message_refused", extra=fields(cause=cause, reason=reason, vin=self._vin, address=self._address))


def _fleet_body(envelope: Envelope, vin: str) -> dict[str, Any]:
    return read_record(envelope.topic, envelope.payload, vin, FLEET).body
