"""What each vehicle has sent, and whether it is here: one story per vehicle, whatever its connections do."""

from __future__ import annotations

import random
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
from teslafast.core.records import Report
from teslafast.core.registry import TXIDS_KEPT, Registry, VehicleEntry

VIN = "5YJ3E1EA7KF000001"


def record(
    kind: str = "data", signals: int = 3, created_ns: int | None = 1, resend: bool = False, differs: bool = False
) -> Report:
    return Report(kind, {"vin": VIN}, created_ns, resend, signals, differs)


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
    entry.heard(record(), b"", 1)
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


def heard(txids: list[bytes]) -> VehicleEntry:
    entry = VehicleEntry(VIN)
    for txid in txids:
        entry.heard(record(), txid, 100)
    return entry


def in_order(*times: tuple[int | None, bool]) -> tuple[int, int]:
    """Data messages made at these times, re-sent or not, all received at 100: how many count as reorders, and as re-sends."""
    entry = VehicleEntry(VIN)
    for created_ns, resend in times:
        entry.heard(record(created_ns=created_ns, resend=resend), b"", 100)
    return entry.reorders, entry.resends


def test_a_message_whose_txid_came_before_is_a_duplicate() -> None:
    assert heard([b"tx-1", b"tx-2", b"tx-1", b"tx-1"]).duplicates == 2


def test_long_txids_are_recognised_and_take_no_memory_with_them() -> None:
    """As long as a message may be, 64 of them were 58 MB a vehicle for as long as the server lived."""
    long = 1_000_000
    tracemalloc.start()
    try:
        entry = heard([b"%02d" % number * (long // 2) for number in range(20)])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < long / 10
    entry.heard(record(), b"07" * (long // 2), 100)
    assert entry.duplicates == 1


def test_messages_without_a_txid_are_all_new() -> None:
    assert heard([b""] * 3).duplicates == 0


def test_the_last_txids_are_remembered_and_those_before_them_are_not() -> None:
    txids = [b"%d" % number for number in range(TXIDS_KEPT + 1)]
    assert heard([*txids, b"1"]).duplicates == 1
    assert heard([*txids, b"0"]).duplicates == 0


def test_a_message_made_before_one_that_came_earlier_is_a_reorder() -> None:
    assert in_order((10, False), (20, False), (15, False), (None, False), (20, False), (21, False)) == (1, 0)


def test_a_resent_message_may_well_be_old() -> None:
    assert in_order((10, False), (5, True), (30, True), (20, False)) == (1, 2)


def test_a_time_ahead_of_receipt_says_nothing_of_the_order() -> None:
    assert in_order((10, False), (1000, False), (20, False)) == (0, 0)


def test_what_was_told_while_our_own_clock_was_ahead_makes_no_later_message_a_reorder() -> None:
    entry = VehicleEntry(VIN)
    for created_ns, now_ns in ((1000, 1000), (20, 21), (22, 23), (21, 24)):
        entry.heard(record(created_ns=created_ns), b"", now_ns)
    assert entry.reorders == 1, "the last one alone"


def test_a_vehicle_was_not_heard_at_a_moment_that_has_not_come_yet() -> None:
    entry = VehicleEntry(VIN)
    entry.heard(record(), b"", 1_900_000_000_000_000_000)
    assert entry.report(1_800_000_000_000_000_000)["lastHeard"] == "2027-01-15T08:00:00.000Z"


def test_only_data_has_an_order() -> None:
    entry = VehicleEntry(VIN)
    entry.heard(record(created_ns=20), b"", 100)
    entry.heard(record("errors", created_ns=10, resend=True), b"", 100)
    assert (entry.reorders, entry.resends) == (0, 0)


# ---- the report


def test_the_report_says_what_the_vehicle_sent() -> None:
    registry = Registry()
    entry, _ = registry.join(VIN, "wifi", "1.2.0")
    registry.heard(VIN, record(signals=14, created_ns=20), b"tx-1", 1_800_000_000_123_000_000)
    registry.heard(VIN, record(signals=1, created_ns=10, differs=True), b"tx-1", 1_800_000_000_456_000_000)
    registry.heard(VIN, record("alerts", 1, created_ns=5), b"", 1_800_000_001_000_000_000)
    entry.refuse()
    assert entry.report(1_800_000_002_000_000_000) == {
        "vin": VIN,
        "connected": True,
        "connections": 1,
        "lastHeard": "2027-01-15T08:00:01.000Z",
        "networkInterface": "wifi",
        "clientVersion": "1.2.0",
        "messages": 3,
        "counts": {"data": 2, "alerts": 1},
        "signals": 16,
        "refused": 1,
        "duplicates": 1,
        "reorders": 1,
        "resends": 0,
        "vinMismatches": 1,
    }


def test_a_vehicle_that_another_node_heard_is_known_and_not_connected() -> None:
    registry = Registry()
    registry.heard(VIN, record(), b"", 1)
    entry = registry.get(VIN)
    assert entry is not None
    assert (entry.report(1)["connected"], registry.connected, registry.is_connected(VIN)) == (False, 0, False)


def test_a_vehicle_that_was_never_heard_has_no_last_time() -> None:
    assert VehicleEntry(VIN).report(1)["lastHeard"] is None
