"""Connections that have not been let in: so many an address, so many in all."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.server.admission import PendingConnections, source_of


class Hall:
    def __init__(self, per_address: int = 3, total: int = 5, held_bytes: int = 1000) -> None:
        self.refused: Counter[str] = Counter()
        self.waiting = PendingConnections(self.refused, per_address, total, held_bytes)
        self.cut_off: list[str] = []

    def enter(self, host: str, name: str = "") -> int | None:
        return self.waiting.enter(host, lambda: self.cut_off.append(name))


def test_a_connection_over_the_limit_of_its_address_is_refused() -> None:
    hall = Hall()
    tickets = [hall.enter("1.1.1.1") for _ in range(4)]
    assert tickets[3] is None
    assert hall.refused == {"address_limit": 1}
    assert hall.enter("2.2.2.2") is not None
    assert tickets[0] is not None
    hall.waiting.leave(tickets[0])
    assert hall.enter("1.1.1.1") is not None


def test_over_the_total_limit_the_oldest_connection_is_closed() -> None:
    hall = Hall()
    for number in range(7):
        assert hall.enter(f"1.1.1.{number}", str(number)) is not None
    assert hall.cut_off == ["0", "1"]
    assert hall.refused == {"crowded": 2}
    assert len(hall.waiting) == 5


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
    silent, *others = (hall.enter(f"1.1.1.{number}", str(number)) for number in range(5))
    assert silent is not None
    for ticket in others:
        assert ticket is not None
        hall.waiting.hold(ticket, 250)
    assert hall.cut_off == []
    assert others[3] is not None
    hall.waiting.hold(others[3], 600)
    assert hall.cut_off == ["1", "2"]
    assert hall.refused == {"crowded_bytes": 2}
    assert len(hall.waiting) == 3


def test_what_a_connection_held_is_free_when_it_leaves_and_never_counted_afterwards() -> None:
    hall = Hall()
    for number in range(20):
        ticket = hall.enter("1.1.1.1", str(number))
        assert ticket is not None
        for size in (100, 900):
            hall.waiting.hold(ticket, size)
        hall.waiting.leave(ticket)
        hall.waiting.hold(ticket, 900)
    assert (hall.cut_off, hall.refused) == ([], {})


def test_a_connection_that_alone_holds_too_much_is_closed_itself() -> None:
    hall = Hall()
    ticket = hall.enter("1.1.1.1", "greedy")
    assert ticket is not None
    hall.waiting.hold(ticket, 1001)
    assert hall.cut_off == ["greedy"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1.2.3.4", "1.2.3.4", True),
        ("1.2.3.4", "1.2.3.5", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::1", "2001:db8::1", False),
    ],
)
def test_an_ipv6_address_counts_by_its_64_bit_network(one: str, other: str, same: bool) -> None:
    assert (source_of(one) == source_of(other)) is same


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=60))
def test_the_limits_hold_and_nothing_is_counted_twice(steps: list[tuple[str, bool]]) -> None:
    hall = Hall()
    here: list[int] = []
    for host, comes in steps:
        if comes:
            ticket = hall.enter(host)
            here += [ticket] if ticket is not None else []
        elif here:
            hall.waiting.leave(here.pop(0))
        assert len(hall.waiting) <= 5
    for ticket in here:
        hall.waiting.leave(ticket)
    assert len(hall.waiting) == 0
    assert [hall.enter("a") is not None for _ in range(4)] == [True, True, True, False]
