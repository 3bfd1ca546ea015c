"""What clients do not read is bounded for all of them together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from teslafast.core.unsent import ALL_UNSENT_AT_MOST, UNSENT_AT_LEAST, Unsent


class Client:
    def __init__(self) -> None:
        self.ended = False

    def shed(self) -> None:
        self.ended = True


def test_who_has_not_read_for_longest_goes_first() -> None:
    unsent, clients = Unsent(100), [Client() for _ in range(4)]
    for client in clients[:3]:
        unsent.hold(client, 30)
    unsent.drop(clients[0])
    unsent.hold(clients[0], 30)  # it has read in between
    unsent.hold(clients[3], 30)
    assert [client.ended for client in clients] == [False, True, False, False]
    assert unsent.total == 90


def test_who_holds_more_and_more_keeps_its_place() -> None:
    unsent, clients = Unsent(100), [Client() for _ in range(3)]
    for client in clients[:2]:
        unsent.hold(client, 30)
    unsent.hold(clients[0], 50)
    unsent.hold(clients[2], 30)
    assert [client.ended for client in clients] == [True, False, False]
    assert unsent.total == 60


def test_what_views_take_is_taken_off_but_not_all() -> None:
    taken = [ALL_UNSENT_AT_MOST // 4]
    unsent, clients, ended = Unsent(taken=lambda: taken[0]), [Client() for _ in range(3)], []
    for client, size in ((clients[0], ALL_UNSENT_AT_MOST * 3 // 4), (clients[1], 1)):
        unsent.hold(client, size)
        ended.append(clients[0].ended)
    assert ended == [False, True]
    taken[0] = 100 * ALL_UNSENT_AT_MOST
    unsent.hold(clients[2], UNSENT_AT_LEAST - 1)
    assert not clients[2].ended


def test_who_alone_holds_too_much_is_ended() -> None:
    unsent, client = Unsent(100), Client()
    unsent.hold(client, 101)
    assert (client.ended, unsent.total) == (True, 0)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60)), max_size=40))
def test_the_total_is_what_those_hold_who_are_here_and_never_too_much(steps: list[tuple[int, int]]) -> None:
    unsent, clients = Unsent(100), [Client() for _ in range(6)]
    held: dict[int, int] = {}
    for number, size in steps:
        if size:
            clients[number].ended = False
            unsent.hold(clients[number], size)
            held[number] = size
        else:
            unsent.drop(clients[number])
            held.pop(number, None)
        held = {number: size for number, size in held.items() if not clients[number].ended}
        assert unsent.total == sum(held.values()) <= 100
