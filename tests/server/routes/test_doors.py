"""Clients' doors as routes: which are open, who is admitted to what, and what everybody else is answered."""

from __future__ import annotations

from typing import Any

import pytest
from teslafast._fanout import ALL_KINDS
from teslafast.core.load import ServerLoad
from teslafast.dashboards.sse_door import AdmitSse
from teslafast.dashboards.subscription import Subscription
from teslafast.http_messages import Answer, Request
from teslafast.server.routes import Open

from tests.support.routing import EITHER, PLAIN, SECRET, TIME, VEHICLE, header, request, routes, status, token, upgrade

VIN = "5YJ3E1EA7KF000001"
PATHS = {"stream": "/stream", "sse": "/sse", "tessie": f"/{VIN}"}


def decided(asked: Request, load: ServerLoad | None = None, **variables: str) -> object:
    decision = routes(variables).decide(asked, PLAIN, load or ServerLoad(TIME))
    return decision.admission if isinstance(decision, Open) else decision


def admitted(target: str) -> AdmitSse:
    decision = decided(request(target, authorization=f"Bearer {token()}", host="localhost"))
    assert isinstance(decision, AdmitSse)
    return decision


@pytest.mark.parametrize("open_door", PATHS)
def test_doors_that_are_not_named_are_answered_404(open_door: str) -> None:
    for door, path in PATHS.items():
        found = decided(upgrade(path, authorization=f"Bearer {token()}"), DOORS=open_door)
        assert isinstance(found, Answer) == (door != open_door)
        assert not isinstance(found, Answer) or found.status == 404


def test_doors_are_on_the_dashboards_port_alone() -> None:
    for path in PATHS.values():
        assert status(upgrade(path, authorization=f"Bearer {token()}"), VEHICLE) == 404


@pytest.mark.parametrize(
    ("target", "subscription"),
    [
        ("/sse", Subscription()),
        ("/sse/", Subscription()),
        ("/sse?cache=true&anything=1", Subscription()),
        ("/sse?cache=false", Subscription(snapshot=False)),
        (f"/sse/{VIN}", Subscription(frozenset({VIN}))),
        (f"/sse/{VIN.lower()}/", Subscription(frozenset({VIN}))),
        ("/sse?topics=data", Subscription(kinds=1)),
        ("/sse?topics=data,alerts&topics=errors", Subscription(kinds=0b111)),
        ("/sse?topics=state", Subscription(kinds=0b1000)),
        ("/sse?topics=credits", Subscription(kinds=0)),
        ("/sse?topics=data,%20alerts,errors,connectivity,config", Subscription(kinds=ALL_KINDS & 0b1111)),
    ],
)
def test_what_a_reader_of_events_asks_for_is_a_subscription(target: str, subscription: Subscription) -> None:
    found = admitted(target).dashboard.subscription
    assert (found.vins, found.kinds & 0b1111, found.snapshot) == (
        subscription.vins,
        subscription.kinds & 0b1111,
        subscription.snapshot,
    )


def test_in_production_a_vin_has_17_characters() -> None:
    asked = request("/sse/car-1", authorization=f"Bearer {token()}", host="localhost")
    found = decided(asked)
    assert isinstance(found, Answer)
    assert found.status == 404


def test_in_development_a_vehicle_of_another_name_is_found_once_anybody_has_heard_of_it() -> None:
    def asked(**claims: Any) -> Request:
        return request("/sse/car-1", authorization=f"Bearer {token(**claims)}", host="localhost")

    nobody = decided(asked(), NODE_ENV="development")
    assert isinstance(nobody, Answer)
    assert nobody.status == 404
    assert isinstance(decided(asked(vins=["car-1"]), NODE_ENV="development"), AdmitSse)


def test_a_body_is_passed_over_at_sse_and_nowhere_else() -> None:
    bearer = f"Bearer {token()}"
    assert isinstance(decided(request("/sse", has_body=True, authorization=bearer, host="localhost")), AdmitSse)
    assert status(request("/vehicles", has_body=True, authorization=bearer, host="localhost"), EITHER) == 400


@pytest.mark.parametrize(("accept", "hangs_up"), [("text/event-stream", True), ("*/*", False)])
def test_during_a_drain_an_event_source_is_cut_off(accept: str, hangs_up: bool) -> None:
    asked = request("/sse", authorization=f"Bearer {token()}", accept=accept, host="localhost")
    found = decided(asked, ServerLoad(TIME, draining=True))
    assert isinstance(found, Answer)
    assert (found.status, found.hangs_up) == (503, hangs_up)


@pytest.mark.parametrize("path", ["/sse", f"/sse/{VIN}", "/sse/"])
def test_a_page_of_an_allowed_origin_may_ask_with_a_token(path: str) -> None:
    asked = request(path, "OPTIONS", origin="https://page.example", host="localhost")
    found = decided(asked, ALLOWED_ORIGINS="https://page.example")
    assert isinstance(found, Answer)
    assert found.status == 204
    assert header(found, "Access-Control-Allow-Origin") == "https://page.example"
    allowed = (header(found, "Access-Control-Allow-Headers") or "").lower()
    assert all(name in allowed for name in ("authorization", "last-event-id", "cache-control", "x-library"))
    assert SECRET not in str(found)
