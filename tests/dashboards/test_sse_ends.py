"""How a stream of events lives and ends: silence, slowness, a token's end, a drain, a kill, a cut line, a flood."""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from teslafast.dashboards.sse_connection import PASSED_OVER_AT_MOST

from tests.support.clocks import SetClockAhead
from tests.support.event_stream import events_in, listen
from tests.support.faults import Victim
from tests.support.peers import Place, token
from tests.support.servers import Inside, Process
from tests.support.vins import vin_of

VIN = vin_of("a")
SMALL: dict[str, Any] = {"RING_BYTES": "1MiB", "MAX_FRAME_BYTES": "64KiB"}
LONG = {"VehicleName": {"stringValue": "x" * 60_000}}


def tell(place: Place, **values: float) -> None:
    with place.vehicle(VIN) as vehicle:
        vehicle.tell({field: {"floatValue": value} for field, value in values.items()})


# ---- silence


@pytest.mark.parametrize("query", ["", "?topics=credits"])
def test_after_silence_comes_a_comment_of_one_line_again_and_again(query: str) -> None:
    with Inside(PING_INTERVAL="0.1") as server, listen(server.place, f"/sse{query}") as reader:
        assert reader.line() == "retry: 1000"
        assert [reader.line() for _ in range(3)] == [":", ":", ":"]


def test_events_that_are_filtered_away_keep_nobody_alive_but_comments_do() -> None:
    def wrote_long_ago(running: Any) -> None:
        connection: Any
        (connection,) = running.hub.connections.dashboards
        connection._seen_bytes = connection._reader.sent_bytes
        connection._written_at -= 3600

    with Inside() as server, listen(server.place, "/sse?topics=alerts") as reader:
        for number in range(2):
            tell(server.place, Soc=float(number))
            server.ask(wrote_long_ago)
            reader.until_comment("")


# ---- slowness


def test_a_reader_that_takes_nothing_is_ended_like_a_stalled_dashboard() -> None:
    with Inside(PING_INTERVAL="3600", **SMALL) as server, listen(server.place, receive_bytes=4096):
        with server.place.vehicle(VIN) as vehicle:
            while not server.ask(lambda it: any(one.blocked for one in it.hub.connections.dashboards)):
                vehicle.tell(LONG)
        server.look_ahead(2 * 3600)
        assert server.lines.wait_for("dashboard_disconnected", cause="stalled", door="sse")


def test_a_reader_that_is_lapped_is_told_and_goes_on_with_what_holds_now() -> None:
    with Inside(**SMALL) as server, listen(server.place, "/sse?topics=data", receive_bytes=4096) as reader:
        with server.place.vehicle(VIN) as vehicle:
            while not server.ask(lambda it: any(one.behind > it.hub.log.kept for one in it.hub.connections.dashboards)):
                vehicle.tell(LONG)
            vehicle.tell({"Soc": {"floatValue": 77.0}})
        while reader.until("data").data["data"].get("Soc") != 77.0:
            pass
        assert [words.split()[0] for words in reader.comments] == ["gap"]
        assert any("isCache" in event.data for event in reader.seen), "what holds now follows the gap"
        assert server.ask(lambda it: it.hub.counts.gaps) == 1


# ---- ends


def test_the_tokens_end_ends_the_stream_after_whole_events(set_clock_ahead: SetClockAhead) -> None:
    with Inside() as server:
        with listen(server.place, "/sse?topics=data", bearer=token(exp=time.time() + 3600)) as reader:
            tell(server.place, Soc=1.0)
            set_clock_ahead(3600)
            text = reader.rest().replace(b":\n", b"")
        assert [event.data["data"] for event in events_in(text)] == [{"Soc": 1.0}]
        assert server.counts("closes")["token_expired"] == 1


def test_a_drain_sends_everything_that_is_owed_and_then_ends_the_stream() -> None:
    with Inside() as server, listen(server.place) as reader:
        with server.place.vehicle(VIN) as vehicle:
            vehicle.tell({"Soc": {"floatValue": 1.0}})
            server.drain()
            assert vehicle.close_code() == 1001
        events = events_in(reader.rest())
        assert events[-1].data["status"] == "DISCONNECTED"
        assert server.counts("closes")["drain"] == 2


def test_while_it_drains_an_event_source_is_cut_off_and_others_are_refused() -> None:
    """A browser gives a page's stream up for good after a 503, and comes back after a broken connection."""
    with Inside(DRAIN_SECONDS="20") as server, server.place.raw_dashboard():
        server.drain()
        server.lines.wait_for("draining")
        with server.place.raw() as raw:
            raw.send(f"GET /sse?token={token()} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode())
            assert raw.rest() == b""
        assert server.place.get(f"/sse?token={token()}").status == 503
        assert server.counts("refused_requests")["draining"] == 2


def test_a_client_that_goes_away_is_noticed_and_counted() -> None:
    with Inside() as server:
        with listen(server.place) as reader:
            assert server.ask(lambda it: len(it.hub.connections.dashboards)) == 1
            cut = struct.pack("ii", 1, 0)
            reader.raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, cut)  # its end is a reset
        assert server.lines.wait_for("dashboard_disconnected", cause="peer", door="sse")
        assert server.ask(lambda it: (len(it.hub.connections.dashboards), it.hub.log.readers)) == (0, 0)


def test_a_client_that_sends_without_end_is_ended() -> None:
    with Inside(PING_INTERVAL="3600") as server, listen(server.place) as reader:
        reader.raw.send(b"x" * (PASSED_OVER_AT_MOST + 1))
        reader.rest()
        assert server.counts("closes")["flood"] == 1


@pytest.mark.parametrize(("interval", "given_up_ms"), [("2", 60_000), ("20", 80_000)])
def test_a_dead_line_is_given_up_by_the_kernel(interval: str, given_up_ms: int) -> None:
    with Inside(PING_INTERVAL=interval) as server, listen(server.place):
        (connection,) = server.ask(lambda it: list(it.hub.connections.dashboards))
        transport = connection._transport  # type: ignore[attr-defined]
        connected = server.ask(lambda _: transport.get_extra_info("socket"))
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == given_up_ms


def test_a_killed_server_with_a_journal_is_resumed_without_loss(tmp_path: Path) -> None:
    settings = {"JOURNAL_PATH": f"{tmp_path}/journal"}
    with Victim(None, **settings) as first:
        with listen(first.place, "/sse?topics=data") as reader:
            tell(first.place, Soc=1.0)
            known = reader.next().event_id
        tell(first.place, Soc=2.0)
        first.kill()
    with Process(None, **settings) as second, listen(second.place, "/sse?topics=data", f"Last-Event-ID: {known}") as reader:
        assert reader.next().data["data"] == {"Soc": 2.0}


# ---- counted by its door


def test_connections_are_counted_by_door() -> None:
    with Inside() as server, listen(server.place), listen(server.place), server.place.dashboard():
        text = server.place.get("/metrics").body.decode()
        assert 'teslafast_connections{door="sse",role="dashboard"} 2.0' in text
        assert 'teslafast_connections{door="stream",role="dashboard"} 1.0' in text
        assert 'teslafast_connections{door="tessie",role="dashboard"} 0.0' in text
