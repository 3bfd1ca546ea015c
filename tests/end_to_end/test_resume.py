"""A thousand dashboards that come back: each goes on exactly where it stopped, whatever the server is doing at the time."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.peers import Dashboard, Place
from tests.support.servers import Inside

RECONNECTS = 1000
AT_ONCE = 8
KINDS = ("data", "alerts", "errors", "connectivity")


@contextmanager
def driving(place: Place) -> Iterator[None]:
    """Two vehicles send as fast as their messages are acknowledged, for as long as the block lasts."""
    ended = threading.Event()

    def drive(vin: str) -> None:
        with place.vehicle(vin) as vehicle:
            number = 0
            while not ended.is_set():
                number += 1
                vehicle.tell({"Odometer": {"doubleValue": float(number)}, "VehicleName": {"stringValue": "x" * (number % 300)}})

    threads = [threading.Thread(target=drive, args=(vin,)) for vin in ("device-1", "device-2")]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def come_back(place: Place, query: str, times: int, seed: int, seen: list[int], faults: list[str]) -> None:
    """Connects `times` times, each time after the last event that it got, and reads a few; `seen` gets every seq."""
    chance = random.Random(seed)
    last = 0
    for _ in range(times):
        with place.dashboard(f"?since={last}{query}") as dashboard:
            for message in some(dashboard, chance.randrange(1, 12)):
                if message["type"] not in KINDS:
                    faults.append(str(message))
                    continue
                seen.append(message["seq"])
                last = message["seq"]


def some(dashboard: Dashboard, count: int) -> Iterator[dict[str, Any]]:
    assert dashboard.next()["type"] == "hello"
    for _ in range(count):
        yield dashboard.next()


@pytest.mark.parametrize(("query", "every"), [("", True), ("&vin=device-1", False)], ids=["everything", "one vehicle"])
def test_a_thousand_reconnects_miss_nothing_and_get_nothing_twice(query: str, every: bool) -> None:
    with Inside(RING_BYTES="64MiB") as server, driving(server.place):
        faults: list[str] = []
        rows: list[list[int]] = [[] for _ in range(AT_ONCE)]
        readers = [
            threading.Thread(target=come_back, args=(server.place, query, RECONNECTS // 2 // AT_ONCE, seed, seen, faults))
            for seed, seen in enumerate(rows)
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        with server.place.dashboard(f"?since=0{query}") as whole:
            longest = max(row[-1] for row in rows)
            truth = [message["seq"] for message in some(whole, max(map(len, rows)) + AT_ONCE) if message["seq"] <= longest]
    assert not faults
    for row in rows:
        assert row == truth[: len(row)]
    if every:
        assert truth == list(range(1, len(truth) + 1))
