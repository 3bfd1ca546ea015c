"""The pages of a running server, and who gets them."""

from __future__ import annotations

import pytest

from tests.support.peers import token
from tests.support.servers import Inside

SOC = {"Soc": {"floatValue": 50.0}}


@pytest.mark.parametrize("layout", ["plain", "one_port", "two_ports"])
def test_health_needs_no_token_and_contains_no_vin(request: pytest.FixtureRequest, layout: str) -> None:
    server: Inside = request.getfixturevalue(layout)
    server.wait_until(lambda running: not len(running.hub.connections))  # whoever an earlier test left
    with server.place.vehicle("5YJ3E1EA7KF000001") as vehicle, server.place.dashboard() as dashboard:
        vehicle.tell(SOC)
        dashboard.next()
        found = server.place.get("/health")
    assert found.status == 200
    assert found.headers["Content-Type"] == "application/json"
    assert b"5YJ3E1EA7KF000001" not in found.body
    report = found.json
    assert (report["status"], report["vehicles"], report["dashboards"]) == ("ok", 1, 1)
    assert report["seq"] >= 2
    assert report["epoch"] == server.server.hub.epoch
    assert report["uptime_s"] >= 0
    assert report["version"]


def test_head_of_health_has_no_body(plain: Inside) -> None:
    found = plain.place.get("/health", "HEAD")
    assert (found.status, found.body) == (200, b"")
    assert int(found.headers["Content-Length"]) > 0


def test_a_get_of_the_root_returns_the_page(plain: Inside) -> None:
    found = plain.place.get("/")
    assert found.status == 200
    assert b"teslafast" in found.body


@pytest.mark.parametrize("layout", ["plain", "two_ports"])
def test_a_connection_that_fetched_files_can_become_a_stream(request: pytest.FixtureRequest, layout: str) -> None:
    server: Inside = request.getfixturevalue(layout)
    with server.place.raw() as raw:
        for _ in range(5):
            raw.send(b"HEAD /web/app/main.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert raw.status() == 200
        assert b" 101 " in raw.upgrade("/stream", f"Authorization: Bearer {token()}")


def test_map_tiles_appear_in_the_page_and_its_policy() -> None:
    with Inside(MAP_TILES="https://tiles.example.com/{z}/{x}/{y}.png", MAP_CREDIT="© A & B") as server:
        found = server.place.get("/")
    assert b'content="https://tiles.example.com/{z}/{x}/{y}.png" data-credit="\xc2\xa9 A &amp; B"' in found.body
    assert "img-src 'self' https://tiles.example.com;" in found.headers["Content-Security-Policy"]


def test_without_map_tiles_the_page_names_no_other_host(plain: Inside) -> None:
    found = plain.place.get("/")
    assert b'name="tiles"' not in found.body
    assert "img-src 'self';" in found.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "method", "status"), [("/nothing", "GET", 404), ("/health", "POST", 405), ("/stream", "GET", 426)]
)
def test_other_requests_are_refused_counted_and_logged(plain: Inside, path: str, method: str, status: int) -> None:
    before = sum(plain.counts("refused_requests").values())
    assert plain.place.get(path, method).status == status
    assert sum(plain.counts("refused_requests").values()) == before + 1
    assert plain.lines.wait_for("request_refused", status=status)[-1]["address"].startswith("127.0.0.1:")


def test_vehicles_shows_only_the_vins_that_the_token_grants(plain: Inside) -> None:
    for vin in ("P1", "P2"):
        with plain.place.vehicle(vin) as vehicle:
            vehicle.tell(SOC)
    everything = plain.place.get("/vehicles", Authorization=f"Bearer {token()}").json["vehicles"]
    assert {"P1", "P2"} <= {entry["vin"] for entry in everything}
    some = f"Bearer {token(vins=['P2', 'P9'])}"
    assert [entry["vin"] for entry in plain.place.get("/vehicles", Authorization=some).json["vehicles"]] == ["P2"]
    for query, status, vins in [("vin=P1", 200, ["P1"]), ("vin=P1&vins=P2", 200, ["P1", "P2"]), ("vin=", 400, [])]:
        found = plain.place.get(f"/vehicles?{query}", Authorization=f"Bearer {token()}")
        assert (found.status, [entry["vin"] for entry in found.json["vehicles"]] if status == 200 else []) == (status, vins)
    assert plain.place.get("/vehicles?vin=P1", Authorization=some).status == 403
    assert plain.place.get("/vehicles/P2", Authorization=some).json["data"]["Soc"]["value"] == 50.0
    assert plain.place.get("/vehicles/P1", Authorization=some).status == 403
    assert plain.place.get("/vehicles/P9", Authorization=some).status == 404
    assert plain.place.get("/vehicles").status == plain.place.get("/vehicles/P2").status == 401
