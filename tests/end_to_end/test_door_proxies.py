"""
Real nginx, with its defaults, and real HAProxy in front of the doors: events come at once, and silence ends nothing.

Run by `make test-doors`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.event_stream import EventStreamReader, listen
from tests.support.peers import Place, token
from tests.support.ports import free_port
from tests.support.proxies import Started, haproxy, nginx, running
from tests.support.servers import Inside
from tests.support.teslamate import TeslaMate
from tests.support.vins import vin_of

pytestmark = pytest.mark.doors
VIN = vin_of("a")
PLACED = {"Location": {"locationValue": {"latitude": 52.39, "longitude": 13.06}}, "Gear": {"shiftStateValue": "ShiftStateD"}}
READ_S = 3  # what a proxy waits for: much less than its 60 s, so that a test need not wait either

# `location /sse` is what a newcomer writes: HTTP/1.0 to the server, and answers that are buffered
NGINX = """
events {{}}
http {{
    access_log off;
    proxy_read_timeout {read_s}s;
    server {{
        listen 127.0.0.1:{port};
        location /sse {{ proxy_pass http://127.0.0.1:{behind}; }}
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
        }}
    }}
}}
"""
HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client {read_s}s
    timeout server {read_s}s
frontend public
    bind 127.0.0.1:{port}
    default_backend teslafast
backend teslafast
    server doors 127.0.0.1:{behind}
"""
PROXIES: dict[str, tuple[Started, str]] = {"nginx": (nginx, NGINX), "haproxy": (haproxy, HAPROXY)}


@pytest.fixture
def server() -> Iterator[Inside]:
    with Inside(PING_INTERVAL="1") as running_server:
        yield running_server


@pytest.fixture(params=list(PROXIES))
def front(request: pytest.FixtureRequest, server: Inside, tmp_path: Path) -> Iterator[Place]:
    start, text = PROXIES[request.param]
    port, config = free_port(), tmp_path / "proxy.conf"
    config.write_text(text.format(port=port, behind=server.place.port, read_s=READ_S))
    with running(start, config, port):
        yield Place(port, port)


def chunks_taken_off(reader: EventStreamReader) -> EventStreamReader:
    """Of an answer in chunks, as nginx sends it to HTTP/1.1: asked for with 1.0 there are none."""
    assert "chunked" not in reader.head.lower()
    return reader


@pytest.mark.parametrize("headers", [(), ("Accept-Encoding: gzip",)])
def test_events_come_one_by_one_as_they_happen(server: Inside, front: Place, headers: tuple[str, ...]) -> None:
    with chunks_taken_off(listen(front, f"/sse/{VIN}", *headers, http="1.0")) as reader, server.place.vehicle(VIN) as vehicle:
        assert reader.status == 200
        assert "content-type: text/event-stream" in reader.head.lower()
        for soc in (1.0, 2.0, 3.0):  # the next one is sent when this one has come
            vehicle.tell({"Soc": {"floatValue": soc}})
            assert reader.until("data").data["data"] == {"Soc": soc}


def test_a_stream_in_which_nothing_happens_outlives_the_proxys_patience(server: Inside, front: Place) -> None:
    with chunks_taken_off(listen(front, "/sse", http="1.0")) as reader:
        for _ in range(2 * READ_S):
            reader.until_comment("")
        with server.place.vehicle(VIN) as vehicle:
            vehicle.tell({"Soc": {"floatValue": 1.0}})
            assert reader.until("data").data["data"] == {"Soc": 1.0}


def test_what_is_missed_while_the_proxy_is_asked_anew_comes_after_the_last_id(server: Inside, front: Place) -> None:
    with server.place.vehicle(VIN) as vehicle:
        with chunks_taken_off(listen(front, f"/sse/{VIN}?topics=data", http="1.0")) as reader:
            vehicle.tell({"Soc": {"floatValue": 1.0}})
            last = reader.until("data").event_id
        vehicle.tell({"Soc": {"floatValue": 2.0}})
        with chunks_taken_off(listen(front, f"/sse/{VIN}?topics=data", f"Last-Event-ID: {last}", http="1.0")) as reader:
            vehicle.tell({"Soc": {"floatValue": 3.0}})
            assert [reader.next().data["data"]["Soc"] for _ in range(2)] == [2.0, 3.0]


def test_tessies_and_teslamates_websockets_pass(server: Inside, front: Place) -> None:
    with server.place.vehicle(VIN) as vehicle, TeslaMate(front, VIN) as client:
        client.subscribe(token())
        client.until("control:hello")
        client.until("control:hello")  # the second one: it has subscribed
        tessie = front.raw()
        with tessie.socket:
            assert tessie.upgrade(f"/{VIN}?access_token={token()}").startswith(b"HTTP/1.1 101 ")
            vehicle.tell(PLACED)
            _, record = tessie.read_frame()
            assert {"key": "Gear", "value": {"shiftStateValue": "ShiftStateD"}} in json.loads(record)["data"]
        assert [row.cells["shift_state"] for row in client.rows_until(1)] == ["D"]
