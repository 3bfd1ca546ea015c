"""
Why we close a WebSocket connection: each reason once, for the CLOSE frame, the log, the metrics and the documents.

    cause   a fixed word: the label of `teslafast_closes_total` and the log line's `cause`
    code    what the CLOSE frame says (RFC 6455, 7.4.1)
    text    what the CLOSE frame adds, for a person

Two causes have no CLOSE of ours: PEER (the other side ended the connection) and PROTOCOL_VIOLATION (picows ended it, over a frame
that breaks RFC 6455).
"""

from __future__ import annotations

from dataclasses import dataclass

PEER = "peer"
PROTOCOL_VIOLATION = "protocol"


@dataclass(frozen=True, slots=True)
class CloseReason:
    cause: str
    code: int
    text: str = ""


RESERVED_BITS = CloseReason("reserved_bits", 1002, "no extension was negotiated")
FRAGMENTS = CloseReason("fragments", 1002, "fragments out of order")
NOT_UTF8 = CloseReason("not_utf8", 1007, "a text message must be UTF-8")
SILENT = CloseReason("silent", 1001, "no answer to a ping")
FLOOD = CloseReason("flood", 1008, "too many messages in one second")
TLS_FLOOD = CloseReason("tls_flood", 1008, "too many TLS messages without data")
CERTIFICATE_EXPIRED = CloseReason("certificate_expired", 1008, "the certificate has expired")
REPLACED = CloseReason("replaced", 1001, "newer connections of this vehicle took its place")
VEHICLE_DRAIN = CloseReason("drain", 1001, "the server is restarting")
DASHBOARD_DRAIN = CloseReason("drain", 1012, "the server is restarting")
VEHICLE_LOG_AWAY = CloseReason("log_away", 1001, "this node is cut off from the others")
DASHBOARD_LOG_AWAY = CloseReason("log_away", 1012, "this node is cut off from the others")
LOG_RENEWED = CloseReason("log_renewed", 1012, "the log begins anew")
TEXT_FROM_VEHICLE = CloseReason("text", 1003, "vehicles send binary messages")
TOO_LARGE = CloseReason("too_large", 1009, "the message is too large")
STALLED = CloseReason("stalled", 1013, "the client stopped reading")
NOT_READING = CloseReason("not_reading", 1008, "the client sends without reading")
INVALID_MESSAGES = CloseReason("errors", 1008, "too many invalid messages")
TOKEN_EXPIRED = CloseReason("token_expired", 1008, "the token has expired")
TOKEN_KEY_REMOVED = CloseReason("token_key_removed", 1008, "the key that signed the token is no longer accepted")
NO_TOKEN_IN_TIME = CloseReason("no_token", 1008, "no token came in time")
CROWDED = CloseReason("crowded", 1013, "too many connections without a token")
FAULT = CloseReason("fault", 1011, "an error in the server")

CLOSE_REASONS = (
    RESERVED_BITS,
    FRAGMENTS,
    NOT_UTF8,
    SILENT,
    FLOOD,
    TLS_FLOOD,
    CERTIFICATE_EXPIRED,
    REPLACED,
    VEHICLE_DRAIN,
    DASHBOARD_DRAIN,
    TEXT_FROM_VEHICLE,
    TOO_LARGE,
    STALLED,
    NOT_READING,
    INVALID_MESSAGES,
    TOKEN_EXPIRED,
    TOKEN_KEY_REMOVED,
    NO_TOKEN_IN_TIME,
    CROWDED,
    FAULT,
)
