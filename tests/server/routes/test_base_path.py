"""BASE_PATH: a proxy's path before everything that dashboards and browsers ask for."""

from __future__ import annotations

import pytest
from teslafast.dashboards.admission import AdmitDashboard

from tests.support.routing import EITHER, READER, VEHICLE, answer, decide, header, request, status, token, upgrade

BASE = {"BASE_PATH": "/car/"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", b"landing"),
        ("/health", b"health"),
        ("/metrics", b"metrics"),
        ("/web/main.js", b"script"),
        ("/vehicles", b"vehicles"),
    ],
)
def test_a_page_answers_below_the_prefix_and_without_it(path: str, body: bytes) -> None:
    for target in (path, f"/car{path}", f"/car{path}?x=1"):
        found = answer(request(target, authorization=f"Bearer {token()}"), variables=BASE)
        assert (found.status, found.body.split()[0]) == (200, body)
    assert status(request(f"/car{path}")) == 404, "without BASE_PATH"


def test_the_stream_answers_below_the_prefix() -> None:
    asked = upgrade(f"/car/stream?token={token()}")
    assert isinstance(decide(asked, READER, variables=BASE), AdmitDashboard)


def test_one_vehicle_answers_below_the_prefix() -> None:
    assert status(request("/car/vehicles/5YJ3E1EA7KF000001", authorization=f"Bearer {token()}"), variables=BASE) == 200


def test_the_prefix_without_its_slash_leads_to_the_page() -> None:
    found = answer(request("/car"), variables=BASE)
    assert (found.status, header(found, "Location")) == (308, "car/")


@pytest.mark.parametrize("target", ["/car/car/health", "/cars/health", "/carhealth", "/Car/health", "/car/nothing"])
def test_another_path_is_answered_404(target: str) -> None:
    assert status(request(target), variables=BASE) == 404


def test_a_vehicle_connects_to_the_root_only() -> None:
    for peer in (EITHER, VEHICLE, READER):
        assert status(upgrade("/car/"), peer, variables=BASE) == 404
