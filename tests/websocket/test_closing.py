"""How a CLOSE is answered, and what the log says of the end: RFC 6455 7.4 has the codes, and says which nobody may send."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, cast

import pytest
from picows import WSCloseCode, WSMsgType
from teslafast.websocket.closing import close_reply, log_end
from websockets.frames import Opcode

from tests.support.fake_websocket import FakeFrame
from tests.support.servers import Inside

GOOD = [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 4000, 4999]
BAD = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2999, 5000, 65535]


def answer_to(said: bytes) -> int:
    return int(close_reply(cast(Any, FakeFrame(WSMsgType.CLOSE, said))).value)


@pytest.mark.parametrize("code", GOOD)
def test_a_code_that_may_be_sent_comes_back(code: int) -> None:
    assert answer_to(code.to_bytes(2, "big") + b"bye") == code


@pytest.mark.parametrize("code", BAD)
def test_a_code_that_nobody_may_send_is_answered_1002(code: int) -> None:
    assert answer_to(code.to_bytes(2, "big")) == 1002


def test_a_close_without_a_code_is_answered_1000() -> None:
    assert answer_to(b"") == 1000


@pytest.mark.parametrize("path", ["/", "/stream"])
def test_over_a_socket_good_bad_and_half_codes_are_answered_and_end_the_connection(path: str) -> None:
    with Inside() as server:
        for said, answered in ((b"\x03\xe9bye", 1001), (b"\x03\xec", 1002), (b"\x03", 1002), (b"", 1000)):
            with server.place.raw_vehicle("bye") if path == "/" else server.place.raw_dashboard("?vin=nobody") as raw:
                raw.frame(Opcode.CLOSE, said)
                closes = [content for opcode, content in raw.frames() if opcode is Opcode.CLOSE]
            assert [content[:2] for content in closes] == [answered.to_bytes(2, "big")]


@dataclass
class Said:
    code: WSCloseCode


@dataclass
class Handshake:
    sent: Said | None
    recv: Said | None


@dataclass
class Ended:
    close_handshake: Handshake | None


@pytest.mark.parametrize(
    ("handshake", "known", "cause"),
    [
        (None, "peer", "peer"),
        (Handshake(None, Said(WSCloseCode.OK)), "peer", "peer"),
        (Handshake(Said(WSCloseCode.OK), Said(WSCloseCode.OK)), "peer", "peer"),
        (Handshake(Said(WSCloseCode.PROTOCOL_ERROR), None), "peer", "protocol"),
        (Handshake(Said(WSCloseCode.PROTOCOL_ERROR), None), "flood", "flood"),
    ],
)
def test_the_cause_is_ours_if_we_know_it_and_else_picows_if_it_alone_said_close(
    handshake: Handshake | None, known: str, cause: str
) -> None:
    assert log_end("test_disconnected", cast(Any, Ended(handshake)), known, time.monotonic()) == cause
