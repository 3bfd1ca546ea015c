"""What a dashboard is told, what it may say, and how long it may stay."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from tests.support.peers import Dashboard, Place, Raw, token
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


def quiet(dashboard: Dashboard) -> bool:
    """Whether nothing has been sent to it that it has not read: the answer that it asks for now comes next."""
    dashboard.say({"type": "subscribe", "vins": ["nobody"], "types": None})
    return bool(dashboard.next()["type"] == "subscribed")


# ---- hello, snapshot, events


def test_hello_comes_first_and_says_where_the_log_stands(fresh: Inside) -> None:
    with fresh.place.dashboard() as dashboard:
        hello = dashboard.next()
    assert hello == {"type": "hello", "epoch": fresh.server.hub.epoch, "seq": 0, "oldest": 1, "server": hello["server"]}


def test_then_the_last_known_values_of_each_vehicle_and_then_what_happens(fresh: Inside) -> None:
    place = fresh.place
    tell(place, "A", Soc=50.0, Odometer=7.0)
    tell(place, "B", Soc=60.0)
    with place.dashboard() as dashboard:
        hello, first, second = told(dashboard, 3)
        tell(place, "A", Soc=51.0)
        assert kinds(told(dashboard, 3)) == ["connectivity", "data", "connectivity"]
    assert [first, second] == [
        {
            "type": "snapshot",
            "seq": hello["seq"],
            "vin": vin,
            "createdAt": "2026-11-23T08:00:00.123Z",
            "isCache": True,
            "data": data,
        }
        for vin, data in (("A", {"Soc": 50.0, "Odometer": 7.0}), ("B", {"Soc": 60.0}))
    ]
    assert [message["seq"] for message in dashboard.seen[3:]] == [hello["seq"] + 1, hello["seq"] + 2, hello["seq"] + 3]


def test_without_snapshots_there_are_none(fresh: Inside) -> None:
    tell(fresh.place, "A", Soc=50.0)
    with fresh.place.dashboard("?snapshot=0") as dashboard:
        assert dashboard.next()["type"] == "hello"
        assert quiet(dashboard)


def test_snapshots_are_of_the_vehicles_that_are_seen_and_of_data_alone(fresh: Inside) -> None:
    for vin in "ABC":
        tell(fresh.place, vin, Soc=50.0)
    with fresh.place.dashboard("?vin=B") as dashboard:
        assert [message["vin"] for message in told(dashboard, 2)[1:]] == ["B"]
        dashboard.say({"type": "nonsense"})
        assert dashboard.next()["type"] == "error"
    with fresh.place.dashboard("", bearer=token(vins=["A", "C"])) as dashboard:
        assert [message["vin"] for message in told(dashboard, 3)[1:]] == ["A", "C"]
    with fresh.place.dashboard("?type=alerts") as dashboard:
        assert dashboard.next()["type"] == "hello"
        dashboard.say({"type": "nonsense"})
        assert dashboard.next()["type"] == "error"


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


# ---- filters


def test_a_dashboard_sees_the_vehicles_and_the_kinds_that_it_asks_for(server: Inside) -> None:
    place = server.place
    with place.dashboard("?vin=F1,F2&type=data&snapshot=0") as dashboard:
        for vin in ("F0", "F1", "F2", "F3"):
            tell(place, vin, Soc=50.0)
        assert [(message["type"], message.get("vin")) for message in told(dashboard, 3)] == [
            ("hello", None),
            ("data", "F1"),
            ("data", "F2"),
        ]
        dashboard.say({"type": "nonsense"})
        assert dashboard.next()["type"] == "error"


def test_a_token_limits_what_is_seen(server: Inside) -> None:
    place = server.place
    with place.dashboard("?snapshot=0", bearer=token(vins=["T1"])) as dashboard:
        for vin in ("T0", "T1"):
            tell(place, vin, Soc=50.0)
        assert [message["vin"] for message in told(dashboard, 4)[1:]] == ["T1", "T1", "T1"]


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


def test_since_the_newest_there_is_nothing_to_catch_up_with(fresh: Inside) -> None:
    tell(fresh.place, "A", Soc=1.0)
    with fresh.place.dashboard("?since=3") as dashboard:
        assert dashboard.next()["type"] == "hello"
        assert quiet(dashboard)


@pytest.mark.parametrize("query", ["since=2&epoch=another", "since=99999", "since=99999999999999999999"])
def test_a_place_that_is_not_in_this_log_is_a_gap_and_then_all_that_is_kept(fresh: Inside, query: str) -> None:
    tell(fresh.place, "A", Soc=1.0)
    with fresh.place.dashboard(f"?{query}") as dashboard:
        messages = told(dashboard, 5)
    assert kinds(messages) == ["hello", "gap", "connectivity", "data", "connectivity"]
    assert [message["seq"] for message in messages[2:]] == [1, 2, 3]


def test_the_right_epoch_is_no_gap(fresh: Inside) -> None:
    tell(fresh.place, "A", Soc=1.0)
    with fresh.place.dashboard(f"?since=2&epoch={fresh.server.hub.epoch}") as dashboard:
        assert [message["seq"] for message in told(dashboard, 2)] == [3, 3]


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
    with Inside(PING_INTERVAL="0.5", RING_BYTES="4MiB") as server, server.place.vehicle("A") as vehicle:
        with server.place.raw_dashboard():
            for _ in range(60):
                vehicle.send(BIG)
            server.lines.wait_for("dashboard_disconnected", cause="stalled")
        for _ in range(60):
            vehicle.reply()


def test_a_dashboard_that_talks_and_does_not_listen_is_shown_out() -> None:
    with Inside(RING_BYTES="4MiB") as server, server.place.raw_dashboard() as raw, server.place.vehicle("A") as vehicle:
        for _ in range(60):
            vehicle.tell(BIG)
        for _ in range(200):
            raw.frame(PING, b"x" * 100)
        server.lines.wait_for("dashboard_disconnected", cause="flood")


# ---- tokens and time


def test_a_dashboard_is_warned_before_its_token_ends_and_shown_out_when_it_does() -> None:
    with Inside(PING_INTERVAL="0.4") as server:
        exp = time.time() + 1.5
        with server.place.dashboard(bearer=token(exp=exp)) as dashboard:
            assert dashboard.until("token_expiring") == {"type": "token_expiring", "exp": int(exp)}
            assert dashboard.close_code() == 1008
            assert time.time() >= exp
        assert server.counts("closes") == {"token_expired": 1}


def test_with_a_new_token_it_may_stay() -> None:
    with Inside(PING_INTERVAL="0.4") as server:
        exp, later = time.time() + 1.0, int(time.time()) + 3600
        with server.place.dashboard(bearer=token(exp=exp)) as dashboard:
            dashboard.until("token_expiring")
            dashboard.say({"type": "auth", "token": token(exp=later)})
            assert dashboard.until("auth") == {"type": "auth", "exp": later}
            while time.time() < exp + 0.1:
                tell(server.place, "A", Soc=1.0)
                dashboard.until("data")
            assert server.counts("closes").get("token_expired") is None


@pytest.mark.parametrize(
    "new", [token(sub="somebody else"), token(exp=1), token(secret="another secret, of 32 bytes or more"), "nonsense", 7, None]
)
def test_a_new_token_that_is_no_good_is_refused_and_the_old_one_holds(server: Inside, new: object) -> None:
    with server.place.dashboard("?vin=nobody") as dashboard:
        dashboard.say({"type": "auth", "token": new})
        answer = dashboard.until("error")
        assert answer["reason"]
        assert str(new) not in answer["reason"] or new is None
        assert quiet(dashboard)


def test_a_new_token_that_grants_less_shows_less(server: Inside) -> None:
    place = server.place
    with place.dashboard("?snapshot=0") as dashboard:
        dashboard.say({"type": "auth", "token": token(vins=["N1"])})
        dashboard.until("auth")
        for vin in ("N0", "N1"):
            tell(place, vin, Soc=1.0)
        assert [dashboard.next()["vin"] for _ in range(3)] == ["N1", "N1", "N1"]


def test_a_new_token_that_grants_more_does_not_show_more_by_itself(server: Inside) -> None:
    place = server.place
    with place.dashboard("?snapshot=0", bearer=token(vins=["M1"])) as dashboard:
        dashboard.say({"type": "auth", "token": token()})
        dashboard.until("auth")
        for vin in ("M0", "M1"):
            tell(place, vin, Soc=1.0)
        assert [dashboard.next()["vin"] for _ in range(3)] == ["M1", "M1", "M1"]
        dashboard.say({"type": "subscribe", "vins": ["M0"], "types": None})
        dashboard.until("subscribed")
        tell(place, "M0", Soc=2.0)
        assert dashboard.until("data")["data"] == {"Soc": 2.0}


# ---- what it says


def test_a_subscription_changes_what_is_seen_from_now_on(server: Inside) -> None:
    place = server.place
    tell(place, "S2", Soc=60.0)
    with place.dashboard("?vin=S1&snapshot=1") as dashboard:
        assert dashboard.next()["type"] == "hello"
        dashboard.say({"type": "subscribe", "vins": ["S2"], "types": ["data"]})
        assert dashboard.next() == {"type": "subscribed", "vins": ["S2"], "types": ["data"]}
        snapshot = dashboard.next()
        assert (snapshot["type"], snapshot["vin"]) == ("snapshot", "S2")
        for vin in ("S1", "S2"):
            tell(place, vin, Soc=61.0)
        assert [(message["type"], message["vin"]) for message in told(dashboard, 1)] == [("data", "S2")]
        assert quiet(dashboard)


def test_a_subscription_cannot_go_beyond_the_token(server: Inside) -> None:
    with server.place.dashboard("?snapshot=0", bearer=token(vins=["A"])) as dashboard:
        dashboard.say({"type": "subscribe", "vins": ["A", "B"], "types": None})
        assert "does not grant" in dashboard.until("error")["reason"]
        dashboard.say({"type": "subscribe", "vins": None, "types": None})
        assert dashboard.next() == {"type": "subscribed", "vins": ["A"], "types": None}


NO_USE: list[object] = [
    7,
    None,
    [],
    {},
    {"type": "data"},
    {"type": ["auth"]},
    {"type": "auth"},
    {"type": "subscribe", "vins": "A"},
    {"type": "subscribe", "vins": [7]},
    {"type": "subscribe", "vins": ["a b"]},
    {"type": "subscribe", "types": ["noise"]},
    {"type": "subscribe", "types": {"data": 1}},
]


@pytest.mark.parametrize("message", NO_USE)
def test_what_is_no_use_is_answered_with_the_reason(server: Inside, message: object) -> None:
    with server.place.dashboard("?vin=nobody") as dashboard:
        dashboard.say(message)
        assert dashboard.until("error")["reason"]
        assert quiet(dashboard)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 4000])
def test_what_is_no_json_is_answered_with_the_reason(server: Inside, text: bytes) -> None:
    with server.place.raw_dashboard("?vin=nobody") as raw:
        assert raw.read_frame()[0] is TEXT
        raw.frame(TEXT, text)
        assert json.loads(raw.read_frame()[1]) == {"type": "error", "reason": "not JSON"}


def test_after_ten_of_them_it_is_shown_out(server: Inside) -> None:
    with server.place.dashboard("?vin=nobody") as dashboard:
        for _ in range(10):
            dashboard.say("nonsense")
        assert kinds(told(dashboard, 11)) == ["hello", *["error"] * 10]
        assert dashboard.close_code() == 1008
    assert server.lines.wait_for("dashboard_disconnected", cause="errors")[0]["code_sent"] == 1008


def refused(raw: Raw) -> bool:
    return bool(json.loads(raw.read_frame()[1])["type"] == "error")


def test_binary_and_fragmented_messages_are_not_taken(server: Inside) -> None:
    with server.place.raw_dashboard("?vin=nobody") as raw:
        raw.read_frame()
        raw.frame(BINARY, b"x")
        assert refused(raw)
        raw.frame(TEXT, b"{", fin=False)
        assert refused(raw)
        raw.frame(CONT, b"}")
        assert refused(raw)


@pytest.mark.parametrize("size", [4097, 70_000])
def test_a_message_over_4_kib_ends_the_connection(server: Inside, size: int) -> None:
    with server.place.raw_dashboard("?vin=nobody") as raw:
        raw.frame(TEXT, b"x" * size)
        assert raw.close_code() == 1009


def test_a_message_of_4_kib_is_read(server: Inside) -> None:
    with server.place.raw_dashboard("?vin=nobody") as raw:
        raw.read_frame()
        raw.frame(TEXT, json.dumps({"type": "x"}).encode().ljust(4096))
        assert refused(raw)


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
    with Inside(PING_INTERVAL="0.4") as server, server.place.raw_dashboard("?vin=nobody") as raw:
        raw.read_frame()
        for _ in range(3):
            assert raw.read_frame()[0] is PING
            raw.frame(PONG)


# ---- two other shapes


def test_the_fleet_shape_is_nothing_but_records(server: Inside) -> None:
    tell(server.place, "R1", Soc=1.0)
    with server.place.dashboard("?format=fleet&vin=R1,R2") as dashboard:
        tell(server.place, "R2", Soc=1.0)
        first, second, third = told(dashboard, 3)
    assert set(first) == {"seq", "vin", "status", "connectionId", "networkInterface", "createdAt"}
    assert second["data"] == [{"key": "Soc", "value": {"floatValue": 1.0}}]
    assert third["status"] == "DISCONNECTED"
    assert [message["seq"] - first["seq"] for message in (first, second, third)] == [0, 1, 2]


def test_an_interval_merges_data_and_holds_nothing_else_back(server: Inside) -> None:
    with server.place.dashboard("?interval=100&snapshot=0&vin=I1") as dashboard, server.place.vehicle("I1") as vehicle:
        for number in range(5):
            vehicle.send(
                {"Soc": {"floatValue": float(number)}, f"BrickVoltage{'Max' if number % 2 else 'Min'}": {"floatValue": 1.0}}
            )
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
