"""Which vehicles may connect, and what the log says of those who may not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.certificates import World
from tests.support.peers import Place, token
from tests.support.servers import Inside

SPEED = {"VehicleSpeed": {"floatValue": 65.5}}


@pytest.fixture(scope="module")
def mutual(world: World) -> Iterator[Inside]:
    with Inside(world, VEHICLE_PORT="0") as server:
        yield server


def status_of(place: Place, vin: str) -> int:
    try:
        with place.vehicle(vin):
            return 101
    except InvalidStatus as refused:
        return int(refused.response.status_code)


def test_over_the_limit_of_vehicles_new_ones_are_answered_503_and_those_here_may_come_again(world: World) -> None:
    with Inside(world, VEHICLE_PORT="0", MAX_VEHICLES="1") as server, server.place.vehicle("device-1") as first:
        first.tell(SPEED)
        assert status_of(server.place, "device-2") == 503
        assert status_of(server.place, "device-1") == 101
        assert server.counts("refused_requests") == {"too_many_vehicles": 1}


def test_a_vehicle_that_is_not_on_the_list_is_answered_403_and_the_log_says_why(world: World) -> None:
    with Inside(world, VEHICLE_PORT="0", TESLA_VIN="device-1") as server:
        assert status_of(server.place, "device-1") == 101
        assert status_of(server.place, "device-2") == 403
        assert server.lines.wait_for("request_refused")[0]["reason"] == "VIN device-2 is not in TESLA_VIN"


def test_a_certificate_of_no_vehicle_is_answered_403_and_the_log_says_why(mutual: Inside, world: World) -> None:
    strangers = {
        "unknown_issuer": world.pair(world.foreign_issuer, "device-1"),
        "no_product": world.pair(world.issuing, "device-1", usages=()),
        "wifi_certificate": world.pair(world.issuing, "device-1", usages=("1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.49279.2.5.1.1")),
        "not_a_vehicle": world.pair(world.issuing, "device-1", usages=("1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.49279.2.5.2")),
        "no_vin": world.pair(world.issuing, ""),
    }
    for cause, pair in strangers.items():
        with mutual.place.raw(pair, mutual.place.vehicle_port) as raw:
            head = raw.upgrade("/")
        assert head.startswith(b"HTTP/1.1 403 ")
        assert mutual.lines.wait_for("request_refused", cause=cause)[0]["reason"]
        assert mutual.counts("refused_requests")[cause] == 1


def test_a_vehicle_whose_certificate_has_its_vin_in_lower_case_is_found_by_setting_filter_token_and_page(world: World) -> None:
    vin = "5YJ3E1EA7KF000001"
    with Inside(world, VEHICLE_PORT="0", TESLA_VIN=vin.lower()) as server:
        with server.place.vehicle(vin.lower()) as vehicle:
            vehicle.tell(SPEED)
        with server.place.dashboard(f"?vin={vin.lower()}", bearer=token(vins=[vin])) as dashboard:
            assert dashboard.until("snapshot")["vin"] == vin
        assert server.place.get(f"/vehicles/{vin}", Authorization=f"Bearer {token()}").status == 200
