"""What picows is given of a connection's bytes, however they are cut into reads."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.websocket._frame_limit import FrameLimit
from websockets.frames import Frame, Opcode

LIMIT = 200
UNLIMITED = (1 << 64) - 1
CLOSE = Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True)
MESSAGE = Frame(Opcode.BINARY, b"x" * 50).serialize(mask=True)
TOO_LARGE = Frame(Opcode.BINARY, b"x" * (LIMIT + 1)).serialize(mask=True)
INVALID = {
    "a reserved opcode": b"\x83\x80mask",
    "a reserved control opcode": b"\x8b\x80mask",
    "a fragmented ping": b"\x09\x80mask",
    "a long ping": b"\x89\xfe\x00\x7emask" + b"x" * 126,
}


class Inner:
    """In place of picows: what it is given, read by read. Its buffer is never where it was before."""

    def __init__(self) -> None:
        self.reads: list[bytes] = []
        self._buffer = bytearray()

    def get_buffer(self, hint: int) -> bytearray:
        self._buffer = bytearray(256)
        return self._buffer

    def buffer_updated(self, size: int) -> None:
        self.reads.append(bytes(self._buffer[:size]))


class Listener:
    def __init__(self) -> None:
        self.too_large: list[tuple[int, int]] = []

    def on_too_large(self, opcode: int, fin: int) -> None:
        self.too_large.append((opcode, fin))


def given_to_picows(data: bytes, cuts: Sequence[int] = (), limit: int = LIMIT) -> tuple[list[bytes], list[tuple[int, int]]]:
    """The reads that picows sees of `data`, which arrives cut at `cuts`, and the frames that were discarded."""
    inner, listener = Inner(), Listener()
    protocol: Any = FrameLimit(inner, listener, limit)
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(places):
        rest = data[start:end]
        while rest:
            buffer = protocol.get_buffer(len(rest))
            size = min(len(buffer), len(rest))
            buffer[:size] = rest[:size]
            protocol.buffer_updated(size)
            rest = rest[size:]
    return inner.reads, listener.too_large


@given(st.lists(st.sampled_from([MESSAGE, TOO_LARGE, CLOSE, *INVALID.values()]), max_size=8), st.lists(st.integers(0, 5000)))
def test_picows_gets_every_frame_up_to_the_close_but_those_beyond_the_limit(frames: list[bytes], cuts: list[int]) -> None:
    until = frames.index(CLOSE) + 1 if CLOSE in frames else len(frames)
    reads, too_large = given_to_picows(b"".join(frames), cuts)
    assert b"".join(reads) == b"".join(frame for frame in frames[:until] if frame is not TOO_LARGE)
    assert too_large == [(2, 1)] * frames[:until].count(TOO_LARGE)


@pytest.mark.parametrize("behind", [CLOSE, MESSAGE, TOO_LARGE, b"\xff" * 100])
def test_nothing_behind_a_close_reaches_picows(behind: bytes) -> None:
    reads, too_large = given_to_picows(MESSAGE + CLOSE + behind)
    assert b"".join(reads) == MESSAGE + CLOSE
    assert too_large == []


def test_after_a_close_with_a_reserved_bit_the_answer_to_ours_is_taken() -> None:
    wrong = b"\xf8" + CLOSE[1:]
    assert b"".join(given_to_picows(wrong + CLOSE)[0]) == wrong + CLOSE


@pytest.mark.parametrize("frame", INVALID.values(), ids=list(INVALID))
def test_what_comes_before_an_invalid_frame_is_taken_before_picows_sees_that(frame: bytes) -> None:
    assert given_to_picows(MESSAGE + frame)[0] == [MESSAGE, frame]


def test_without_a_limit_picows_gets_frames_of_any_size() -> None:
    reads, too_large = given_to_picows(TOO_LARGE + MESSAGE, limit=UNLIMITED)
    assert b"".join(reads) == TOO_LARGE + MESSAGE
    assert too_large == []
