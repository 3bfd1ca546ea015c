"""`/sse` over real sockets: the answer's head, topics, snapshots, states, resume."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from teslafast.dashboards.sse_topics import SSE_TOPICS

from tests.support.event_stream import listen
from tests.support.peers import Place, token
from tests.support.servers import Inside
from tests.support.vins import vin_of

SOC = {"Soc": {"floatValue": 50.0}}
A, B = vin_of("a"), vin_of("b")


@pytest.fixture
def server() -> Iterator[Inside]:
    with Inside() as running:
        yield running


@pytest.fixture
def place(server: Inside) -> Place:
    return server.place


def tell(place: Place, vin: str = A, **values: float) -> None:
    """A vehicle comes, sends one record of floats, and goes."""
    with place.vehicle(vin) as vehicle:
        vehicle.tell({field: {"floatValue": value} for field, value in values.items()})


# ---- the answer


@pytest.mark.parametrize("http", ["1.0", "1.1"])
def test_the_head_says_a_stream_that_nobody_caches_compresses_or_holds_back(place: Place, http: str) -> None:
    with listen(place, "/sse", "Accept-Encoding: gzip, br", http=http) as reader:
        assert reader.status == 200
        assert reader.header("Content-Type") == "text/event-stream"
        assert reader.header("Cache-Control") == "no-cache, no-transform"
        assert reader.header("X-Accel-Buffering") == "no"
        assert reader.header("Connection") == "close"
        assert {reader.header(name) for name in ("Content-Length", "Transfer-Encoding", "Content-Encoding", "Vary")} == {None}
        tell(place, Soc=1.0)
        assert reader.until("data").data["data"] == {"Soc": 1.0}


def test_a_head_request_gets_the_head_and_no_stream(place: Place) -> None:
    found = place.get(f"/sse?token={token()}", "HEAD")
    assert (found.status, found.headers["Content-Type"], found.body) == (200, "text/event-stream", b"")


def test_a_page_of_an_allowed_origin_may_read_the_answer() -> None:
    with Inside(ALLOWED_ORIGINS="https://page.example") as server:
        with listen(server.place, "/sse", "Origin: https://page.example") as reader:
            assert reader.header("Access-Control-Allow-Origin") == "https://page.example"
            assert reader.header("Vary") == "Origin"
        with listen(server.place, "/sse", "Origin: https://other.example") as reader:
            assert reader.status == 403


@pytest.mark.parametrize("body", [b"0\r\n\r\n", b"x" * 5000])
def test_what_a_client_sends_after_its_head_is_passed_over(place: Place, body: bytes) -> None:
    """teslemetry-stream announces a body in chunks and sends the end of one."""
    with listen(place, "/sse", "Transfer-Encoding: chunked") as reader:
        reader.raw.send(body)
        tell(place, Soc=1.0)
        assert reader.until("data").data["data"] == {"Soc": 1.0}


def test_a_stream_may_be_a_later_request_of_a_connection(place: Place) -> None:
    """A browser asks over the connection that brought the page."""
    with place.raw() as raw:
        raw.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = raw.head()
        assert b"keep-alive" in head
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        body = b""
        while len(body) < length:
            body += raw.take_all()
        raw.send(f"GET /sse?token={token()} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert b"text/event-stream" in raw.head()


# ---- topics


def test_all_kinds_come_unless_topics_name_some(place: Place) -> None:
    with listen(place, "/sse") as every, listen(place, "/sse?topics=data") as some:
        tell(place, Soc=1.0)
        assert [set(every.next().data) & {"state", "status", "data"} for _ in range(5)] == [
            *({"state"}, {"status"}, {"data"}),
            *({"state"}, {"status"}),
        ]
        tell(place, Soc=2.0)
        assert [some.next().data["data"] for _ in range(2)] == [{"Soc": 1.0}, {"Soc": 2.0}]


def test_an_event_is_that_of_the_stream_with_its_seq_as_id(place: Place) -> None:
    with place.dashboard("?type=data") as dashboard, listen(place, "/sse?topics=data") as reader:
        tell(place, Soc=1.0)
        event = reader.next()
        assert event.data == dashboard.until("data")
        assert event.event_id == f"{dashboard.seen[0]['epoch']}-{event.data['seq']}"


@pytest.mark.parametrize("topics", SSE_TOPICS)
def test_each_of_teslemetrys_topics_is_taken(place: Place, topics: str) -> None:
    with listen(place, f"/sse?topics={topics}&unknown=1") as reader:
        assert reader.status == 200


@pytest.mark.parametrize("query", ["topics=", "topics=dat", "topics=data,,state", "topics=DATA"])
def test_an_unknown_or_empty_topic_is_answered_400(place: Place, query: str) -> None:
    found = place.get(f"/sse?token={token()}&{query}")
    assert found.status == 400
    assert b"topics must be among" in found.body


@pytest.mark.parametrize("path", ["/sse/{}", "/sse/{}/", "/sse?vin={}", "/sse?vins={}"])
def test_a_vin_in_the_path_or_the_query_narrows_the_stream_to_it(place: Place, path: str) -> None:
    with listen(place, path.format(A), bearer=token(vins=[A])) as reader:
        tell(place, B, Soc=1.0)
        tell(place, A, Soc=2.0)
        assert {reader.next().data["vin"] for _ in range(5)} == {A}


@pytest.mark.parametrize(
    ("path", "claims", "status"),
    [
        (f"/sse/{B}", {"vins": [A]}, 403),
        (f"/sse?vin={B}", {"vins": [A]}, 403),
        (f"/sse/{A}?vin={B}", {}, 403),
        ("/sse?vin=!", {}, 400),
        ("/sse/not%20a%20vin", {}, 404),
        (f"/sse/{A}/Soc", {}, 404),
        ("/sse", {"exp": 1}, 401),
    ],
)
def test_what_may_not_be_read_is_refused_at_the_head(place: Place, path: str, claims: dict[str, Any], status: int) -> None:
    assert place.get(path, Authorization=f"Bearer {token(**claims)}").status == status


def test_other_methods_and_no_token_are_refused(place: Place) -> None:
    assert place.get("/sse").status == 401
    assert place.get(f"/sse?token={token()}", "POST", b"x").status == 405


def test_a_closed_door_is_not_there() -> None:
    with Inside(DOORS="stream,tessie") as server:
        assert server.place.get(f"/sse?token={token()}").status == 404
        with server.place.dashboard() as dashboard:
            dashboard.until("hello")


# ---- what holds now


def test_a_newcomer_is_told_state_config_and_last_values(place: Place) -> None:
    with place.vehicle(A) as vehicle:
        vehicle.tell(SOC)
        with listen(place, f"/sse/{A}") as reader:
            state, config, snapshot = (reader.next() for _ in range(3))
    assert (state.data["state"], state.data["isCache"]) == ("online", True)
    assert config.data["config"] == {"fields": {"Soc": {}}}
    assert (snapshot.data["data"], snapshot.data["isCache"]) == ({"Soc": 50.0}, True)
    assert all({"vin", "createdAt"} <= set(event.data) for event in (state, config, snapshot))
    assert {event.event_id for event in (state, config, snapshot)} == {""}


def test_the_time_to_retry_stands_in_the_first_events_block(place: Place) -> None:
    tell(place, Soc=1.0)
    with listen(place, "/sse?topics=state") as reader:
        assert reader.line() == "retry: 1000"
        assert json.loads(reader.line().removeprefix("data: "))["state"] == "offline"


def test_without_cache_only_what_happens_is_told(place: Place) -> None:
    tell(place, Soc=1.0)
    with listen(place, "/sse?cache=false") as reader:
        tell(place, Soc=2.0)
        assert reader.until("data").data["data"] == {"Soc": 2.0}
        assert not any("isCache" in event.data or "config" in event.data for event in reader.seen)


def test_a_vehicle_that_has_sent_nothing_has_a_state_all_the_same(place: Place) -> None:
    with place.vehicle(A), listen(place, f"/sse/{A}") as reader:
        assert reader.next().data["state"] == "online"


def test_an_older_connections_end_is_no_change_of_state(place: Place) -> None:
    with listen(place, "/sse?topics=state") as reader:
        older = place.vehicle(A)
        with place.vehicle(A), older:
            older.connection.close()
        assert [reader.next().data["state"] for _ in range(2)] == ["online", "offline"]


# ---- resume


def test_after_a_known_id_comes_what_was_missed_and_nothing_else(place: Place) -> None:
    with listen(place, "/sse?topics=data") as reader:
        tell(place, A, Soc=1.0)
        known = reader.next().event_id
    tell(place, B, Soc=2.0)
    tell(place, A, Soc=3.0)
    with listen(place, f"/sse/{A}?topics=data", f"Last-Event-ID: {known}") as reader:
        event = reader.next()
        assert (event.data["data"], "isCache" in event.data) == ({"Soc": 3.0}, False)


@pytest.mark.parametrize("given", ["{epoch}x-1", "{epoch}-99", "{epoch}-", "{epoch}", "", "-1", "1", "{epoch}-١", "ü"])
def test_after_an_unknown_id_comes_what_holds_now(server: Inside, given: str) -> None:
    tell(server.place, Soc=1.0)
    given = given.format(epoch=server.server.hub.epoch).encode().decode("latin-1")
    with listen(server.place, "/sse?topics=data", f"Last-Event-ID: {given}") as reader:
        assert reader.next().data["isCache"] is True
        tell(server.place, Soc=2.0)
        assert reader.next().data["data"] == {"Soc": 2.0}


def test_after_an_id_that_is_not_kept_comes_the_gap_and_what_holds_now() -> None:
    with Inside(RING_BYTES="1MiB", MAX_FRAME_BYTES="64KiB") as server:
        with server.place.vehicle(A) as vehicle:
            for _ in range(30):
                vehicle.tell({"VehicleName": {"stringValue": "x" * 60_000}})
        server.lines.wait_for("vehicle_disconnected")
        newest = server.ask(lambda running: running.hub.log.seq)
        with listen(server.place, "/sse?topics=data", f"Last-Event-ID: {server.server.hub.epoch}-1") as reader:
            assert reader.next().data["isCache"] is True
            assert reader.comments == [f"gap 2-{newest}"]
            tell(server.place, Soc=2.0)
            assert reader.next().data["data"] == {"Soc": 2.0}
