"""What every connection does with frames, silence and the end, whoever is at the other end. Frames here are objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from picows import WSMsgType
from teslafast.close_reasons import FAULT, FLOOD, FRAGMENTS, NOT_UTF8, RESERVED_BITS, SILENT, TOO_LARGE
from teslafast.websocket.connection import (
    CLOSE_GRACE_S,
    EMPTY_FRAMES_AT_MOST,
)

from tests.support.websocket_stage import Stage

CONT, TEXT, BINARY = WSMsgType.CONTINUATION, WSMsgType.TEXT, WSMsgType.BINARY
PING, PONG, CLOSE = WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE
LIMIT = 100

# ---- messages


def test_whole_messages_are_passed_on_as_they_come(stage: Stage) -> None:
    stage.frame(BINARY, b"\xff")
    stage.frame(TEXT, "é".encode())
    assert stage.connection.messages == [(BINARY, b"\xff"), (TEXT, "é".encode())]
    assert stage.done == []


def test_a_fragmented_message_is_passed_on_whole_with_control_frames_between_its_fragments(stage: Stage) -> None:
    stage.frame(TEXT, b"\xc3", False)
    stage.frame(PING, b"between")
    stage.frame(CONT, b"", False)
    stage.frame(PONG, b"unasked")
    stage.frame(CONT, b"\xa9")
    assert stage.connection.messages == [(TEXT, "é".encode())]
    assert stage.done == [("pong", b"between")]


def test_text_is_checked_as_a_whole_and_not_fragment_by_fragment(stage: Stage) -> None:
    stage.frame(TEXT, b"\xc3", False)
    stage.frame(CONT, b"\xc3")
    assert stage.done == [("close", NOT_UTF8.code)]
    assert stage.connection.messages == []


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([(TEXT, b"\xff")], NOT_UTF8),
        ([(CONT, b"x")], FRAGMENTS),
        ([(CONT, b"x", False)], FRAGMENTS),
        ([(BINARY, b"x", False), (BINARY, b"y")], FRAGMENTS),
        ([(BINARY, b"x", False), (TEXT, b"y")], FRAGMENTS),
        ([(BINARY, b"x", False), (TEXT, b"y", False)], FRAGMENTS),
    ],
)
def test_frames_that_break_the_protocol_are_counted_and_end_the_connection(
    stage: Stage, frames: list[tuple[Any, ...]], reason: Any
) -> None:
    for frame in frames:
        stage.frame(*frame)
    assert stage.done == [("close", reason.code)]
    assert stage.counts.refused_messages == {reason.cause: 1}
    assert stage.connection.messages == []


@pytest.mark.parametrize("bit", ["rsv1", "rsv2", "rsv3"])
@pytest.mark.parametrize("kind", [TEXT, BINARY, PING, CLOSE])
def test_a_reserved_bit_on_any_frame_ends_the_connection(stage: Stage, bit: str, kind: WSMsgType) -> None:
    stage.frame(kind, b"", **{bit: True})
    assert stage.done == [("close", RESERVED_BITS.code)]


# ---- messages beyond the limit


def test_a_frame_beyond_the_limit_is_a_message_too_large_and_the_connection_goes_on(stage: Stage) -> None:
    stage.connection.on_too_large(BINARY.value, 1)
    stage.frame(BINARY, b"after")
    assert stage.connection.too_large == [BINARY.value]
    assert stage.connection.messages == [(BINARY, b"after")]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_frame_beyond_the_limit_anywhere_in_a_fragmented_message_makes_that_too_large_once(stage: Stage, place: int) -> None:
    for number in range(3):
        opcode, final = (CONT if number else BINARY), number == 2
        if number == place:
            stage.connection.on_too_large(opcode.value, int(final))
        else:
            stage.frame(opcode, b"x", final)
    stage.frame(BINARY, b"after")
    assert stage.connection.too_large == [BINARY.value]
    assert stage.connection.messages == [(BINARY, b"after")]


def test_fragments_that_are_too_much_together_are_a_message_too_large(stage: Stage) -> None:
    stage.frame(TEXT, b"x" * LIMIT, False)
    stage.frame(CONT, b"x")
    assert stage.connection.too_large == [TEXT.value]


@pytest.mark.parametrize(("opcode", "final"), [(CONT, 1), (CONT, 0)])
def test_a_continuation_beyond_the_limit_without_a_beginning_ends_the_connection(
    stage: Stage, opcode: WSMsgType, final: int
) -> None:
    stage.connection.on_too_large(opcode.value, final)
    assert stage.done == [("close", FRAGMENTS.code)]


def test_a_message_beyond_the_limit_within_a_fragmented_one_ends_the_connection(stage: Stage) -> None:
    stage.frame(BINARY, b"x", False)
    stage.connection.on_too_large(BINARY.value, 1)
    assert stage.done == [("close", FRAGMENTS.code)]
    assert stage.connection.too_large == []


# ---- pings, floods, silence


def test_a_ping_is_answered_with_what_it_held(stage: Stage) -> None:
    stage.frame(PING, b"x" * 125)
    assert stage.done == [("pong", b"x" * 125)]


def test_fragments_without_end_are_a_flood(stage: Stage) -> None:
    stage.frame(BINARY, b"", False)
    for _ in range(EMPTY_FRAMES_AT_MOST):
        stage.frame(CONT, b"", False)
    assert stage.done == [("close", FLOOD.code)]


@pytest.mark.parametrize("kind", [PING, PONG])
def test_one_control_frame_too_many_between_two_checks_is_a_flood(stage: Stage, kind: WSMsgType) -> None:
    for _ in range(2):
        for _ in range(EMPTY_FRAMES_AT_MOST):
            stage.frame(kind)
        assert not stage.connection.closing
        stage.connection.check(stage.heard_at())
    for _ in range(EMPTY_FRAMES_AT_MOST + 1):
        stage.frame(kind)
    assert stage.done[-1] == ("close", FLOOD.code)


def test_after_an_interval_of_silence_comes_one_ping_and_after_another_the_end(stage: Stage) -> None:
    heard = stage.heard_at()
    for seconds in (29.0, 30.0, 31.0, 59.0, 60.0, 61.0):
        stage.connection.check(heard + seconds)
    assert stage.done == ["ping", ("close", SILENT.code)]


@pytest.mark.parametrize("sign", [(PONG,), (PING,), (BINARY, b"x"), (BINARY, b"x", False)])
def test_any_frame_is_a_sign_of_life(stage: Stage, sign: tuple[Any, ...]) -> None:
    heard = stage.heard_at()
    stage.connection.check(heard + 30)
    stage.frame(*sign)
    later = stage.heard_at()
    stage.connection.check(later + 1)
    stage.connection.check(later + 31)
    assert [one for one in stage.done if one == "ping" or one[0] == "close"] == ["ping", "ping"]


def test_a_frame_beyond_the_limit_is_a_sign_of_life_too(stage: Stage) -> None:
    before = stage.heard_at()
    stage.connection.on_too_large(BINARY.value, 1)
    assert stage.heard_at() > before


# ---- the end


def test_close_says_why_once_and_aborts_after_the_grace(stage: Stage) -> None:
    stage.connection.close(FAULT)
    stage.connection.close(TOO_LARGE)
    assert stage.connection.closing
    assert stage.done == [("close", FAULT.code)]
    assert stage.loop.elapse() == [CLOSE_GRACE_S]
    assert stage.done == [("close", FAULT.code), "abort"]


def test_after_our_close_only_theirs_is_taken_and_it_ends_the_connection(stage: Stage) -> None:
    stage.connection.close(FAULT)
    for frame in ((BINARY, b"x"), (TEXT, b"\xff"), (PING, b""), (CONT, b"x")):
        stage.frame(*frame)
    stage.connection.on_too_large(BINARY.value, 1)
    assert (stage.connection.messages, stage.connection.too_large) == ([], [])
    stage.frame(CLOSE, b"\x03\xe8")
    assert stage.done == [("close", FAULT.code), "disconnect"]


def test_after_their_close_nothing_is_taken_at_all(stage: Stage) -> None:
    stage.frame(CLOSE, b"\x03\xe9")
    for frame in ((BINARY, b"x"), (CLOSE, b"\x03\xe8"), (PING, b"")):
        stage.frame(*frame)
    stage.connection.close(FAULT)
    stage.connection.check(stage.heard_at() + 1000)
    assert stage.done == [("close", 1001), "disconnect"]
    assert stage.connection.messages == []


def test_a_close_within_a_fragmented_message_ends_the_connection(stage: Stage) -> None:
    stage.frame(BINARY, b"x", False)
    stage.frame(CLOSE, b"")
    assert stage.done == [("close", 1000), "disconnect"]


def test_a_peer_that_says_close_and_takes_nothing_is_cut_off_after_the_grace(stage: Stage) -> None:
    stage.frame(CLOSE, b"\x03\xe8")
    assert stage.loop.elapse() == [CLOSE_GRACE_S]
    assert stage.done == [("close", 1000), "disconnect", "abort"]


def test_a_close_waits_for_what_is_owed_whoever_said_it_first(stage: Stage) -> None:
    stage.connection.waits = True
    stage.connection.close(FAULT)
    stage.frame(CLOSE, b"\x03\xe8")
    assert stage.done == []
    for send_close in stage.connection.owed:
        send_close()
    assert stage.done == [("close", FAULT.code), "disconnect"]


@pytest.mark.parametrize(("act", "cause"), [(lambda stage: None, "peer"), (lambda stage: stage.connection.close(FAULT), "fault")])
def test_the_end_is_counted_by_its_cause_and_told_once(stage: Stage, act: Callable[[Stage], None], cause: str) -> None:
    act(stage)
    stage.end()
    assert stage.counts.closes == {cause: 1}
    assert stage.connection.ended == 1
    assert stage.connection.closing
    stage.connection.close(TOO_LARGE)
    stage.frame(BINARY, b"x")
    assert stage.connection.messages == []
