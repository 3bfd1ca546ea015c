"""Bytes of a connection that are no frames: silence, TLS messages without data, and faults of ours."""

from __future__ import annotations

import sys
import time

import pytest
from picows import WSMsgType
from teslafast.close_reasons import FAULT, FLOOD, TLS_FLOOD
from teslafast.websocket.tls_traffic import LOOKS_APART, TLS_MESSAGES_BYTES

from tests.support.websocket_stage import Stage

CONT, TEXT, BINARY = WSMsgType.CONTINUATION, WSMsgType.TEXT, WSMsgType.BINARY
PING, PONG, CLOSE = WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE
LIMIT = 100

# ---- bytes that are no frames


class Incoming:
    def __init__(self) -> None:
        self.received = 0
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


class Wire:
    """A socket of which the kernel says how many bytes it has brought."""

    def __init__(self) -> None:
        self.bytes = 0

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        return bytes(size - 8) + self.bytes.to_bytes(8, sys.byteorder)


@pytest.fixture
def incoming(stage: Stage) -> Incoming:
    stage.connection.incoming = Incoming()
    return stage.connection.incoming


def test_whoever_sends_a_long_message_slowly_is_not_silent(stage: Stage, incoming: Incoming) -> None:
    start = time.monotonic()
    for second in range(200):
        incoming.received += 1
        stage.connection.check(start + second)
    assert stage.done == []


def test_after_a_close_only_the_peers_close_is_looked_for(stage: Stage, incoming: Incoming) -> None:
    stage.connection.close(FLOOD)
    assert incoming.stopped


def tls_traffic(stage: Stage, incoming: Incoming, wire_bytes: int, frame_bytes: int) -> None:
    """Ten looks' worth of so many bytes a look, over TLS."""
    wire = Wire()
    stage.transport.is_secure = True
    stage.transport.sockets = {"socket": wire}
    for second in range(10 * LOOKS_APART):
        wire.bytes += wire_bytes // LOOKS_APART
        incoming.received += frame_bytes // LOOKS_APART
        stage.connection.check(time.monotonic() + second)


def test_a_flood_of_tls_messages_without_data_ends_the_connection(stage: Stage, incoming: Incoming) -> None:
    tls_traffic(stage, incoming, 4 * TLS_MESSAGES_BYTES, 100)
    assert stage.done == [("close", TLS_FLOOD.code)]


@pytest.mark.parametrize("frame_bytes", [6, 1_000, 1_000_000])
def test_what_tls_adds_to_small_frames_is_no_flood(stage: Stage, incoming: Incoming, frame_bytes: int) -> None:
    tls_traffic(stage, incoming, 6 * frame_bytes, frame_bytes)
    assert ("close", TLS_FLOOD.code) not in stage.done


def test_a_frame_at_which_we_fail_closes_with_1011(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.connection.on_failure(RuntimeError("ours"))
    assert stage.done == [("close", FAULT.code)]
    assert [record.getMessage() for record in caplog.records] == ["connection_failed"]
