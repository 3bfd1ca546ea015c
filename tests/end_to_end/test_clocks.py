"""
Clocks that are wrong and are set right: the vehicle's, which wakes ahead, and the machine's, which starts ahead. Whatever they
said, what comes now is what is shown.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from teslafast.rfc3339 import parse_rfc3339, rfc3339

from tests.support.clocks import MovedServer, moved
from tests.support.event_stream import listen
from tests.support.peers import Place, Vehicle, token
from tests.support.servers import Inside

VIN = "5YJ3E1EA7KF000001"
YEAR_S = 31_536_000
DAY_S = 86_400


def stamp(ahead_s: float = 0.0) -> str:
    return rfc3339(time.time_ns() + int(ahead_s * 1e9))


def soc(value: float) -> dict[str, Any]:
    return {"Soc": {"doubleValue": value}}


def miles(value: float) -> dict[str, Any]:
    return {"Odometer": {"doubleValue": value}}


def last_known(place: Place, ahead_s: int = 0) -> dict[str, Any]:
    """Field → value, of `/vehicles/VIN`; none of its times is later than the server's clock."""
    said = place.get(f"/vehicles/{VIN}", Authorization=f"Bearer {token(exp=time.time() + 10 * YEAR_S)}").json
    now_ns = time.time_ns() + ahead_s * 1_000_000_000
    for time_text in filter(None, [*said["times"].values(), said.get("lastHeard")]):  # not heard since the start
        assert (parse_rfc3339(time_text) or 0) <= now_ns, time_text
    assert said["times"] == {name: rfc3339(told["time_ns"]) for name, told in said["data"].items()}
    return {name: told["value"] for name, told in said["data"].items()}


def snapshot(place: Place, ahead_s: int = 0) -> dict[str, Any]:
    with place.dashboard(bearer=token(exp=time.time() + 10 * YEAR_S)) as dashboard:
        told = dashboard.until("snapshot")
    assert (parse_rfc3339(told["createdAt"]) or 0) <= time.time_ns() + ahead_s * 1_000_000_000
    data: dict[str, Any] = told["data"]
    return data


def shown(place: Place) -> dict[str, Any]:
    """What every way of asking for the last values says."""
    known = last_known(place)
    assert snapshot(place) == known
    return known


# ---- the vehicle's


@pytest.mark.parametrize("ahead_s", [60, 299, 301, DAY_S, 5 * YEAR_S])
def test_a_vehicle_that_wakes_with_its_clock_ahead_shows_what_it_says_later(ahead_s: int) -> None:
    with Inside() as server, server.place.vehicle(VIN) as vehicle:
        vehicle.tell(soc(80) | miles(1), created=stamp(-3600))
        vehicle.tell(soc(70) | miles(2), created=stamp(ahead_s))
        assert shown(server.place) == {"Soc": 70, "Odometer": 2}
        vehicle.tell(soc(69), created=stamp(-0.5))
        assert shown(server.place) == {"Soc": 69, "Odometer": 2}, "its clock is right again"
        vehicle.tell(soc(99) | miles(9), created=stamp(-1800), isResend=True)
        assert shown(server.place) == {"Soc": 69, "Odometer": 2}, "what it had kept is older than both"
        vehicle.tell(soc(68) | miles(3), created=stamp(-0.2))
        assert shown(server.place) == {"Soc": 68, "Odometer": 3}


# ---- the server's


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    file = tmp_path / "ahead"
    moved(file, 4 * YEAR_S)
    return file


def told_early(vehicle: Vehicle) -> None:
    """While the server's clock is ahead: what was made at the right time, further ahead, and at the server's own."""
    vehicle.tell(soc(80), created=stamp())
    vehicle.tell(miles(1), created=stamp(9 * YEAR_S))
    vehicle.tell({"VehicleName": {"stringValue": "Early"}}, created=stamp(4 * YEAR_S - 5))


def test_a_server_whose_clock_is_set_back_shows_what_comes_from_then_on(clock: Path) -> None:
    with MovedServer(MOVED_CLOCK=str(clock), VEHICLE_METRICS="true") as server, server.place.vehicle(VIN) as vehicle:
        told_early(vehicle)
        assert last_known(server.place, 4 * YEAR_S) == {"Soc": 80, "Odometer": 1, "VehicleName": "Early"}
        moved(clock, 0)
        assert shown(server.place) == {"Soc": 80, "Odometer": 1, "VehicleName": "Early"}, "no time of it is in the future"
        vehicle.tell(miles(2) | {"VehicleName": {"stringValue": "Now"}}, created=stamp(-2))
        assert shown(server.place) == {"Soc": 80, "Odometer": 2, "VehicleName": "Now"}
        vehicle.tell(soc(99) | miles(9), created=stamp(-600), isResend=True)
        assert shown(server.place) == {"Soc": 80, "Odometer": 2, "VehicleName": "Now"}
        reorders = server.place.get("/vehicles", Authorization=f"Bearer {token()}").json["vehicles"][0]["reorders"]
        assert reorders == 0, "none of it was out of order"


def test_a_journal_that_was_written_ahead_of_time_is_outranked_after_the_restart(clock: Path, tmp_path: Path) -> None:
    journal = str(tmp_path / "journal")
    with MovedServer(MOVED_CLOCK=str(clock), JOURNAL_PATH=journal) as server, server.place.vehicle(VIN) as vehicle:
        told_early(vehicle)
    moved(clock, 0)
    with MovedServer(MOVED_CLOCK=str(clock), JOURNAL_PATH=journal) as server, server.place.vehicle(VIN) as vehicle:
        assert shown(server.place) == {"Soc": 80, "Odometer": 1, "VehicleName": "Early"}
        vehicle.tell(miles(2), created=stamp(-2))
        assert shown(server.place) == {"Soc": 80, "Odometer": 2, "VehicleName": "Early"}
    with MovedServer(MOVED_CLOCK=str(clock), JOURNAL_PATH=journal) as server:
        assert shown(server.place) == {"Soc": 80, "Odometer": 2, "VehicleName": "Early"}, "recovered by the same rule"


def test_server_sent_snapshots_name_no_time_that_has_not_come(clock: Path) -> None:
    with MovedServer(MOVED_CLOCK=str(clock)) as server, server.place.vehicle(VIN) as vehicle:
        told_early(vehicle)
        moved(clock, 0)
        with listen(server.place, f"/sse/{VIN}?topics=data,state") as reader:
            told = reader.until("data"), *reader.seen
    assert all((parse_rfc3339(event.data["createdAt"]) or 0) <= time.time_ns() for event in told), told
