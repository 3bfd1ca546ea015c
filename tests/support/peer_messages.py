"""What those say who talk to a server: a dashboard's token, a vehicle's messages, and what these must be answered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import jwt
from google.protobuf.json_format import ParseDict

from tests.support import oracle

SECRET = "a secret that only these tests know, of 32 bytes or more"  # minted for no server but those started here


def token(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """A dashboard's token as another program would mint it; `exp` in an hour unless it is given; a claim of None is left out."""
    claims = {"sub": "tests", "exp": time.time() + 3600} | claims
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, secret, algorithm=algorithm)


def payload(data: Mapping[str, Any], created: str = "2026-11-23T08:00:00.123Z", **members: Any) -> bytes:
    """A record of topic V; `data`: field → the alternative it has and its value, `{"Soc": {"floatValue": 1.0}}`."""
    datums = [{"key": key, "value": value} for key, value in data.items()]
    record = {"data": datums, "createdAt": created} | members
    return bytes(ParseDict(record, oracle.CLASSES[b"V"]()).SerializeToString())


def envelope(topic: bytes, txid: bytes, content: bytes, vin: str = "device-1") -> bytes:
    stream = {
        "created_at": 1_700_000_000,
        "sender_id": f"vehicle_device.{vin}".encode(),
        "payload": content,
        "device_type": b"vehicle_device",
        "device_id": vin.encode(),
    }
    return oracle.build_envelope(topic, txid, stream)


def ack(txid: bytes, topic: bytes = b"V") -> bytes:
    """The acknowledgement of a message, as the reference's builder makes it."""
    return oracle.build_envelope(topic, txid, None)


def refusal(txid: bytes) -> bytes:
    """The error reply to a message, as the reference's builder makes it."""
    return oracle.build_envelope(b"", txid, {"payload": b"incorrect message format"})
