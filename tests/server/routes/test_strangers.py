"""A door whose token may come in the first message: who is let in without one, and who is refused all the same."""

from __future__ import annotations

import pytest
from teslafast.config import Settings
from teslafast.core.load import ServerLoad
from teslafast.dashboards.teslamate import AdmitTeslaMate, TeslaMateDoor, tokens_of_path
from teslafast.dashboards.tokens import Verifier
from teslafast.http_messages import Answer, Request
from teslafast.server.routes import FOR_DASHBOARDS, Open, Route, Routes, Variable

from tests.support.routing import EMPTY, PLAIN, SECRET, TIME, VEHICLE, nobody_connects, request, token, upgrade

DOOR = TeslaMateDoor(nobody_connects)
PATHS: tuple[str | Variable, ...] = ("/streaming/", Variable("/", "/streaming/"))


def decide(asked: Request, load: ServerLoad = EMPTY, peer: object = PLAIN) -> AdmitTeslaMate | int:
    settings = Settings.from_env({"JWT_SECRET": SECRET, "MAX_DASHBOARDS": "3"})
    rows = [Route(path, FOR_DASHBOARDS, strangers=DOOR, token=tokens_of_path) for path in PATHS]
    decision = Routes(settings, Verifier.from_settings(settings), rows).decide(asked, peer, load)  # type: ignore[arg-type]
    if isinstance(decision, Open):
        assert isinstance(decision.admission, AdmitTeslaMate)
        return decision.admission
    assert isinstance(decision, Answer)
    return int(decision.status)


def test_a_request_without_a_token_is_admitted_without_a_grant() -> None:
    assert decide(upgrade("/streaming/")) == AdmitTeslaMate(None)


@pytest.mark.parametrize("path", ["/{}/streaming/", "/streaming/?token={}"])
def test_a_good_token_gives_its_grant(path: str) -> None:
    admitted = decide(upgrade(path.format(token(sub="ada"))))
    assert isinstance(admitted, AdmitTeslaMate)
    assert admitted.grant is not None
    assert admitted.grant.sub == "ada"


@pytest.mark.parametrize("path", ["/nonsense/streaming/", f"/{token(exp=TIME - 1)}/streaming/", "/streaming/?token=nonsense"])
def test_a_bad_token_is_refused_and_not_taken_for_none(path: str) -> None:
    assert decide(upgrade(path)) == 401


@pytest.mark.parametrize("load", [ServerLoad(TIME, draining=True), ServerLoad(TIME, dashboards=3)])
def test_a_stranger_finds_a_full_or_draining_server_as_everybody_does(load: ServerLoad) -> None:
    assert decide(upgrade("/streaming/"), load) == 503


def test_a_stranger_from_a_page_of_another_origin_is_refused() -> None:
    assert decide(upgrade("/streaming/", origin="https://elsewhere.example.com")) == 403


def test_a_stranger_must_ask_for_a_websocket_and_not_at_the_vehicles_port() -> None:
    assert decide(request("/streaming/", host="localhost")) == 426
    assert decide(upgrade("/streaming/"), peer=VEHICLE) == 404


@pytest.mark.parametrize("path", ["//streaming/", "/a/b/streaming/", "/streaming/x"])
def test_other_paths_lead_nowhere(path: str) -> None:
    assert decide(upgrade(path)) == 404


def test_a_door_for_strangers_needs_a_place_for_its_token_all_the_same() -> None:
    with pytest.raises(ValueError, match="a place for its token"):
        Route("/streaming/", FOR_DASHBOARDS, strangers=DOOR)
