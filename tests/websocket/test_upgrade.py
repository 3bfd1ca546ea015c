"""From an HTTP request to a WebSocket, with real picows over a real socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from websockets.frames import Frame, Opcode

from tests.support.peers import ACCEPT, Place, token, upgrade_head
from tests.support.servers import Inside

CLOSE = Frame(Opcode.CLOSE, b"\x03\xe9").serialize(mask=True)  # 1001


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with Inside() as server:
        yield server.place


def test_a_handshake_is_answered_with_the_headers_of_rfc_6455_alone(place: Place) -> None:
    with place.raw() as raw:
        head = raw.upgrade("/?vin=A", "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: permessage-deflate")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 101 Switching Protocols"
    named = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines[1:] if line}
    assert named == {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-accept": ACCEPT}


@pytest.mark.parametrize("value", ["keep-alive, Upgrade", "UPGRADE", "x,upgrade,y"])
def test_the_connection_header_of_firefox_is_accepted(place: Place, value: str) -> None:
    with place.raw() as raw:
        assert raw.upgrade("/?vin=A", f"Connection: {value}").startswith(b"HTTP/1.1 101 ")


def test_a_handshake_that_arrives_byte_by_byte_is_answered(place: Place) -> None:
    with place.raw() as raw:
        for byte in upgrade_head("/?vin=A"):
            raw.send(bytes([byte]))
        assert raw.status() == 101


def test_our_subprotocol_is_answered_and_the_token_is_not(place: Place) -> None:
    secret = token()
    with place.raw() as raw:
        head = raw.upgrade("/stream", f"Sec-WebSocket-Protocol: teslafast.v1, bearer.{secret}")
    assert b"Sec-WebSocket-Protocol: teslafast.v1\r\n" in head
    assert secret.encode() not in head


@pytest.mark.parametrize("role", ["vehicle", "dashboard"])
@pytest.mark.parametrize("behind", [CLOSE, b"\xff" * 20], ids=["a second CLOSE", "what is no frame"])
def test_a_close_is_answered_whatever_comes_behind_it(place: Place, role: str, behind: bytes) -> None:
    with place.raw_vehicle("A") if role == "vehicle" else place.raw_dashboard() as raw:
        raw.send(CLOSE + behind)
        assert raw.close_code() == 1001


def test_a_ping_right_before_an_invalid_frame_is_answered(place: Place) -> None:
    with place.raw_vehicle("A") as raw:
        raw.send(Frame(Opcode.PING, b"here").serialize(mask=True) + b"\x83\x80mask")
        assert raw.read_frame() == (Opcode.PONG, b"here")
        assert raw.close_code() == 1002
