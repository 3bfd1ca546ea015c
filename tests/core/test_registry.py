"""What each vehicle has sent, and whether it is here: one story per vehicle, whatever its connections do."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from teslafast.core.registry import BURST_S, TXIDS_KEPT, Registry, VehicleEntry

VIN = "5YJ3E1EA7KF000001"


# ---- connections


def test_a_vehicle_is_connected_from_its_first_connection_to_its_last() -> None:
    registry = Registry()
    assert not registry.is_connected(VIN)
    entry, first = registry.join(VIN)
    assert first
    assert registry.join(VIN) == (entry, False)
    assert (registry.is_connected(VIN), registry.connected) == (True, 1)
    assert not registry.leave(entry)
    assert registry.leave(entry)
    assert (registry.is_connected(VIN), registry.connected) == (False, 0)


def test_what_is_known_of_a_vehicle_outlives_its_connections() -> None:
    registry = Registry()
    entry, _ = registry.join(VIN)
    entry.heard("data", 3, 1)
    registry.leave(entry)
    assert registry.join(VIN) == (entry, True)
    assert registry.get(VIN) is entry
    assert list(registry) == [entry]


@given(st.lists(st.sampled_from("ABC")), st.randoms())
def test_the_count_is_of_vehicles_and_not_of_connections(joins: list[str], chance: random.Random) -> None:
    registry = Registry()
    here = [registry.join(vin)[0] for vin in joins]
    chance.shuffle(here)
    while here:
        assert registry.connected == len({entry.vin for entry in here})
        leaving = here.pop()
        assert registry.leave(leaving) is (leaving not in here)
    assert registry.connected == 0


# ---- duplicates and order


def test_a_message_that_comes_again_is_a_duplicate() -> None:
    entry = VehicleEntry(VIN)
    assert not entry.seen_before(b"tx-1")
    assert entry.seen_before(b"tx-1")
    assert entry.duplicates == 1


def test_messages_without_a_txid_are_all_new() -> None:
    entry = VehicleEntry(VIN)
    assert not any(entry.seen_before(b"") for _ in range(3))


def test_txids_are_remembered_for_a_while_and_no_longer() -> None:
    entry = VehicleEntry(VIN)
    for number in range(TXIDS_KEPT + 1):
        entry.seen_before(b"%d" % number)
    assert entry.seen_before(b"%d" % TXIDS_KEPT)
    assert entry.seen_before(b"1")
    assert not entry.seen_before(b"0")


def test_what_was_made_before_one_that_came_earlier_is_a_reorder() -> None:
    entry = VehicleEntry(VIN)
    for created in (10, 20, 15, None, 20, 21):
        entry.note_order(created, False)
    assert (entry.reorders, entry.resends) == (1, 0)


def test_what_is_sent_again_may_well_be_old() -> None:
    entry = VehicleEntry(VIN)
    for created, again in ((10, False), (5, True), (30, True), (20, False)):
        entry.note_order(created, again)
    assert (entry.reorders, entry.resends) == (1, 2)


# ---- the rate limit


def count_allowed(entry: VehicleEntry, rate: float, times: list[float]) -> int:
    return sum(entry.allowed(rate, moment) for moment in times)


def test_a_burst_of_two_seconds_worth_is_allowed_at_once() -> None:
    assert count_allowed(VehicleEntry(VIN), 5, [100.0] * 20) == 10


def test_after_the_burst_the_rate_is_what_is_allowed() -> None:
    entry = VehicleEntry(VIN)
    count_allowed(entry, 5, [100.0] * 20)
    assert count_allowed(entry, 5, [100.0 + tick / 100 for tick in range(1, 101)]) == 5


def test_a_pause_earns_no_more_than_a_burst() -> None:
    entry = VehicleEntry(VIN)
    count_allowed(entry, 5, [100.0] * 20)
    assert count_allowed(entry, 5, [10_000.0] * 20) == 10


def test_even_the_lowest_rate_lets_the_first_message_pass() -> None:
    assert count_allowed(VehicleEntry(VIN), 1, [0.0]) == 1


@given(st.integers(1, 50), st.lists(st.floats(0, 1), max_size=200))
def test_no_stretch_of_time_lets_more_through_than_rate_and_burst(rate: int, pauses: list[float]) -> None:
    entry, moment = VehicleEntry(VIN), 1.0
    passed = []
    for pause in pauses:
        moment += pause
        if entry.allowed(rate, moment):
            passed.append(moment)
    for first in range(0, len(passed), 7):
        for last in range(first, len(passed), 5):
            allowed = rate * (passed[last] - passed[first]) + rate * BURST_S
            assert last - first + 1 <= allowed + 1e-6


# ---- the report


def test_the_report_says_what_the_vehicle_sent() -> None:
    registry = Registry()
    entry, _ = registry.join(VIN)
    entry.network_interface, entry.client_version = "wifi", "1.2.0"
    entry.heard("data", 14, 1_800_000_000_123_000_000)
    entry.heard("alerts", 1, 1_800_000_001_000_000_000)
    assert entry.report() == {
        "vin": VIN,
        "connected": True,
        "connections": 1,
        "lastHeard": "2027-01-15T08:00:01.000Z",
        "networkInterface": "wifi",
        "clientVersion": "1.2.0",
        "messages": 2,
        "counts": {"data": 1, "alerts": 1},
        "signals": 15,
        "refused": 0,
        "duplicates": 0,
        "reorders": 0,
        "resends": 0,
        "vinMismatches": 0,
    }


def test_who_was_never_heard_has_no_last_time() -> None:
    assert VehicleEntry(VIN).report()["lastHeard"] is None
