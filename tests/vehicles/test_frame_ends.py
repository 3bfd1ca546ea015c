"""Frames that are discarded as they come, or refused: those that promise more than is ever kept, and those in a wrong place."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from websockets.frames import Opcode

from tests.support.certificates import World
from tests.support.servers import Inside

VIN = "5YJ3E1EA7KF900001"
LIMIT = 4096  # MAX_FRAME_BYTES


@pytest.fixture(params=["plain", "mutual"])
def server(request: pytest.FixtureRequest, world: World) -> Iterator[Inside]:
    secure = {"VEHICLE_PORT": "0"} if request.param == "mutual" else {}
    with Inside(world if secure else None, MAX_FRAME_BYTES=str(LIMIT), **secure) as running:
        yield running


def head(promised: int) -> bytes:
    return b"\x82\xff" + struct.pack(">Q", promised) + b"mask"


def test_a_message_over_the_limit_is_discarded_as_it_comes(server: Inside) -> None:
    with server.place.raw_vehicle(VIN) as raw:
        raw.send(head(32 << 20) + b"x" * 1_000_000)
        raw.send(b"x" * 1_000_000)
        server.place.get("/health")
    server.lines.wait_for("vehicle_disconnected", cause="peer")


def test_one_whose_end_nobody_would_wait_for_ends_the_connection(server: Inside) -> None:
    with server.place.raw_vehicle(VIN) as raw:
        raw.send(head(1 << 40))
        ((opcode, said),) = raw.frames()
        assert (opcode, said[:2]) == (Opcode.CLOSE, struct.pack(">H", 1009))


def test_a_whole_message_within_a_fragmented_one_ends_the_connection(server: Inside) -> None:
    with server.place.raw_vehicle(VIN) as raw:
        raw.frame(Opcode.BINARY, b"the beginning", fin=False)
        raw.frame(Opcode.BINARY, b"another")
        assert raw.close_code() == 1002
    (line,) = server.lines.wait_for("vehicle_disconnected", cause="fragments")
    assert line["messages"] == 0
