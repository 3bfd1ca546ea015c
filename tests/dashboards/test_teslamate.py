"""TeslaMate's door through a real server: its double, which fails where TeslaMate would crash, on the other side."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from teslafast.close_reasons import STALLED
from teslafast.core.connections import STRANGERS_AT_MOST
from teslafast.dashboards import teslamate, teslamate_session
from teslafast.dashboards.vehicle_ids import vehicle_id
from teslafast.websocket import connection
from websockets.frames import Frame, Opcode

from tests.support.clocks import SetClockAhead
from tests.support.peers import token
from tests.support.servers import Inside, Process
from tests.support.teslamate import TeslaMate

VIN = "5YJ3E1EA7KF000001"
OTHER = "5YJ3E1EA7KF000002"
PARKED: dict[str, Any] = {
    "Location": {"locationValue": {"latitude": 52.39, "longitude": 13.06}},
    "Gear": {"shiftStateValue": "ShiftStateP"},
    "Soc": {"doubleValue": 71.4},
}


@pytest.fixture
def server() -> Iterator[Inside]:
    with Inside() as running:
        yield running


@pytest.mark.parametrize("path", ["/streaming/", "/streaming"])
def test_a_token_in_the_message_opens_the_stream(server: Inside, path: str) -> None:
    with TeslaMate(server.place, VIN, path) as client, server.place.vehicle(VIN) as car:
        assert client.next() == "control:hello", "greeted before it says anything"
        client.subscribe(token())
        assert client.next() == "control:hello"
        car.tell(PARKED)
        row = client.rows_until(1)[0]
    assert (row.cells["soc"], row.cells["shift_state"], row.cells["power"]) == (71, "P", 0)


@pytest.mark.parametrize("path", ["/{}/streaming/", "/{}/streaming", "/streaming/?token={}"])
def test_a_token_in_the_url_opens_the_stream_whatever_the_message_holds(server: Inside, path: str) -> None:
    with TeslaMate(server.place, VIN, path.format(token(vins=[VIN]))) as client, server.place.vehicle(VIN) as car:
        assert 'teslafast_connections{door="teslamate",role="dashboard"} 1.0' in server.place.get("/metrics").body.decode()
        client.subscribe("a token of Tesla's")
        client.until("control:hello")
        client.until("control:hello")
        car.tell(PARKED)
        assert client.rows_until(1)


def test_a_bad_token_in_the_url_is_refused_before_the_upgrade(server: Inside) -> None:
    with TeslaMate(server.place, VIN, "/nonsense/streaming/") as client:
        assert client.answer.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    ("bearer", "tag"), [("nonsense", VIN), ("", VIN), (token(vins=[OTHER]), VIN), (token(vins=[VIN, OTHER]), 42), (token(), "")]
)
def test_a_bad_or_foreign_token_is_told_once_and_then_nothing_is_said(server: Inside, bearer: str, tag: str | int) -> None:
    with TeslaMate(server.place, tag) as client, server.place.vehicle(VIN) as car:
        client.until("control:hello")
        client.subscribe(bearer)
        client.until("data:error")
        car.tell(PARKED)
        client.raw.frame(Opcode.PING, b"still there")
        assert client.raw.read_frame() == (Opcode.PONG, b"still there")
        assert client.double.rows == []
        assert client.double.errors[0]["tag"] == (tag or None)


def test_no_token_is_ever_logged(server: Inside) -> None:
    tokens = [token(vins=[VIN]), token(vins=[OTHER]), "eyJ.a-token-of-teslas.own"]
    with TeslaMate(server.place, VIN, f"/{tokens[0]}/streaming/") as client:
        client.subscribe(tokens[1])
        client.until("control:hello")
    for bearer in (*tokens[1:], tokens[0]):
        with TeslaMate(server.place, VIN) as client:
            client.subscribe(bearer)
            client.until("control:hello")
    with TeslaMate(server.place, VIN, f"/{tokens[2]}/streaming/"):
        server.lines.wait_for("request_refused")
    server.lines.wait_for("dashboard_disconnected", 4)
    assert not any(bearer in server.lines.text for bearer in tokens)


@pytest.mark.parametrize("tag", [str(vehicle_id(VIN)), vehicle_id(VIN), 1492931337, VIN.lower()])
def test_a_tag_is_echoed_exactly_however_it_names_the_only_vehicle(server: Inside, tag: str | int) -> None:
    with TeslaMate(server.place, tag) as client, server.place.vehicle(VIN) as car:
        client.until("control:hello")
        client.subscribe(token(vins=[VIN]))
        client.until("control:hello")
        car.tell(PARKED)
        assert client.rows_until(1), "the double takes only rows of its own tag"


def test_columns_come_in_the_order_asked_for_and_unknown_ones_are_empty(server: Inside) -> None:
    columns = "elevation,native_type,est_lat,soc"
    with TeslaMate(server.place, VIN, columns=columns) as client, server.place.vehicle(VIN) as car:
        client.subscribe(token())
        client.until("control:hello")
        client.until("control:hello")
        car.tell(PARKED)
        assert client.raw.read_frame()[1].endswith(b',,,52.39,71"}')


def test_subscribing_again_gives_no_row_twice_and_unsubscribing_ends_them(server: Inside) -> None:
    with TeslaMate(server.place, VIN) as client, server.place.vehicle(VIN) as car:
        for _ in range(3):
            client.subscribe(token())
        for _ in range(2):
            client.until("control:hello")
        client.raw.frame(Opcode.PING)
        assert client.raw.read_frame() == (Opcode.PONG, b""), "a hello for each would be answered by teslajs, for ever"
        car.tell(PARKED)
        car.tell({"Soc": {"doubleValue": 70.0}})
        assert [row.cells["soc"] for row in client.rows_until(2)] == [71, 70]
        client.raw.frame(Opcode.TEXT, json.dumps({"msg_type": "data:unsubscribe", "tag": VIN}).encode())
        client.raw.frame(Opcode.PING)
        assert client.raw.read_frame() == (Opcode.PONG, b"")
        car.tell({"Soc": {"doubleValue": 69.0}})
        client.raw.frame(Opcode.PING)
        assert client.raw.read_frame() == (Opcode.PONG, b"")


def test_hellos_go_on(server: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teslamate_session, "HELLO_S", 0.1)
    with TeslaMate(server.place, VIN) as client:
        client.subscribe(token())
        for _ in range(5):
            client.until("control:hello")


# ---- the end


def test_a_drain_ends_tcp_without_a_close_frame(server: Inside) -> None:
    with TeslaMate(server.place, VIN) as client, TeslaMate(server.place, VIN) as stranger:
        client.subscribe(token())
        client.until("control:hello")
        server.lines.wait_for("dashboard_connected")
        server.drain()
        assert client.ended()
        assert stranger.ended()
    server.lines.wait_for("dashboard_disconnected", 2, cause="drain")


def test_a_tokens_end_ends_tcp_without_a_close_frame(server: Inside, set_clock_ahead: SetClockAhead) -> None:
    with TeslaMate(server.place, VIN) as client:
        client.subscribe(token(exp=time.time() + 3600))
        server.lines.wait_for("dashboard_connected")
        set_clock_ahead(3600)
        assert client.ended()
    server.lines.wait_for("dashboard_disconnected", cause="token_expired")


def test_a_close_of_the_clients_is_answered(server: Inside) -> None:
    with TeslaMate(server.place, VIN) as client:
        client.until("control:hello")
        client.raw.frame(Opcode.CLOSE, (1000).to_bytes(2, "big"))
        assert client.raw.frames() == [(Opcode.CLOSE, (1000).to_bytes(2, "big"))]


def test_a_killed_server_is_found_again_with_the_next_row(server: Inside) -> None:
    with suppress(_Killed), Process() as process:
        with TeslaMate(process.place, VIN) as client:
            client.subscribe(token())
            client.until("control:hello")
            process.process.kill()
            assert client.ended()
            process.process.wait()
        with TeslaMate(server.place, VIN) as client, server.place.vehicle(VIN) as car:
            client.subscribe(token())
            client.until("control:hello")
            client.until("control:hello")
            car.tell(PARKED)
            assert client.rows_until(1)
        raise _Killed


class _Killed(Exception):
    """Keeps `Process` from asking a killed server for its exit status."""


def test_a_line_cut_short_leaves_nothing_behind(server: Inside) -> None:
    with TeslaMate(server.place, VIN) as client:
        client.subscribe(token())
        client.until("control:hello")
        client.until("control:hello")
    server.lines.wait_for("dashboard_disconnected", cause="peer")
    assert server.ask(lambda running: len(running.hub.connections)) == 0
    assert not server.ask(lambda running: running.hub.turn.watched)


def test_a_client_that_reads_nothing_is_ended_and_holds_nobody_up(server: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_a_small_send_buffer(transport: Any) -> None:  # else the kernel takes megabytes first
        transport.underlying_transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    monkeypatch.setattr(connection, "slim", give_a_small_send_buffer)
    with TeslaMate(server.place, VIN, receive_bytes=4096) as stalled, TeslaMate(server.place, VIN) as reads:
        for client in (stalled, reads):
            client.subscribe(token())
            client.until("control:hello")
            client.until("control:hello")
        with server.place.vehicle(VIN) as car:
            car.tell(PARKED)
            sent = 0
            while not any(line["event"] == "dashboard_disconnected" for line in server.lines.read):
                for _ in range(100):
                    car.send({"Odometer": {"doubleValue": float(sent)}})
                    sent += 1
                for _ in range(100):
                    car.reply()
                reads.rows_until(1 + sent)
        server.lines.wait_for("dashboard_disconnected", cause=STALLED.cause)
        assert [row.cells["odometer"] for row in reads.double.rows[1:]] == list(range(sent))


# ---- strangers


def test_a_stranger_that_shows_no_token_is_ended(server: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teslamate, "FIRST_MESSAGE_S", 0.2)
    with TeslaMate(server.place, VIN) as client:
        assert client.ended()
    server.lines.wait_for("dashboard_disconnected", cause="no_token")


def test_a_stranger_whose_token_was_refused_has_longer(server: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teslamate, "REFUSED_S", 1000.0)
    with TeslaMate(server.place, VIN) as client, TeslaMate(server.place, VIN) as silent:
        client.subscribe("nonsense")
        client.until("data:error")
        monkeypatch.setattr(teslamate, "FIRST_MESSAGE_S", 0.0)  # not before it has spoken
        assert silent.ended(), "a whole round has passed"
        client.raw.frame(Opcode.PING)
        assert client.raw.read_frame() == (Opcode.PONG, b"")


def test_of_too_many_strangers_the_oldest_goes_and_they_keep_no_dashboard_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teslamate, "FIRST_MESSAGE_S", 3600.0)
    with Inside(MAX_DASHBOARDS="2") as server:
        clients = [TeslaMate(server.place, VIN) for _ in range(STRANGERS_AT_MOST + 1)]
        for client in clients:
            assert client.answer.startswith(b"HTTP/1.1 101 ")
        assert clients[0].ended()
        assert server.ask(lambda running: len(running.hub.connections.strangers)) == STRANGERS_AT_MOST
        with server.place.dashboard() as dashboard:
            dashboard.until("hello")
            clients[1].subscribe(token())
            clients[1].until("control:hello")
            clients[2].subscribe(token())
            clients[2].until("data:error")
        for client in clients:
            client.raw.socket.close()


@pytest.mark.parametrize("flood", ["messages", "subscriptions", "nonsense", "large"])
def test_a_flood_is_ended(server: Inside, flood: str) -> None:
    with TeslaMate(server.place, VIN) as client:
        client.until("control:hello")
        client.subscribe(token())
        client.until("control:hello")
        said = {
            "messages": Frame(Opcode.PONG, b""),
            "subscriptions": Frame(Opcode.TEXT, client.double.subscribe(token())),
            "nonsense": Frame(Opcode.TEXT, b"nonsense"),
            "large": Frame(Opcode.TEXT, b"nonsense" * 10_000),
        }[flood].serialize(mask=True)
        burst = said * (1 if flood == "large" else teslamate.SAID_AT_MOST + 1)
        with suppress(OSError):  # it is ended already
            for _ in range(20):  # a check of the connection, once a second, begins anew to count
                client.raw.send(burst)
        assert client.ended()
    causes = {"messages": "flood", "subscriptions": "flood", "nonsense": "errors", "large": "too_large"}
    server.lines.wait_for("dashboard_disconnected", cause=causes[flood])


def test_a_page_of_another_origin_is_refused(server: Inside) -> None:
    with server.place.raw() as raw:
        assert raw.upgrade("/streaming/", "Origin: https://elsewhere.example.com").startswith(b"HTTP/1.1 403 ")


def test_a_plain_request_is_told_to_upgrade(server: Inside) -> None:
    assert server.place.get("/streaming/").status == 426


def test_a_closed_door_is_not_there() -> None:
    with Inside(DOORS="stream,sse,tessie") as server, server.place.raw() as raw:
        assert raw.upgrade("/streaming/").startswith(b"HTTP/1.1 404 ")
