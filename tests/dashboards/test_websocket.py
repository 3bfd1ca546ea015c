"""A dashboard's connection over real sockets: order, slowness, limits, silence."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from teslafast.dashboards.websocket import FRAMES_UNREAD_AT_MOST
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from tests.support.clocks import SetClockAhead
from tests.support.peers import Dashboard, Place, Raw, envelope, payload, token
from tests.support.servers import Inside

TEXT, BINARY, CONT, CLOSE, PING, PONG = Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.CLOSE, Opcode.PING, Opcode.PONG
SOC = {"Soc": {"floatValue": 50.0}}


@pytest.fixture(scope="module")
def server() -> Iterator[Inside]:
    with Inside() as running:
        yield running


@pytest.fixture
def fresh() -> Iterator[Inside]:
    """A server that nobody has used."""
    with Inside() as running:
        yield running


def tell(place: Place, vin: str, **values: float) -> None:
    """A vehicle comes, sends one record of floats, and goes."""
    with place.vehicle(vin) as vehicle:
        vehicle.tell({field: {"floatValue": value} for field, value in values.items()})


def told(dashboard: Dashboard, count: int) -> list[dict[str, Any]]:
    return [dashboard.next() for _ in range(count)]


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


# ---- hello, snapshot, events


def test_hello_comes_first_and_says_where_the_log_stands(fresh: Inside) -> None:
    with fresh.place.dashboard() as dashboard:
        hello = dashboard.next()
    assert hello == {"type": "hello", "epoch": fresh.server.hub.epoch, "seq": 0, "oldest": 1, "server": hello["server"]}


def test_everybody_gets_the_same_in_the_same_order(server: Inside) -> None:
    place = server.place
    with place.dashboard("?snapshot=0") as one, place.dashboard("?snapshot=0") as other, place.vehicle("A") as vehicle:
        for number in range(50):
            vehicle.send({"Soc": {"floatValue": float(number)}})
        for _ in range(50):
            vehicle.reply()
        both = [[dashboard.next() for _ in range(52)] for dashboard in (one, other)]
    assert both[0][1:] == both[1][1:]
    seqs = [message["seq"] for message in both[0][1:]]
    assert seqs == list(range(seqs[0], seqs[0] + 51))


# ---- resume


def test_after_since_comes_what_was_missed_and_then_what_happens(fresh: Inside) -> None:
    place = fresh.place
    with place.vehicle("A") as vehicle:
        for number in range(5):
            vehicle.tell({"Soc": {"floatValue": float(number)}})
        with place.dashboard("?since=3") as dashboard:
            assert [message.get("seq") for message in told(dashboard, 4)] == [6, 4, 5, 6]
            vehicle.tell(SOC)
            assert dashboard.next()["seq"] == 7


# ---- slow dashboards


BIG = {"VehicleName": {"stringValue": "x" * 60_000}}


def test_a_dashboard_that_is_too_slow_is_told_what_it_missed_and_nobody_else_notices() -> None:
    with Inside(RING_BYTES="4MiB") as server, server.place.raw_dashboard() as slow, server.place.vehicle("A") as vehicle:
        with server.place.dashboard() as quick:
            for _ in range(200):
                vehicle.tell(BIG)
                quick.until("data")
        assert [message["seq"] for message in quick.seen[1:]] == list(range(2, 202))
        messages: list[dict[str, Any]] = []
        while not messages or messages[-1].get("seq") != 201 or messages[-1]["type"] != "data":
            opcode, text = slow.read_frame()
            assert opcode is TEXT
            messages.append(json.loads(text))
        assert server.counts("closes") == {"peer": 1}
        assert server.ask(lambda running: running.hub.counts.gaps) >= 1
    seqs = [message["seq"] for message in messages if message["type"] in ("data", "connectivity")]
    lost = [seq for gap in messages if gap["type"] == "gap" for seq in range(gap["from"], gap["to"] + 1)]
    assert sorted(seqs + lost) == list(range(1, 202))
    assert seqs == sorted(seqs)
    after_gap = messages[kinds(messages).index("gap") + 1]
    assert after_gap["type"] == "snapshot"


def test_a_dashboard_that_takes_nothing_for_too_long_is_shown_out() -> None:
    with Inside(PING_INTERVAL="3600", RING_BYTES="4MiB") as server, server.place.raw_dashboard() as raw:
        blocked(server, raw)
        server.look_ahead(2 * 3600)
        server.lines.wait_for("dashboard_disconnected", cause="stalled")


def test_a_dashboard_that_talks_and_does_not_listen_is_shown_out() -> None:
    with Inside(RING_BYTES="4MiB") as server, server.place.raw_dashboard() as raw, server.place.vehicle("A") as vehicle:
        for _ in range(60):
            vehicle.tell(BIG)
        for _ in range(200):
            raw.frame(PING, b"x" * 100)
        server.lines.wait_for("dashboard_disconnected", cause="not_reading", code_sent=1008)


# ---- what a slow dashboard says


def blocked(server: Inside, raw: Raw) -> None:
    """Sends more than the socket of one who does not read takes."""
    with server.place.vehicle("A") as vehicle:
        for _ in range(60):
            vehicle.tell(BIG)
    assert server.ask(lambda running: any(one.blocked for one in running.hub.connections.dashboards))


def read_until(raw: Raw, kind: str) -> dict[str, Any]:
    while (message := json.loads(raw.read_frame()[1])).get("type") != kind:
        pass
    return dict(message)


def test_what_it_says_while_it_is_slow_is_taken_and_answered_when_it_reads_again() -> None:
    later = int(time.time()) + 7200
    with Inside(RING_BYTES="4MiB") as server, server.place.raw_dashboard("?snapshot=0") as raw:
        raw.frame(TEXT, b'{"type":"auth",', fin=False)
        blocked(server, raw)
        raw.frame(CONT, json.dumps({"token": token(exp=later)}).encode()[1:])
        assert read_until(raw, "auth") == {"type": "auth", "exp": later}


def test_what_it_says_while_it_is_slow_counts_anew_each_time_that_it_has_read() -> None:
    with Inside(RING_BYTES="4MiB") as server, server.place.raw_dashboard("?snapshot=0") as raw:
        for _ in range(2):
            blocked(server, raw)
            for _ in range(FRAMES_UNREAD_AT_MOST - 10):
                raw.frame(TEXT, b"ping")
            for _ in range(FRAMES_UNREAD_AT_MOST - 10):
                read_until(raw, "pong")
        assert server.counts("closes").get("not_reading") is None


def test_one_that_says_close_and_reads_nothing_is_cut_off() -> None:
    with Inside(RING_BYTES="4MiB") as server, server.place.raw_dashboard("?snapshot=0") as raw:
        blocked(server, raw)
        raw.frame(CLOSE, b"\x03\xe8")
        server.lines.wait_for("dashboard_disconnected", cause="peer")


# ---- tokens and time


def test_a_dashboard_is_warned_before_its_token_ends_and_shown_out_when_it_does(set_clock_ahead: SetClockAhead) -> None:
    with Inside() as server:
        exp = time.time() + 3600
        with server.place.dashboard(bearer=token(exp=exp)) as dashboard:
            dashboard.until("hello")
            set_clock_ahead(3600 - 30)
            assert dashboard.until("token_expiring") == {"type": "token_expiring", "exp": int(exp)}
            set_clock_ahead(3600)
            assert dashboard.close_code() == 1008
        assert server.counts("closes") == {"token_expired": 1}


# ---- what it says


def test_after_ten_of_them_it_is_shown_out(server: Inside) -> None:
    with server.place.dashboard("?vin=nobody") as dashboard:
        for _ in range(10):
            dashboard.say("nonsense")
        assert kinds(told(dashboard, 11)) == ["hello", *["error"] * 10]
        assert dashboard.close_code() == 1008
    assert server.lines.wait_for("dashboard_disconnected", cause="errors")[0]["code_sent"] == 1008


@pytest.mark.parametrize("size", [4097, 70_000])
def test_a_message_over_4_kib_ends_the_connection(server: Inside, size: int) -> None:
    with server.place.raw_dashboard("?vin=nobody") as raw:
        raw.frame(TEXT, b"x" * size)
        assert raw.close_code() == 1009


def test_a_message_of_4_kib_is_read(server: Inside) -> None:
    with server.place.raw_dashboard("?vin=nobody") as raw:
        raw.read_frame()
        raw.frame(TEXT, json.dumps({"type": "x"}).encode().ljust(4096))
        assert json.loads(raw.read_frame()[1])["type"] == "error"


@pytest.mark.parametrize(
    "frame", [b"\xc1\x80mask", b"\x83\x80mask", b"\x81\x01x", b"\x09\x80mask", b"\x89\xfe\x00\x7emask" + b"x" * 126]
)
def test_a_frame_that_breaks_the_protocol_ends_the_connection(server: Inside, frame: bytes) -> None:
    with server.place.raw_dashboard("?vin=nobody") as raw:
        raw.send(frame)
        assert raw.close_code() == 1002


def test_a_ping_is_answered_with_what_it_held(server: Inside) -> None:
    with server.place.raw_dashboard("?vin=nobody") as raw:
        raw.read_frame()
        for content in (b"", b"x" * 125):
            raw.frame(PING, content)
            assert raw.read_frame() == (PONG, content)


def test_a_close_is_answered_in_kind(server: Inside) -> None:
    with server.place.raw_dashboard("?vin=nobody") as raw:
        raw.read_frame()
        raw.frame(CLOSE, b"\x03\xe9bye")
        assert raw.frames() == [(CLOSE, b"\x03\xe9")]


def test_what_comes_with_the_handshake_is_not_lost_and_hello_still_comes_first(server: Inside) -> None:
    early = Frame(PING, b"early").serialize(mask=True) + Frame(TEXT, b"nonsense").serialize(mask=True) * 10
    with server.place.raw_dashboard("?vin=nobody", then=early) as raw:
        frames = raw.frames()
    assert [opcode for opcode, _ in frames] == [TEXT, PONG, *[TEXT] * 10, CLOSE]
    assert json.loads(frames[0][1])["type"] == "hello"
    assert all(json.loads(text)["type"] == "error" for _, text in frames[2:-1])


# ---- silence


def test_who_does_not_answer_a_ping_is_shown_out() -> None:
    with Inside(PING_INTERVAL="0.4") as server, server.place.raw_dashboard("?vin=nobody") as raw:
        assert [opcode for opcode, _ in raw.frames()] == [TEXT, PING, CLOSE]
        assert server.counts("closes") == {"silent": 1}


def test_who_answers_pings_stays() -> None:
    with Inside(PING_INTERVAL="3600") as server, server.place.raw_dashboard("?vin=nobody") as raw:
        raw.read_frame()
        for _ in range(3):
            server.silent_for(3600, "dashboards")
            assert raw.read_frame()[0] is PING
            raw.frame(PONG)
            raw.frame(PING, b"all before it is heard")
            assert raw.read_frame()[0] is PONG


# ---- two other shapes


def test_an_interval_merges_data_and_holds_nothing_else_back(server: Inside) -> None:
    with server.place.dashboard("?interval=100&snapshot=0&vin=I1") as dashboard, server.place.vehicle("I1") as vehicle:
        for number, half in enumerate(["Min", "Max"] * 2 + ["Min"]):
            content = payload({"Soc": {"floatValue": float(number)}, f"BrickVoltage{half}": {"floatValue": 1.0}})
            vehicle.connection._protocol.send_binary(envelope(b"V", b"%d" % number, content, "I1"))
        vehicle.connection._flush()  # all of them in one write, so in one interval, or two
        for _ in range(5):
            vehicle.reply()
        merged: dict[str, Any] = {}
        while merged.get("Soc") != 4.0:
            merged |= dashboard.until("data")["data"]
    assert merged == {"Soc": 4.0, "BrickVoltageMax": 1.0, "BrickVoltageMin": 1.0}
    assert kinds(dashboard.seen[:2]) == ["hello", "connectivity"]
    assert kinds(dashboard.seen).count("data") < 5


# ---- limits


def test_over_the_limit_of_dashboards_it_is_answered_503() -> None:
    with Inside(MAX_DASHBOARDS="1") as server, server.place.dashboard() as first:
        first.next()
        with pytest.raises(InvalidStatus) as caught, server.place.dashboard():
            raise AssertionError("it was let in")
        assert caught.value.response.status_code == 503
        assert int(caught.value.response.headers["Retry-After"]) > 0
        assert server.counts("refused_requests") == {"too_many_dashboards": 1}
