"""TeslaMate's REST requests, answered by a real server: only with TESLAMATE_API, only what the token grants."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from teslafast.dashboards import owner_api
from teslafast.dashboards.vehicle_ids import vehicle_id

from tests.support.peers import Response, token
from tests.support.servers import Inside

VIN, OTHER = "5YJ3E1EA7KF000001", "5YJ3E1EA7KF000002"
PARKED = {
    "Location": {"locationValue": {"latitude": 52.39, "longitude": 13.06}},
    "Gear": {"shiftStateValue": "ShiftStateP"},
    "Soc": {"doubleValue": 71.4},
    "VehicleName": {"stringValue": "Ada"},
}


@pytest.fixture
def server() -> Iterator[Inside]:
    with Inside(TESLAMATE_API="true") as running:
        yield running


def ask(server: Inside, path: str, bearer: str | None = None) -> Response:
    return server.place.get(path, authorization=f"Bearer {bearer or token()}")


@pytest.mark.parametrize("path", ["/api/1/products", "/api/1/vehicles"])
def test_products_are_the_vehicles_that_the_token_grants(server: Inside, path: str) -> None:
    with server.place.vehicle(VIN) as car, server.place.vehicle(OTHER) as other:
        car.tell(PARKED)
        other.tell(PARKED)
        answer = ask(server, path, token(vins=[VIN]))
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.json["count"] == 1
    assert answer.json["response"][0] == {
        "id": vehicle_id(VIN),
        "id_s": str(vehicle_id(VIN)),
        "vehicle_id": vehicle_id(VIN),
        "vin": VIN,
        "state": "online",
        "display_name": "Ada",
    }


@pytest.mark.parametrize("name", [VIN, str(vehicle_id(VIN))])
def test_a_connected_vehicle_tells_all_that_is_known(server: Inside, name: str) -> None:
    with server.place.vehicle(VIN) as car:
        car.tell(PARKED)
        assert ask(server, f"/api/1/vehicles/{name}").json["response"]["state"] == "online"
        told = ask(server, f"/api/1/vehicles/{name}/vehicle_data?endpoints=drive_state;location_data").json["response"]
    assert (told["charge_state"]["battery_level"], told["drive_state"]["shift_state"]) == (71, "P")


def test_a_vehicle_that_is_gone_is_offline_then_asleep_and_tells_no_data(server: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    with server.place.vehicle(VIN) as car:
        car.tell(PARKED)
    server.lines.wait_for("vehicle_disconnected")
    answer = ask(server, f"/api/1/vehicles/{VIN}/vehicle_data")
    assert answer.status == 408
    assert answer.json["error"] == "vehicle unavailable: vehicle is offline"
    monkeypatch.setattr(owner_api, "ASLEEP_AFTER_S", 0)
    assert ask(server, f"/api/1/vehicles/{VIN}").json["response"]["state"] == "asleep"


@pytest.mark.parametrize("name", ["1", OTHER, "%00", "vehicle_data"])
def test_a_vehicle_that_nobody_knows_or_that_the_token_does_not_grant_is_not_found(server: Inside, name: str) -> None:
    with server.place.vehicle(VIN) as car, server.place.vehicle(OTHER) as other:
        car.tell(PARKED)
        other.tell(PARKED)
        for path in (f"/api/1/vehicles/{name}", f"/api/1/vehicles/{name}/vehicle_data"):
            answer = ask(server, path, token(vins=[VIN]))
            assert (answer.status, answer.json["error"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/api/1/products", f"/api/1/vehicles/{VIN}", f"/api/1/vehicles/{VIN}/vehicle_data"])
def test_without_a_token_nothing_is_told(server: Inside, path: str) -> None:
    assert server.place.get(path).status == 401
    assert server.place.get(path, authorization="Bearer a-token-of-teslas").status == 401
    assert server.place.get(f"{path}?token={token()}").status in (200, 404)


def test_without_the_setting_there_is_nothing_at_these_paths() -> None:
    with Inside() as server:
        assert ask(server, "/api/1/products").status == 404
