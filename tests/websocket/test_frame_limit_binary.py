"""Whole binary messages, which go from the transport to their listener without picows: those, and no others."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as some
from teslafast.close_reasons import FAULT

from tests.support.frame_limit_stage import LIMIT, Listener, Seen, Stage, frame, on

FRAMES = some.tuples(some.sampled_from([1, 2]), some.binary(max_size=6_000)) | some.tuples(
    some.sampled_from([9, 10]), some.binary(max_size=125)
)
HUGE = some.tuples(some.just(2), some.just(bytes(LIMIT + 1)))


class BinaryListener(Listener):
    """A listener that takes whole binary messages itself, as a vehicle's connection does."""

    def on_binary(self, payload: memoryview) -> None:
        self.seen.append(("binary", 2, bytes(payload)))
        if self.raises:
            raise RuntimeError("at a message")


@given(some.lists(FRAMES | HUGE, max_size=8), some.integers(1, 9_000))
def test_a_listener_that_takes_binary_messages_gets_them_in_their_place(
    loop: asyncio.AbstractEventLoop, frames: list[tuple[int, bytes]], size: int
) -> None:
    def play(stage: Stage) -> list[Seen]:
        stage.read(b"".join(frame(*one) for one in frames), size)
        return [
            ("frame", opcode, data) if name == "binary" else (name, opcode, data) for name, opcode, data in stage.listener.seen
        ]

    wanted = [("frame", op, data) if len(data) <= LIMIT else ("too large", op, b"") for op, data in frames]
    assert on(loop, play, BinaryListener) == wanted


@pytest.mark.parametrize("first", [0x02, 0xC2, 0x81], ids=["not final", "a reserved bit", "text"])
def test_only_a_binary_message_in_one_frame_without_reserved_bits_goes_the_shortest_way(
    loop: asyncio.AbstractEventLoop, first: int
) -> None:
    def play(stage: Stage) -> list[Seen]:
        stage.read(frame(2, b"one") + bytes([first]) + frame(2, b"two")[1:])
        return stage.listener.seen

    first_one, second = on(loop, play, BinaryListener)
    assert (first_one, second[0]) == (("binary", 2, b"one"), "frame")


def test_a_listener_that_fails_at_a_binary_message_ends_its_connection(loop: asyncio.AbstractEventLoop) -> None:
    def play(stage: Stage) -> tuple[list[Seen], int | None]:
        stage.listener.raises = True
        stage.read(frame(2, b"one") + frame(2, b"two"))
        return stage.listener.seen, stage.closed_with

    assert on(loop, play, BinaryListener) == ([("binary", 2, b"one")], FAULT.code)
