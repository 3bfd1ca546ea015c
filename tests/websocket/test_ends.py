"""Thousands of connections that end in one moment end one after another, and others have a turn in between."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from teslafast.websocket._ends import ENDS_AT_ONCE, Ends, Gate

from tests.support.fake_loop import FakeLoop

MANY = 4 * ENDS_AT_ONCE


class Loop(FakeLoop):
    """`faults`: what the exception handler was told; `readers`: descriptors that are watched."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[dict[str, Any]] = []
        self.readers: set[int] = set()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.faults.append(context)

    def remove_reader(self, descriptor: int) -> None:
        self.readers.discard(descriptor)


@pytest.fixture
def loop() -> Loop:
    return Loop()


def end_slowly(ended: list[int], number: int) -> None:
    """Some 0.2 ms of work: so MANY of them take longer than one turn may."""
    until_s = time.perf_counter() + 0.0002
    while time.perf_counter() < until_s:
        pass
    ended.append(number)


def give(ends: Any, count: int) -> list[int]:
    ended: list[int] = []
    for number in range(count):
        ends.run(end_slowly, ended, number)
    return ended


def test_a_few_ends_are_carried_out_at_once_whatever_they_take(loop: Loop) -> None:
    ended = give(Ends(loop), ENDS_AT_ONCE)  # type: ignore[arg-type]  # a fake one
    assert ended == list(range(ENDS_AT_ONCE))


def test_of_many_ends_the_rest_waits_for_the_turns_that_follow_and_keeps_its_order(loop: Loop) -> None:
    ends = Ends(loop)  # type: ignore[arg-type]
    ended = give(ends, MANY)
    assert len(ended) < MANY
    turns = 0
    while ends.busy:
        loop.turn()
        turns += 1
    assert ended == list(range(MANY))
    assert turns > 1


def test_an_end_that_comes_while_others_wait_does_not_overtake_them(loop: Loop) -> None:
    ends = Ends(loop)  # type: ignore[arg-type]
    ended = give(ends, MANY)
    ends.run(ended.append, MANY)
    while ends.busy:
        loop.turn()
    assert ended == list(range(MANY + 1))


def test_an_end_that_fails_costs_no_other_its_own(loop: Loop) -> None:
    def fail() -> None:
        raise RuntimeError("a bad end")

    ends = Ends(loop)  # type: ignore[arg-type]
    ended = give(ends, MANY)
    ends.run(fail)
    ends.run(ended.append, MANY)
    while ends.busy:
        loop.turn()
    assert ended == list(range(MANY + 1))
    assert [str(fault["exception"]) for fault in loop.faults] == ["a bad end"]


class Line:
    """A socket behind a gate, with its other end: what the gate has called."""

    def __init__(self, loop: Loop, ends: Any) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.reads = 0
        loop.readers.add(self.near.fileno())
        self.readable: Callable[[], None] = Gate(ends, self.near.fileno(), self._read).readable

    def _read(self) -> None:
        self.reads += 1

    def close(self) -> None:
        self.near.close()
        self.far.close()


def test_a_gate_reads_at_once_as_long_as_no_other_connection_ends(loop: Loop) -> None:
    line = Line(loop, Ends(loop))  # type: ignore[arg-type]
    line.far.close()
    line.readable()
    assert line.reads == 1
    line.close()


def test_while_others_end_a_gate_leaves_its_own_end_to_a_later_turn(loop: Loop) -> None:
    ends = Ends(loop)  # type: ignore[arg-type]
    give(ends, MANY)
    line = Line(loop, ends)
    line.far.close()
    line.readable()
    assert line.reads == 0
    assert not loop.readers
    while ends.busy:
        loop.turn()
    assert line.reads == 1
    line.close()


def test_while_others_end_a_gate_reads_what_its_socket_still_holds(loop: Loop) -> None:
    ends = Ends(loop)  # type: ignore[arg-type]
    give(ends, MANY)
    line = Line(loop, ends)
    line.far.send(b"the last words")
    line.far.close()
    line.readable()
    assert line.reads == 1
    line.close()
