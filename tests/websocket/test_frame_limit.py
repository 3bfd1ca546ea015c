"""What stands between transport and picows: every frame arrives whole, once and in order, and nothing is read without a bound."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from teslafast.close_reasons import FLOOD
from teslafast.websocket._frame_limit import READ_AT_MOST
from websockets.frames import Opcode

from tests.support.frame_limit_stage import LIMIT, Seen, Stage, frame, on


def test_picows_has_memory_to_read_into_only_while_it_holds_the_beginning_of_a_frame(loop: asyncio.AbstractEventLoop) -> None:
    data = frame(2, bytes(1000))

    def play(stage: Stage) -> list[bool]:
        lent = [stage.incoming.lent_bytes > 0]
        for part in (data, data[:500], data[500:] + data[:4], data[4:]):
            stage.read(part)
            lent.append(stage.incoming.lent_bytes > 0)
        return [*lent, stage.listener.seen == [("frame", 2, bytes(1000))] * 3]

    assert on(loop, play) == [False, False, True, False, False, True]


DATA = some.tuples(
    some.sampled_from([1, 2]), some.integers(0, 6_000).map(lambda size: bytes(index % 251 for index in range(size)))
)
CONTROL = some.tuples(some.sampled_from([9, 10]), some.binary(max_size=125))
HUGE = some.tuples(some.just(2), some.just(bytes(LIMIT + 1)))


@given(some.lists(DATA | CONTROL | HUGE, max_size=8), some.integers(1, 9_000))
def test_every_frame_arrives_whole_once_and_in_order_however_it_is_cut(
    loop: asyncio.AbstractEventLoop, frames: list[tuple[int, bytes]], size: int
) -> None:
    def play(stage: Stage) -> list[Seen]:
        stage.read(b"".join(frame(*one) for one in frames), size)
        return stage.listener.seen

    wanted = [("frame", op, data) if len(data) <= LIMIT else ("too large", op, b"") for op, data in frames]
    assert on(loop, play) == wanted


INVALID = {
    "without a mask": (b"\x82\x7e\x13\x88", 1002),
    "whose length is not in its shortest form": (b"\x82\xff" + (5_000).to_bytes(8, "big") + b"mask", 1002),
    "of an unknown opcode": (b"\x83\xfe\x13\x88mask", 1002),
    "beyond what is ever discarded": (b"\x82\xff" + (1 << 40).to_bytes(8, "big") + b"mask", 1009),
}


@pytest.mark.parametrize("case", INVALID)
@pytest.mark.parametrize("length", [5_000, LIMIT + 1], ids=["large", "too large"])
def test_a_long_frame_is_checked_like_a_short_one(loop: asyncio.AbstractEventLoop, case: str, length: int) -> None:
    head, code = INVALID[case]
    head = head.replace((5_000).to_bytes(2, "big"), length.to_bytes(2, "big")).replace(
        (5_000).to_bytes(8, "big"), length.to_bytes(8, "big")
    )

    def play(stage: Stage) -> tuple[int | None, list[Seen], bool]:
        stage.read(head + bytes(length) + frame(2, b"after"))
        return stage.closed_with, stage.listener.seen, stage.transport.is_reading()

    assert on(loop, play) == (code, [], False)


def test_a_long_frame_with_a_reserved_bit_is_the_listeners_to_refuse(loop: asyncio.AbstractEventLoop) -> None:
    def play(stage: Stage) -> list[Seen]:
        stage.read(b"\xc2" + frame(2, bytes(LIMIT + 1))[1:])
        return stage.listener.seen

    assert on(loop, play) == [("frame", 2, b"")]


def test_after_our_close_only_theirs_is_taken_however_much_comes_before_it(loop: asyncio.AbstractEventLoop) -> None:
    def play(stage: Stage) -> tuple[list[Seen], bool]:
        stage.listener.close(FLOOD)
        stage.read(frame(2, b"x") * 5_000 + frame(9, b"") + frame(2, bytes(9_000)) + frame(8, b"\x03\xe8"))
        return stage.listener.seen, stage.transport.is_reading()

    assert on(loop, play) == ([("frame", 8, b"\x03\xe8")], True)


def test_after_our_close_nothing_is_kept_of_a_large_frame_and_theirs_is_found_behind_it(loop: asyncio.AbstractEventLoop) -> None:
    large = frame(2, bytes(LIMIT))

    def play(stage: Stage) -> tuple[int, int, list[Seen]]:
        stage.read(large[:-5_000])
        before = stage.incoming.large_bytes
        stage.listener.close(FLOOD)
        after = stage.incoming.large_bytes
        stage.read(large[-5_000:] + frame(8, b"\x03\xe8"))
        return before, after, stage.listener.seen

    assert on(loop, play) == (LIMIT - 5_000, 0, [("frame", 8, b"\x03\xe8")])


def test_a_flood_after_our_close_is_not_even_read(loop: asyncio.AbstractEventLoop) -> None:
    def play(stage: Stage) -> bool:
        stage.listener.close(FLOOD)
        stage.read(frame(2, bytes(LIMIT)) * 900)
        return bool(stage.transport.is_reading())

    assert not on(loop, play)


def test_a_flood_of_small_frames_never_makes_the_buffer_of_picows_grow(loop: asyncio.AbstractEventLoop) -> None:
    def play(stage: Stage) -> tuple[int, int]:
        room = len(stage.inner.get_buffer(-1))
        stage.read(frame(2, b"") * 100_000 + frame(2, bytes(1_400)) * 100 + frame(2, bytes(LIMIT)) * 10, 15_011)
        return len(stage.listener.seen), len(stage.inner.get_buffer(-1)) - room

    assert on(loop, play) == (100_110, 0)


def test_an_exception_at_a_large_frame_closes_with_1011_and_is_one_log_line(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    def play(stage: Stage) -> int | None:
        stage.listener.raises = True
        stage.read(frame(2, bytes(9_000)))
        return stage.closed_with

    assert on(loop, play) == 1011
    assert [record.getMessage() for record in caplog.records] == ["connection_failed"]


def test_one_turn_reads_no_more_than_it_may_however_much_is_there(loop: asyncio.AbstractEventLoop) -> None:
    def play(stage: Stage) -> tuple[int, int]:
        stage.client.setblocking(False)
        sent = stage.client.send(frame(2, b"") * 100_000)
        read: Any = stage.transport
        read._read_ready()
        return sent, stage.incoming.received

    sent, received = on(loop, play)
    assert sent > 4 * READ_AT_MOST
    assert 0 < received <= 2 * READ_AT_MOST


def test_whatever_comes_counts_as_received(loop: asyncio.AbstractEventLoop) -> None:
    def play(stage: Stage) -> int:
        stage.read(frame(2, bytes(9_000))[:100], 7)
        return int(stage.incoming.received)

    assert on(loop, play) == 100


# What picows would get wrong, because it parses one frame ahead

CLOSE = frame(Opcode.CLOSE, b"\x03\xe8")
GOOD = frame(Opcode.BINARY, b"x" * 50)
BREAKING = {
    "a reserved opcode": b"\x83\x80mask",
    "a reserved control opcode": b"\x8b\x80mask",
    "a fragmented ping": b"\x09\x80mask",
    "a long ping": b"\x89\xfe\x00\x7emask" + b"x" * 126,
    "no mask": b"\x82\x01x",
    "a length in a longer form": b"\x82\xfe\x00\x05maskhello",
}


@pytest.mark.parametrize("size", [1, 7, READ_AT_MOST])
@pytest.mark.parametrize("breaking", BREAKING.values(), ids=list(BREAKING))
def test_a_frame_that_breaks_the_protocol_costs_no_frame_before_it(
    loop: asyncio.AbstractEventLoop, breaking: bytes, size: int
) -> None:
    def play(stage: Stage) -> None:
        stage.read(GOOD + GOOD + breaking + GOOD, size)
        assert stage.listener.seen == [("frame", 2, b"x" * 50)] * 2
        assert stage.closed_with == 1002

    on(loop, play)


@pytest.mark.parametrize("size", [1, 7, READ_AT_MOST])
@pytest.mark.parametrize(
    "behind",
    [CLOSE, GOOD, b"\xff" * 100, frame(Opcode.BINARY, b"y" * (LIMIT + 1))],
    ids=["close", "message", "rubbish", "too large"],
)
def test_nothing_behind_the_peers_close_counts(loop: asyncio.AbstractEventLoop, behind: bytes, size: int) -> None:
    def play(stage: Stage) -> None:
        stage.read(GOOD + CLOSE + behind, size)
        assert stage.listener.seen == [("frame", 2, b"x" * 50), ("frame", 8, b"\x03\xe8")]
        assert stage.closed_with is None  # ServerConnection answers it; this listener does not

    on(loop, play)


def test_control_frames_between_messages_keep_their_place(loop: asyncio.AbstractEventLoop) -> None:
    def play(stage: Stage) -> None:
        stage.read((GOOD + frame(Opcode.PING, b"p") + frame(Opcode.PONG, b"")) * 3 + GOOD, 11)
        kinds = [opcode for _, opcode, _ in stage.listener.seen]
        assert kinds == [2, 9, 10] * 3 + [2]

    on(loop, play)
