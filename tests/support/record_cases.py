"""
The contract's recorded records through a server and an output: what consumers must read, whatever brings it to them.

    sent = send_cases(vehicle)       every recorded frame whose record the reference dispatched
    check_body(form, one, body)      the body is what the reference dispatched, in that form
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from teslafast.protocol import _wire

from tests.protocol.test_wire_examples import CONTRACT, frames
from tests.support import oracle
from tests.support.peers import Vehicle

VERSION = "1.2.0"
FORMS = {"fleet": "true", "protobuf": "false"}  # → OUTPUT_DECODED
CASES = [case for case in CONTRACT if case["dispatched"] not in ([], [None])]


class SentCase(NamedTuple):
    txid: str
    topic: str
    record: Any


def send_cases(vehicle: Vehicle) -> list[SentCase]:
    sent = []
    for case in CASES:
        for frame, dispatched in zip(frames(case), case["dispatched"], strict=True):
            envelope = _wire.read_envelope(frame)
            vehicle.connection.send(frame)
            assert vehicle.reply() == _wire.ack(envelope.txid, envelope.topic)
            sent.append(SentCase(envelope.txid.decode("latin-1"), envelope.topic.decode(), dispatched))
    return sent


def check_body(form: str, sent: SentCase, body: bytes) -> None:
    """Read by JSON's own parser, or by `protobuf` with descriptors of the schema."""
    topic = sent.topic.encode()
    record = json.loads(body) if form == "fleet" else oracle.printed(topic, oracle.parse(topic, body))
    assert record == sent.record, sent.txid


def by_topic(sent: list[SentCase]) -> dict[str, list[SentCase]]:
    found: dict[str, list[SentCase]] = {}
    for one in sent:
        found.setdefault(one.topic, []).append(one)
    return found
