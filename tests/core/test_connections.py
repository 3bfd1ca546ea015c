"""Who is connected, by role, and how the memory of those who have gone is given back."""

from __future__ import annotations

from typing import cast
from weakref import WeakSet

from teslafast.close_reasons import CROWDED, REPLACED, CloseReason
from teslafast.core.connections import (
    CONNECTIONS_PER_VIN,
    RELEASE_PAUSE_S,
    RELEASED_AT_ONCE,
    STRANGERS_AT_MOST,
    Connections,
    OpenDashboard,
)

from tests.support.fake_loop import FakeLoop


class FakeConnection:
    """As far as those see it who keep all of them in order."""

    def __init__(self) -> None:
        self.closed_for: list[CloseReason] = []

    def check(self, now_s: float) -> None: ...
    def close(self, reason: CloseReason) -> None:
        self.closed_for.append(reason)

    def abort(self) -> None: ...


def dashboard() -> OpenDashboard:
    return cast(OpenDashboard, FakeConnection())  # nothing of what a drain asks is asked here


def test_each_connection_stands_under_its_role_and_all_are_counted_together() -> None:
    connections = Connections(FakeLoop())
    vehicle, reader = FakeConnection(), dashboard()
    connections.add_vehicle(vehicle)
    connections.add_dashboard(reader, "sub")
    assert (connections.vehicles, connections.dashboards) == ({vehicle}, {reader})
    assert set(connections) == {vehicle, reader}
    assert len(connections) == 2
    connections.remove_vehicle(vehicle, "")
    connections.remove_dashboard(reader, "sub")
    assert (len(connections), list(connections)) == (0, [])


def test_connections_may_end_while_all_of_them_are_gone_over() -> None:
    connections = Connections(FakeLoop())
    for _ in range(5):
        connections.add_vehicle(FakeConnection())
    seen = 0
    for connection in connections:
        seen += 1
        connections.remove_vehicle(connection, "")
    assert (seen, len(connections)) == (5, 0)


def test_of_too_many_connections_of_one_vehicle_the_oldest_is_closed() -> None:
    connections = Connections(FakeLoop())
    several = [FakeConnection() for _ in range(CONNECTIONS_PER_VIN + 2)]
    for vehicle in several:
        connections.add_vehicle(vehicle)
        connections.name_vehicle(vehicle, "A")
    assert [vehicle.closed_for for vehicle in several] == [[REPLACED], [REPLACED]] + [[]] * CONNECTIONS_PER_VIN
    for vehicle in several:
        connections.remove_vehicle(vehicle, "A")
    again = FakeConnection()
    connections.add_vehicle(again)
    connections.name_vehicle(again, "A")
    assert again.closed_for == []


class FakeStranger(FakeConnection):
    closing = False


def test_of_too_many_strangers_the_oldest_is_closed_and_those_who_have_gone_do_not_count() -> None:
    connections = Connections(FakeLoop())
    first, *rest = [FakeStranger() for _ in range(STRANGERS_AT_MOST)]
    for stranger in (first, *rest):
        connections.add_stranger(stranger)
    connections.remove_stranger(rest[0])
    connections.add_stranger(FakeStranger())
    assert first.closed_for == []
    connections.add_stranger(FakeStranger())
    assert first.closed_for == [CROWDED]
    assert len(connections) == STRANGERS_AT_MOST
    assert not any(stranger.closed_for for stranger in rest)


def test_where_descriptors_are_few_there_are_fewer_strangers() -> None:
    connections = Connections(FakeLoop())
    connections.strangers_at_most = 2
    first, *rest = [FakeStranger() for _ in range(3)]
    for stranger in (first, *rest):
        connections.add_stranger(stranger)
    assert first.closed_for == [CROWDED]
    assert list(connections.strangers) == rest


def test_dashboards_are_counted_by_whom_their_tokens_name() -> None:
    connections = Connections(FakeLoop())
    readers = [dashboard() for _ in range(3)]
    for reader, sub in zip(readers, "AAB", strict=True):
        connections.add_dashboard(reader, sub)
    assert [connections.dashboards_of(sub) for sub in "ABC"] == [2, 1, 0]
    connections.remove_dashboard(readers[0], "A")
    assert connections.dashboards_of("A") == 1


def test_the_memory_of_a_fleet_that_has_gone_is_given_back_in_parts() -> None:
    loop = FakeLoop()
    connections = Connections(loop)
    fleet = [FakeConnection() for _ in range(3 * RELEASED_AT_ONCE)]
    alive = WeakSet(fleet)
    for vehicle in fleet:
        connections.add_vehicle(vehicle)
    del vehicle
    while fleet:
        connections.remove_vehicle(fleet.pop(), "")
    assert len(connections) == 0
    assert len(alive) == 3 * RELEASED_AT_ONCE
    left, pauses = [], []
    while loop.timers:
        pauses += loop.elapse()
        left.append(len(alive))
    assert left == [2 * RELEASED_AT_ONCE, RELEASED_AT_ONCE, 0]
    assert pauses == [0, RELEASE_PAUSE_S, RELEASE_PAUSE_S]


def test_who_ends_after_all_has_been_given_back_is_given_back_too() -> None:
    loop = FakeLoop()
    connections = Connections(loop)
    for _ in range(2):
        connection = FakeConnection()
        alive = WeakSet([connection])
        connections.add_vehicle(connection)
        connections.remove_vehicle(connection, "")
        del connection
        loop.elapse()
        assert not alive


def test_the_connections_of_a_vehicle_are_known_the_oldest_first_until_they_end() -> None:
    connections = Connections(FakeLoop())
    first, second, other = (FakeConnection() for _ in range(3))
    for connection, vin in ((first, "A"), (second, "A"), (other, "B")):
        connections.add_vehicle(connection)
        connections.name_vehicle(connection, vin)
    assert connections.of_vehicle("A") == (first, second)
    connections.remove_vehicle(first, "A")
    assert connections.of_vehicle("A") == (second,)
    assert connections.of_vehicle("nobody") == ()
