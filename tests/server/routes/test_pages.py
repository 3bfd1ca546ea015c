"""Pages: who may read which, on which listener; and any request that a stranger can think of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.config import Settings
from teslafast.dashboards.stream_door import StreamDoor
from teslafast.dashboards.tokens import Verifier
from teslafast.errors import Refused
from teslafast.http_messages import Answer, Request
from teslafast.refusals import UNKNOWN_PATH
from teslafast.server.routes import ANY, Peer, Route, Routes, Serve, Variable

from tests.support.routing import (
    BROWSER,
    DEVELOPMENT,
    EITHER,
    EMPTY,
    PLAIN,
    READER,
    SECRET,
    TIME,
    UPGRADE,
    VEHICLE,
    answer,
    decide,
    header,
    nobody_connects,
    page,
    request,
    served,
    status,
    token,
    upgrade,
)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("peer", [PLAIN, BROWSER, VEHICLE, EITHER, READER])
def test_health_is_answered_to_everybody_on_every_listener(method: str, peer: Peer) -> None:
    found = answer(request("/health", method), peer)
    assert (found.status, found.body) == (200, b"health for anybody")


@pytest.mark.parametrize("target", ["/", "/?x=1", "http://telemetry.example.com/", "http://telemetry.example.com"])
def test_a_plain_get_of_the_root_is_the_landing_page(target: str) -> None:
    assert answer(request(target)).body == b"landing for anybody"


@pytest.mark.parametrize("path", ["/nothing", "/health/", "/Health", "/vehicles/a/b", "//", "/stream/", "/%68ealth", "*"])
def test_an_unknown_path_is_answered_404(path: str) -> None:
    assert status(request(path)) == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/", "/health", "/vehicles", "/stream"])
def test_another_method_is_answered_405_and_told_which_are_allowed(method: str, path: str) -> None:
    found = answer(request(path, method))
    assert found.status == 405
    assert header(found, "Allow") == "GET, HEAD"


def test_a_body_is_answered_400() -> None:
    assert status(request("/health", has_body=True)) == 400


def test_a_page_that_needs_a_token_is_served_to_its_holder() -> None:
    asked = request("/vehicles", authorization=f"Bearer {token()}")
    assert answer(asked).body == b"vehicles for tests"
    assert answer(request("/vehicles/5YJ3E1EA7KF000001", authorization=f"Bearer {token()}")).body == b"vehicle for tests"


@pytest.mark.parametrize("path", ["/vehicles", "/vehicles/5YJ3E1EA7KF000001"])
def test_a_page_that_needs_a_token_is_answered_401_without_one(path: str) -> None:
    found = answer(request(path))
    assert found.status == 401
    assert header(found, "WWW-Authenticate") == "Bearer"
    assert status(request(path, authorization=f"Bearer {token(exp=TIME)}")) == 401


@pytest.mark.parametrize("path", ["/stream", "/vehicles", "/vehicles/5YJ3E1EA7KF000001"])
def test_the_vehicle_port_answers_404_to_dashboards(path: str) -> None:
    assert status(upgrade(path, authorization=f"Bearer {token()}"), VEHICLE) == 404


@pytest.mark.parametrize("path", ["/", "/web/main.js", "/metrics"])
def test_the_vehicle_port_serves_no_page_but_health(path: str) -> None:
    assert status(request(path), READER) == 200
    assert status(request(path), VEHICLE) == 404


def test_an_upgrade_at_the_root_of_a_port_without_vehicles_is_answered_421_with_a_word_on_vehicle_port() -> None:
    found = answer(upgrade("/"), READER)
    assert (found.status, found.cause) == (421, "not_vehicles_port")
    assert b"VEHICLE_PORT" in found.body


@pytest.mark.parametrize(
    ("path", "matches"),
    [("/a/x/b/", True), ("/a/b/", False), ("/a//b/", False), ("/a/x/y/b/", False), ("/a/x/b", False), ("/a/long/b/", False)],
)
def test_a_variable_path_has_exactly_one_accepted_part(path: str, matches: bool) -> None:
    assert Variable("/a/", "/b/", lambda part: len(part) == 1).matches(path) is matches


def test_an_exact_path_goes_before_a_variable_one() -> None:
    settings = Settings.from_env({"JWT_SECRET": SECRET})
    rows = [Route(Variable("/"), ANY, page=page("variable")), Route("/x", ANY, page=page("exact"))]
    table = Routes(settings, Verifier.from_settings(settings), rows)
    for path, words in (("/x", b"exact for anybody"), ("/y", b"variable for anybody")):
        decision = table.decide(request(path), PLAIN, EMPTY)
        assert isinstance(decision, Serve)
        assert served(decision, request(path)).body == words


def test_a_route_that_leads_nowhere_or_to_a_door_without_a_token_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="/x"):
        Route("/x", ANY)
    with pytest.raises(ValueError, match="/x"):
        Route("/x", ANY, page=page("one"), refusal=UNKNOWN_PATH)
    with pytest.raises(ValueError, match="/x"):
        Route("/x", ANY, door=StreamDoor(True, nobody_connects))


# ---- whatever may come


TEXT = st.text(max_size=30)
HEADERS = st.dictionaries(
    st.sampled_from([*UPGRADE, "authorization", "origin", "sec-websocket-protocol", "version", "x-txid", "x-network-interface"]),
    st.lists(TEXT | st.sampled_from(sorted(UPGRADE.values())), max_size=2),
)
METHODS = st.sampled_from(["GET", "HEAD", "POST", ""]) | TEXT
TARGETS = TEXT | st.builds("{}?{}".format, st.sampled_from(["/", "/stream", "/vehicles/x", "/health"]), TEXT)


@given(
    st.builds(Request, METHODS, TARGETS, HEADERS, st.booleans(), st.sampled_from(["1.0", "1.1"])),
    st.sampled_from([PLAIN, BROWSER, VEHICLE, EITHER, READER]),
    st.sampled_from([{}, DEVELOPMENT]),
)
def test_any_request_is_admitted_or_answered(asked: Request, peer: Peer, variables: dict[str, str]) -> None:
    decision = decide(asked, peer, variables=variables)
    if isinstance(decision, Answer):
        assert 200 <= decision.status < 600
        assert all("\r" not in value and "\n" not in value for _, value in decision.headers)
    else:
        assert asked.method == "GET"


@pytest.mark.parametrize("target", ["/?a=%ff", "/?" + "&".join("a=1" for _ in range(33))])
def test_an_unreadable_query_raises_refused(target: str) -> None:
    with pytest.raises(Refused):
        _ = request(target).query
