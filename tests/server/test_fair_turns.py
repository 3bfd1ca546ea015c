"""Turns at what costs CPU: nobody's crowd keeps anybody else from its own."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from typing import Any

import pytest
from teslafast.server import fair_turns
from teslafast.server.admission import Ticket
from teslafast.server.arrival import Arrival
from teslafast.server.fair_turns import FINISHING_TURNS, FairTurns
from teslafast.server.sources import IN_ORDER_AT_MOST, source_of

from tests.support.certificates import World
from tests.support.fake_loop import FakeLoop
from tests.support.handshakes import hello
from tests.support.peers import PATIENCE_S
from tests.support.servers import Inside


class Caller:
    def __init__(self, served: list[str], name: str, host: str, known: bool = False, begun: bool = False) -> None:
        self._served = served
        self._name = name
        self.ticket = Ticket(source_of(host), known, True, lambda: None)
        self.begun = begun

    def step(self) -> None:
        self._served.append(self._name)


class Line:
    """Who is served is in `served`, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, turn_s: float) -> None:
        monkeypatch.setattr(fair_turns, "TURN_S", turn_s)
        self.loop = FakeLoop()
        self.turns = FairTurns(self.loop)
        self.served: list[str] = []

    def call(self, name: str, host: str, **traits: bool) -> Caller:
        caller = Caller(self.served, name, host, **traits)
        self.turns.add(caller)
        return caller


def test_strangers_and_known_ones_beginners_and_those_under_way_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch, PATIENCE_S)
    for number in range(4):
        line.call("new", f"1.1.{number}.1")
    for number in range(2 * FINISHING_TURNS):
        line.call("on", f"1.2.{number}.1", begun=True)
    line.call("known new", "9.9.9.9", known=True)
    line.call("known on", "9.9.9.9", known=True, begun=True)
    line.loop.settle()
    assert line.served == ["known on", *["on"] * FINISHING_TURNS, "known new", "new", *["on"] * FINISHING_TURNS, *["new"] * 3]


def test_beginners_have_their_turn_however_many_are_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch, PATIENCE_S)
    for number in range(12):
        line.call("on", f"1.2.{number}.1", begun=True)
    line.call("new", "1.1.1.1")
    line.loop.settle()
    assert line.served.index("new") == FINISHING_TURNS


def test_nobody_begins_while_there_is_no_memory_and_it_is_asked_again_later() -> None:
    loop, room = FakeLoop(), [False]
    served: list[str] = []
    turns = FairTurns(loop, lambda: room[0])
    turns.add(Caller(served, "new", "1.1.1.1"))
    turns.add(Caller(served, "on", "1.1.1.1", begun=True))
    loop.settle()
    assert served == ["on"]
    room[0] = True
    loop.elapse()
    assert served == ["on", "new"]


def test_those_of_one_address_who_have_begun_go_on_in_their_order_however_many_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch, PATIENCE_S)
    names = [str(number) for number in range(2 * IN_ORDER_AT_MOST)]
    for name in names:
        line.call(name, "1.1.1.1", begun=True)
    line.loop.settle()
    assert line.served == names


def test_who_has_begun_has_its_turn_at_once_while_nobody_may_begin() -> None:
    loop, served = FakeLoop(), list[str]()
    turns = FairTurns(loop, lambda: False)
    turns.add(Caller(served, "new", "1.1.1.1"))
    loop.settle()
    turns.add(Caller(served, "on", "1.1.1.1", begun=True))
    loop.settle()
    assert served == ["on"]
    loop.elapse()
    assert served == ["on"], "nor was the other one let in by what had waited"


def test_a_step_a_turn_is_taken_however_long_it_takes_and_the_others_come_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch, 0.0)
    for number in range(3):
        line.call(str(number), "1.1.1.1")
    served = []
    while len(line.turns):
        line.loop.turn()
        served.append(len(line.served))
    assert served == [1, 2, 3]


def test_who_is_gone_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch, PATIENCE_S)
    gone = line.call("gone", "1.1.1.1")
    line.call("here", "1.1.1.1")
    line.turns.discard(gone)
    line.turns.discard(gone)
    line.loop.settle()
    assert line.served == ["here"]


STRANGERS = 300


@pytest.mark.parametrize("crowd", ["one address", "many addresses"])
def test_a_crowd_of_hellos_does_not_come_before_a_vehicle_that_came_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch, crowd: str
) -> None:
    steps: list[str] = []
    step = Arrival.step

    def noted(arrival: Arrival) -> None:
        steps.append(arrival.address[0])
        step(arrival)

    monkeypatch.setattr(Arrival, "step", noted)
    first = hello(world.client())
    with Inside(world, VEHICLE_PORT="0") as server, ExitStack() as strangers:

        def come(running: Any) -> None:
            """While the event loop stands still: all of them wait in the kernel's queue, the vehicle behind them."""
            for number in range(STRANGERS + 1):
                vehicle = number == STRANGERS
                address = "127.1.0.1" if vehicle else "127.2.0.1" if crowd == "one address" else f"127.2.0.{1 + number % 250}"
                peer = socket.create_connection(("127.0.0.1", server.place.vehicle_port), PATIENCE_S, (address, 0))
                strangers.enter_context(peer).sendall(first)

        server.ask(come)
        deadline = time.monotonic() + PATIENCE_S
        while "127.1.0.1" not in steps:
            assert time.monotonic() < deadline
        assert steps.index("127.1.0.1") < STRANGERS / 2


def test_a_step_that_fails_keeps_nobody_else_out(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch, PATIENCE_S)

    def fail() -> None:
        raise OSError("gone")

    monkeypatch.setattr(line.call("bad", "1.1.1.1"), "step", fail)
    line.call("good", "1.1.2.1")
    with pytest.raises(OSError, match="gone"):
        line.loop.settle()
    line.loop.settle()
    line.call("later", "1.1.3.1")
    line.loop.settle()
    assert line.served == ["good", "later"]
