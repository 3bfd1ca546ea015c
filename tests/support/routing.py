"""
The route table of a server in which nothing runs, and requests to put to it.

`decide` gives what becomes of a request: the admission of who is let in, or the answer of everybody else, pages included.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import jwt
from teslafast.config import Settings
from teslafast.core.load import ServerLoad
from teslafast.dashboards.admission import AdmitDashboard
from teslafast.dashboards.sse_door import SseDoor
from teslafast.dashboards.stream_door import StreamDoor
from teslafast.dashboards.subscription import Subscription
from teslafast.dashboards.tessie_door import TessieDoor
from teslafast.dashboards.tokens import Grant, Verifier
from teslafast.dashboards.websocket import dashboard_rules
from teslafast.http_messages import Answer, Request
from teslafast.protocol.identity import Certificate
from teslafast.server.door_routes import door_routes
from teslafast.server.routes import Open, Page, Peer, Routes, Serve, table
from teslafast.vehicles.admission import AdmitVehicle
from teslafast.vehicles.door import VehicleDoor

from tests.support.fake_loop import make_hub

TIME = 1_800_000_000.0
SECRET = "a secret that only these tests know"
CAR = Certificate("5YJ3E1EA7KF000001", "Tesla Motors Product Issuing CA", ("1.3.6.1.4.1.49279.2.5.1",))
WIFI = Certificate("5YJ3E1EA7KF000001", "Tesla Motors Product Issuing CA", ("1.3.6.1.4.1.49279.2.5.1.1",))
UPGRADE = {
    "host": "telemetry.example.com",
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}

EMPTY = ServerLoad(TIME)
NONE: Mapping[str, str] = {}
DEVELOPMENT = {"NODE_ENV": "development"}
PLAIN = Peer("192.0.2.1:5")
BROWSER = Peer("192.0.2.1:5", secure=True)
VEHICLE = Peer("192.0.2.1:5", "vehicles", True, CAR)
EITHER = Peer("192.0.2.1:5", "all", True, CAR)
READER = Peer("192.0.2.1:5", "dashboards", True)


def token(**claims: Any) -> str:
    return jwt.encode({"sub": "tests", "exp": TIME + 60} | claims, SECRET, algorithm="HS256")


def page(words: str) -> Page:
    def answer(request: Request, grant: Grant | None) -> Answer:
        return Answer(HTTPStatus.OK, f"{words} for {grant.sub if grant else 'anybody'}".encode())

    return answer


def nobody_connects(admission: object, address: str) -> None:
    raise AssertionError("a decision opens nothing")


def routes(variables: Mapping[str, str]) -> Routes:
    settings = Settings.from_env({"JWT_SECRET": SECRET, **variables})
    hub, loop = make_hub({"JWT_SECRET": SECRET, "NODE_ENV": "production", **variables})
    verifier = Verifier.from_settings(settings)
    rows = table(
        vehicles=VehicleDoor(settings, nobody_connects),
        doors=door_routes(
            settings.doors,
            StreamDoor(settings.production, nobody_connects),
            SseDoor(hub, dashboard_rules(hub, loop), verifier),
            TessieDoor(nobody_connects),
        ),
        health=page("health"),
        metrics=page("metrics"),
        status=page("status"),
        fleet=page("vehicles"),
        vehicle=page("vehicle"),
        files={"/": page("landing"), "/web/main.js": page("script")},
    )
    return Routes(settings, verifier, rows)


def request(target: str, method: str = "GET", has_body: bool = False, http: str = "1.1", **headers: str | None) -> Request:
    """Header names with `_` for `-`; None takes one out, and Host is there without being named."""
    every: dict[str, str | None] = {"host": "telemetry.example.com", **headers}
    named = {name.replace("_", "-"): [value] for name, value in every.items() if value is not None}
    return Request(method, target, named, has_body, http)


def upgrade(target: str, method: str = "GET", has_body: bool = False, http: str = "1.1", **headers: str | None) -> Request:
    merged: dict[str, str | None] = {name.replace("-", "_"): value for name, value in UPGRADE.items()}
    return request(target, method, has_body, http, **(merged | headers))


def served(decision: Serve, asked: Request) -> Answer:
    """The answer of a page that asks nobody else."""
    answer = decision.page(asked, decision.grant)
    assert isinstance(answer, Answer)
    return answer


def decide(
    asked: Request, peer: Peer = PLAIN, load: ServerLoad = EMPTY, variables: Mapping[str, str] = NONE
) -> AdmitVehicle | AdmitDashboard | Answer:
    decision = routes(variables).decide(asked, peer, load)
    if isinstance(decision, Serve):
        return served(decision, asked)
    if isinstance(decision, Open):
        assert isinstance(decision.admission, AdmitVehicle | AdmitDashboard)
        return decision.admission
    return decision


def answer(asked: Request, peer: Peer = PLAIN, load: ServerLoad = EMPTY, variables: Mapping[str, str] = NONE) -> Answer:
    decision = decide(asked, peer, load, variables)
    assert isinstance(decision, Answer)
    return decision


def status(asked: Request, peer: Peer = PLAIN, load: ServerLoad = EMPTY, variables: Mapping[str, str] = NONE) -> int:
    return int(answer(asked, peer, load, variables).status)


def stream(query: str = "", peer: Peer = PLAIN, **headers: str | None) -> AdmitDashboard | Answer:
    bearer: dict[str, str | None] = {"authorization": f"Bearer {token()}"}
    decision = decide(upgrade(f"/stream{query}", "GET", False, "1.1", **(bearer | headers)), peer)
    assert not isinstance(decision, AdmitVehicle)
    return decision


def subscription(query: str) -> Subscription:
    decision = stream(query)
    assert isinstance(decision, AdmitDashboard)
    return decision.subscription


def header(found: Answer, name: str) -> str | None:
    return dict(found.headers).get(name)
