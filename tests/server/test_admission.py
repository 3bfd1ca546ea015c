"""Connections that have not been let in: so many an address, so many in all."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.server.admission import (
    BEGUN_AT_FIRST_S,
    BEGUN_AT_MOST_S,
    BEGUN_S,
    LATELY,
    KnownSources,
    PendingConnections,
    Ticket,
)
from teslafast.server.sources import source_of


class Hall:
    def __init__(self, per_address: int = 3, total: int = 5, held_bytes: int = 1000) -> None:
        self.refused: Counter[str] = Counter()
        self.waiting = PendingConnections(self.refused, per_address, total, held_bytes)
        self.cut_off: list[str] = []

    def enter(self, host: str, name: str = "") -> Ticket | None:
        return self.waiting.enter(host, lambda: self.cut_off.append(name))


def holding(hall: Hall, host: str, name: str, size: int = 1) -> Ticket:
    ticket = hall.enter(host, name)
    assert ticket is not None
    hall.waiting.hold(ticket, size, 0.0)
    return ticket


def test_over_the_limit_of_its_address_a_connection_takes_the_place_of_the_oldest_that_has_sent_nothing() -> None:
    hall = Hall()
    holding(hall, "1.1.1.1", "has begun")
    for name in ("oldest silent", "silent", "newest"):
        assert hall.enter("1.1.1.1", name) is not None
    assert hall.cut_off == ["oldest silent"]
    assert hall.refused == {"address_limit": 1}


def test_a_connection_is_refused_where_all_others_of_its_address_have_begun() -> None:
    hall = Hall()
    first, *_ = (holding(hall, "1.1.1.1", str(number)) for number in range(3))
    assert hall.enter("1.1.1.1") is None
    assert hall.refused == {"address_limit": 1}
    assert hall.enter("2.2.2.2") is not None
    hall.waiting.leave(first)
    assert hall.enter("1.1.1.1") is not None
    assert hall.cut_off == []


def test_over_the_total_limit_the_oldest_connection_is_closed() -> None:
    hall = Hall()
    for number in range(7):
        assert hall.enter(f"1.1.{number}.1", str(number)) is not None
    assert hall.cut_off == ["0", "1"]
    assert hall.refused == {"crowded": 2}
    assert len(hall.waiting) == 5


@pytest.mark.parametrize(
    "crowd",
    [
        ["1.1.1.1", "1.1.1.1", "1.1.1.1"],
        ["1.1.1.1", "1.1.1.2", "1.1.1.3"],
        ["2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1"],
    ],
    ids=["one address", "one network", "one IPv6 site"],
)
def test_over_the_total_limit_whoever_takes_the_most_places_loses_them(crowd: list[str]) -> None:
    hall = Hall()
    hall.enter("9.9.9.9", "alone")
    hall.enter("8.8.8.8", "alone, too")
    for host in crowd * 2:
        hall.enter(host, host)
    assert hall.cut_off == crowd


def test_in_a_network_the_address_with_the_most_connections_loses_its_oldest() -> None:
    hall = Hall(total=4)
    for host, name in (("1.1.1.1", "alone"), ("1.1.1.2", "first"), ("1.1.1.2", "second"), ("1.1.1.2", "third")):
        hall.enter(host, name)
    hall.enter("1.1.1.3", "another")
    assert hall.cut_off == ["first"]


def test_who_comes_from_where_somebody_was_admitted_keeps_its_place_while_strangers_crowd() -> None:
    hall = Hall()
    before = hall.enter("9.9.9.9")
    assert before is not None
    hall.waiting.admit(before, 0.0)
    hall.enter("9.9.9.9", "comes back")
    for number in range(20):
        hall.enter(f"1.1.{number}.1", str(number))
    assert "comes back" not in hall.cut_off
    assert len(hall.cut_off) == 16


def test_known_addresses_that_crowd_lose_their_places_as_strangers_do() -> None:
    hall = Hall()
    before = hall.enter("9.9.9.9")
    assert before is not None
    hall.waiting.admit(before, 0.0)
    for number in range(3):
        hall.enter("9.9.9.9", f"known {number}")
    hall.enter("1.1.1.1", "stranger")
    hall.enter("1.1.2.1", "another stranger")
    hall.enter("1.1.3.1", "a third")
    assert hall.cut_off == ["known 0"]


def test_a_proxys_connections_are_each_alone() -> None:
    hall = Hall(per_address=1)
    for number in range(5):
        assert hall.waiting.enter("10.0.0.1", lambda: hall.cut_off.append("proxied"), limited=False) is not None, number
    assert hall.cut_off == []
    hall.waiting.admit(hall.waiting.enter("10.0.0.1", lambda: None, limited=False) or pytest.fail("no ticket"), 0.0)
    assert source_of("10.0.0.1") not in hall.waiting.known


def test_room_is_made_by_closing_one_and_there_is_none_where_nobody_is() -> None:
    hall = Hall()
    assert not hall.waiting.make_room()
    holding(hall, "1.1.1.1", "only one")
    assert hall.waiting.make_room()
    assert hall.cut_off == ["only one"]
    assert hall.refused == {"crowded": 1}


def test_only_so_many_addresses_are_known_and_the_last_seen_ones_stay() -> None:
    known = KnownSources(most=2)
    for host in ("1.1.1.1", "2.2.2.2", "1.1.1.1", "3.3.3.3"):
        known.note(source_of(host))
    assert [source_of(host) in known for host in ("1.1.1.1", "2.2.2.2", "3.3.3.3")] == [True, False, True]


def test_leaving_after_being_closed_changes_nothing() -> None:
    hall = Hall(per_address=1, total=1)
    first = hall.enter("1.1.1.1")
    assert first is not None
    second = hall.enter("2.2.2.2")
    assert second is not None
    hall.waiting.leave(first)
    hall.waiting.leave(second)
    hall.waiting.leave(second)
    assert len(hall.waiting) == 0
    assert hall.enter("1.1.1.1") is not None


def test_over_the_limit_in_bytes_the_oldest_that_holds_any_is_closed() -> None:
    hall = Hall()
    silent, *others = (hall.enter(f"1.1.{number}.1", str(number)) for number in range(5))
    assert silent is not None
    for ticket in others:
        assert ticket is not None
        hall.waiting.hold(ticket, 250, 0.0)
    assert hall.cut_off == []
    assert others[3] is not None
    hall.waiting.hold(others[3], 600, 0.0)
    assert hall.cut_off == ["1", "2"]
    assert hall.refused == {"crowded_bytes": 2}
    assert len(hall.waiting) == 3


def test_what_a_connection_held_is_free_when_it_leaves_and_never_counted_afterwards() -> None:
    hall = Hall()
    for number in range(20):
        ticket = hall.enter("1.1.1.1", str(number))
        assert ticket is not None
        for size in (100, 900):
            hall.waiting.hold(ticket, size, 0.0)
        hall.waiting.leave(ticket)
        hall.waiting.hold(ticket, 900, 0.0)
    assert (hall.cut_off, hall.refused) == ([], {})


def test_a_connection_that_alone_holds_too_much_is_closed_itself() -> None:
    hall = Hall()
    ticket = hall.enter("1.1.1.1", "greedy")
    assert ticket is not None
    hall.waiting.hold(ticket, 1001, 0.0)
    assert hall.cut_off == ["greedy"]


HOSTS = ["1.1.1.1", "1.1.1.2", "2.2.2.2", "2001:db8::1"]


@given(st.lists(st.tuples(st.sampled_from(HOSTS), st.integers(0, 3)), max_size=80))
def test_the_limits_hold_and_nothing_is_counted_twice(steps: list[tuple[str, int]]) -> None:
    hall = Hall(held_bytes=500)
    here: dict[str, Ticket] = {}

    def enter(name: str, host: str) -> None:
        ticket = hall.waiting.enter(host, lambda: here.pop(name))
        if ticket is not None:
            here[name] = ticket

    for number, (host, what) in enumerate(steps):
        if what > 1 or not here:
            enter(str(number), host)
        elif what == 1:
            hall.waiting.hold(next(iter(here.values())), 100 + number, 0.0)
        else:
            hall.waiting.leave(here.pop(next(iter(here))))
        assert len(hall.waiting) == len(here) <= 5
        assert sum(ticket.held for ticket in here.values()) <= 500
    for ticket in here.values():
        hall.waiting.leave(ticket)
    assert len(hall.waiting) == 0
    assert [hall.enter("a") is not None for _ in range(4)] == [True, True, True, True]


def test_nobody_begins_while_most_of_the_memory_is_taken_until_one_has_had_it_for_too_long() -> None:
    hall = Hall(held_bytes=900)  # of which 800 may be taken by those who begin
    for number in range(4):
        ticket = hall.enter(f"1.1.{number}.1", str(number))
        assert ticket is not None
        assert hall.waiting.may_begin(float(number))
        hall.waiting.hold(ticket, 250 if number else 100, float(number))
    assert not hall.waiting.may_begin(0.0 + BEGUN_AT_FIRST_S - 0.1)
    assert hall.cut_off == []
    assert hall.waiting.may_begin(0.0 + BEGUN_AT_FIRST_S)
    assert hall.cut_off == ["0"]


@pytest.mark.parametrize(
    ("took_s", "patience_s"),
    [(0.01, BEGUN_AT_FIRST_S * LATELY), (0.8, 1.6), (30.0, BEGUN_AT_MOST_S)],
    ids=["near", "far", "at most"],
)
def test_strangers_may_take_twice_as_long_as_those_who_were_admitted_lately(took_s: float, patience_s: float) -> None:
    hall = Hall(held_bytes=900, total=9)
    hall.waiting.admit(holding(hall, "9.9.9.9", "shows how far it is"), took_s)
    for number in range(4):
        holding(hall, f"1.1.{number}.1", str(number), 201)
    assert not hall.waiting.may_begin(patience_s - 0.001)
    assert hall.waiting.may_begin(patience_s + 0.001)
    assert hall.cut_off == ["0"]


def test_what_somebody_took_is_forgotten_as_others_are_admitted_sooner() -> None:
    hall = Hall(held_bytes=900, total=9)
    hall.waiting.admit(holding(hall, "9.9.9.9", "far"), 30.0)
    for _ in range(50):
        hall.waiting.admit(holding(hall, "9.9.9.9", "near"), 0.01)
    for number in range(4):
        holding(hall, f"1.1.{number}.1", str(number), 201)
    assert not hall.waiting.may_begin(BEGUN_S - 0.001)
    assert hall.waiting.may_begin(BEGUN_S + 0.001)


def test_whoever_holds_the_most_and_for_too_long_loses_it_to_a_beginner() -> None:
    hall = Hall(held_bytes=900, total=9)
    holding(hall, "9.9.9.9", "alone", 250)
    for number in range(3):
        holding(hall, "1.1.1.1", str(number), 200)
    assert hall.waiting.may_begin(BEGUN_AT_FIRST_S)
    assert hall.cut_off == ["0"]


def test_known_ones_begin_whatever_strangers_hold_until_they_hold_half_themselves() -> None:
    hall = Hall(held_bytes=900)  # of which 800 may be taken by those who begin
    first = hall.enter("9.9.9.9")
    assert first is not None
    hall.waiting.admit(first, 0.0)
    holding(hall, "1.1.1.1", "stranger", 450)
    holding(hall, "9.9.9.9", "known", 400)
    assert hall.waiting.known_may_begin()
    holding(hall, "9.9.9.9", "known too", 40)
    assert not hall.waiting.known_may_begin()
    assert hall.cut_off == []
