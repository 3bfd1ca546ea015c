"""How a CLOSE is answered, at both ends of the house: RFC 6455 7.4 has the codes, and says which nobody may send."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from websockets.frames import Opcode

from tests.support.peers import Raw
from tests.support.servers import Inside

GOOD = [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 4000, 4999]
BAD = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2999, 5000, 65535]
ENDS = ["/", "/stream"]


@pytest.fixture(scope="module")
def server() -> Iterator[Inside]:
    with Inside() as running:
        yield running


def opened(server: Inside, path: str) -> Raw:
    if path == "/":
        return server.place.raw_vehicle("goodbye")
    dashboard = server.place.raw_dashboard("?vin=nobody")
    assert dashboard.read_frame()[0] is Opcode.TEXT, "hello"
    return dashboard


def answered(server: Inside, path: str, said: bytes) -> bytes:
    """What the CLOSE holds that comes back before the connection ends, and nothing else does."""
    with opened(server, path) as raw:
        raw.frame(Opcode.CLOSE, said)
        ((opcode, content),) = raw.frames()
    assert opcode is Opcode.CLOSE
    return content


@pytest.mark.parametrize("path", ENDS)
@pytest.mark.parametrize("code", GOOD)
def test_a_code_that_may_be_sent_comes_back(server: Inside, path: str, code: int) -> None:
    assert answered(server, path, code.to_bytes(2, "big") + b"bye") == code.to_bytes(2, "big")


@pytest.mark.parametrize("path", ENDS)
@pytest.mark.parametrize("code", BAD)
def test_a_code_that_nobody_may_send_is_an_error_of_the_protocol(server: Inside, path: str, code: int) -> None:
    assert answered(server, path, code.to_bytes(2, "big"))[:2] == (1002).to_bytes(2, "big")


@pytest.mark.parametrize("path", ENDS)
def test_half_a_code_is_one_too_and_none_is_well(server: Inside, path: str) -> None:
    assert answered(server, path, b"\x03")[:2] == (1002).to_bytes(2, "big")
    assert answered(server, path, b"") == (1000).to_bytes(2, "big")
