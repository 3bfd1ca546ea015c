"""The whole way, as operators, vehicles and dashboards see it: a real `teslafast serve`, and peers none of whose code is ours."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.frames import Opcode

from tests.support import oracle
from tests.support.certificates import World
from tests.support.peers import PATIENCE_S, SECRET, Place, ack, payload, token
from tests.support.servers import Process, spawn
from tests.support.vins import vin_of

LAYOUTS: dict[str, dict[str, str]] = {
    "plain, development": {},
    "mTLS, one port": {"REQUEST_CLIENT_CERT": "true"},
    "mTLS, two ports": {"VEHICLE_PORT": "0"},
}
DRIVE = {"VehicleSpeed": {"floatValue": 65.5}, "Gear": {"shiftStateValue": "ShiftStateD"}, "Soc": {"invalid": True}}
SOC = {"Soc": {"floatValue": 50.0}}


@pytest.fixture(scope="module", params=LAYOUTS)
def server(request: pytest.FixtureRequest, world: World) -> Iterator[Process]:
    settings = LAYOUTS[request.param]
    with Process(world if settings else None, **settings) as process:
        yield process


@pytest.fixture
def place(server: Process) -> Place:
    return server.place


def without(message: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in names}


# ---- from a vehicle to a dashboard


def test_what_a_vehicle_sends_reaches_a_dashboard_and_is_acknowledged(place: Place) -> None:
    vin = "5YJ3E1EA7KF000001"
    with place.dashboard() as dashboard, place.vehicle(vin, X_Network_Interface="cellular") as vehicle:
        hello = dashboard.next()
        vehicle.tell(DRIVE)
        came, event = dashboard.until("connectivity"), dashboard.until("data")
        vehicle.connection.close()
        went = dashboard.until("connectivity")
    assert hello["type"] == "hello"
    assert [came["seq"], event["seq"], went["seq"]] == list(range(hello["seq"] + 1, hello["seq"] + 4))
    assert without(event, "seq") == {
        "type": "data",
        "vin": vin,
        "createdAt": "2026-11-23T08:00:00.123Z",
        "data": {"VehicleSpeed": 65.5, "Gear": "ShiftStateD", "Soc": None},
        "isResend": False,
    }
    assert (came["status"], went["status"]) == ("CONNECTED", "DISCONNECTED")
    assert came["networkInterface"] == "cellular"
    assert came["connectionId"] == went["connectionId"]


RECORDS: dict[bytes, dict[str, Any]] = {
    b"alerts": {"alerts": [{"name": "APP_w1", "audiences": [1, 2], "started_at": {"seconds": 1_700_000_000_123}}]},
    b"errors": {"errors": [{"name": "unsupported_field", "tags": {"field_name": "Soc"}, "body": "x"}]},
    b"connectivity": {"connection_id": "c1", "network_interface": "wifi", "status": 1},
}


@pytest.mark.parametrize("topic", [b"V", *RECORDS])
def test_every_topic_is_told_in_both_shapes_as_protobuf_itself_reads_it(place: Place, topic: bytes) -> None:
    content = payload(DRIVE) if topic == b"V" else oracle.CLASSES[topic](**RECORDS[topic]).SerializeToString()
    vin = vin_of(f"topic-{topic.decode()}")
    query = f"?vin={vin}&snapshot=0"
    with place.dashboard(query) as flat, place.dashboard(f"{query}&format=fleet") as fleet, place.vehicle(vin) as vehicle:
        assert (flat.next()["type"], flat.next()["type"]) == ("hello", "connectivity")
        fleet.next()
        txid = vehicle.send_payload(topic, content)
        assert vehicle.reply() == ack(txid, topic)
        assert without(flat.next(), "type", "seq") == oracle.flat(topic, content, vin)
        assert without(fleet.next(), "seq") == oracle.fleet(topic, content, vin)


def test_everything_arrives_once_and_in_order_from_many_vehicles_at_many_dashboards(place: Place) -> None:
    vins = [vin_of(f"many-{number}") for number in range(4)]
    query = f"?vin={','.join(vins)}&type=data&snapshot=0"
    with ExitStack() as open_until_here:
        dashboards = [open_until_here.enter_context(place.dashboard(query)) for _ in range(4)]
        vehicles = [open_until_here.enter_context(place.vehicle(vin)) for vin in vins]
        for number in range(20):
            for vehicle in vehicles:
                vehicle.tell({"Odometer": {"doubleValue": float(number)}})
        told = [[dashboard.next() for _ in range(81)] for dashboard in dashboards]
    assert all(events[1:] == told[0][1:] for events in told)
    seqs = [event["seq"] for event in told[0][1:]]
    assert seqs == list(range(seqs[0], seqs[0] + 80))
    for vin in vins:
        assert [event["data"]["Odometer"] for event in told[0][1:] if event["vin"] == vin] == [float(n) for n in range(20)]


# ---- tokens


def test_a_token_may_come_in_four_ways_and_is_in_no_log(server: Process) -> None:
    place = server.place
    tokens = [token(sub=f"way-{number}") for number in range(4)]
    with place.dashboard(bearer=tokens[0]) as dashboard:
        assert dashboard.next()["type"] == "hello"
    with place.dashboard(bearer="", subprotocols=["teslafast.v1", f"bearer.{tokens[1]}"]) as dashboard:
        assert dashboard.next()["type"] == "hello"
        assert dashboard.connection.subprotocol == "teslafast.v1"
    for name, given in (("token", tokens[2]), ("access_token", tokens[3])):
        with place.dashboard(f"?{name}={given}", bearer="") as dashboard:
            assert dashboard.next()["type"] == "hello"
    server.lines.wait_for("dashboard_disconnected", sub="way-3")
    assert not any(given in server.lines.text for given in tokens)
    assert SECRET not in server.lines.text


@pytest.mark.parametrize(
    ("query", "bearer", "status"),
    [
        ("", "", 401),
        ("", "nonsense", 401),
        ("", token(exp=1), 401),
        ("", token(secret="another secret that is long enough"), 401),
        (f"?vin={vin_of('B')}", token(vins=[vin_of("A")]), 403),
        ("?vin=a%20b", None, 400),
        ("?type=noise", None, 400),
        ("?since=now", None, 400),
        ("?interval=123", None, 400),
    ],
)
def test_who_may_not_come_in_is_told_so(place: Place, query: str, bearer: str | None, status: int) -> None:
    with pytest.raises(InvalidStatus) as caught, place.dashboard(query, bearer=bearer):
        raise AssertionError("it was let in")
    assert caught.value.response.status_code == status


def test_a_page_of_another_host_may_not_connect(place: Place) -> None:
    with place.dashboard(origin=f"https://localhost:{place.port}") as dashboard:
        dashboard.next()
    with pytest.raises(InvalidStatus) as caught, place.dashboard(origin="https://evil.example"):
        raise AssertionError("it was let in")
    assert caught.value.response.status_code == 403


# ---- coming again


def test_a_dashboard_that_comes_again_misses_nothing_and_gets_nothing_twice(place: Place) -> None:
    vin = vin_of("again")
    with place.vehicle(vin) as vehicle:
        with place.dashboard(f"?vin={vin}") as dashboard:
            vehicle.tell(SOC)
            last = dashboard.until("data")
            epoch = dashboard.seen[0]["epoch"]
        for number in range(5):
            vehicle.tell({"Soc": {"floatValue": float(number)}})
        with place.dashboard(f"?vin={vin}&since={last['seq']}&epoch={epoch}") as dashboard:
            vehicle.tell(SOC)
            values = [dashboard.until("data")["data"]["Soc"] for _ in range(6)]
    assert values == [0.0, 1.0, 2.0, 3.0, 4.0, 50.0]
    assert [message["type"] for message in dashboard.seen] == ["hello", *["data"] * 6]


def test_a_dashboard_that_comes_late_gets_the_last_values_first(place: Place) -> None:
    vin = vin_of("late")
    with place.vehicle(vin) as vehicle:
        vehicle.tell({"Soc": {"floatValue": 1.0}, "Odometer": {"doubleValue": 7.0}})
        vehicle.tell({"Soc": {"floatValue": 2.0}})
    with place.dashboard(f"?vin={vin}") as dashboard:
        assert dashboard.until("snapshot")["data"] == {"Soc": 2.0, "Odometer": 7.0}


# ---- pages


def test_the_pages_answer(place: Place) -> None:
    report = place.get("/health").json
    assert report["status"] == "ok"
    assert place.get("/vehicles").status == 401
    assert place.get("/vehicles", Authorization=f"Bearer {token()}").status == 200
    assert place.get("/nothing").status == 404
    assert place.get("/", "POST").status == 405
    assert place.get("/stream").status == 426


# ---- development


def test_a_vehicle_without_a_certificate_may_send_json_in_development_and_nothing_in_production(place: Place) -> None:
    with place.raw(port=place.port) as raw:
        head = raw.upgrade("/?vin=json")
        if place.world is not None:
            assert b" 101 " not in head.partition(b"\r\n")[0]
            return
        raw.frame(Opcode.TEXT, json.dumps({"data": {"Soc": 1}, "txid": "t"}).encode())
        assert json.loads(raw.read_frame()[1]) == {"type": "ack", "txid": "t"}


# ---- the end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(world: World, number: signal.Signals) -> None:
    with Process(world, VEHICLE_PORT="0") as server:
        place = server.place
        with place.dashboard("?snapshot=0") as dashboard, place.vehicle() as vehicle:
            vehicle.tell(SOC)
            dashboard.until("data")
            server.process.send_signal(number)
            assert vehicle.close_code() == 1001
            assert dashboard.until("connectivity")["status"] == "DISCONNECTED"
            assert dashboard.close_code() == 1012
        assert server.process.wait(PATIENCE_S) == 0
        server.lines.wait_for("stopped", cleanly=True)


def test_a_second_signal_ends_it_at_once() -> None:
    with Process(DRAIN_SECONDS="3600") as server, server.place.raw_vehicle():
        server.process.send_signal(signal.SIGTERM)
        server.lines.wait_for("draining")
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(PATIENCE_S)
        server.lines.wait_for("stopped", cleanly=False)


def test_the_command_line_mints_a_token_that_the_server_takes_and_health_says_it_is_well() -> None:
    with Process() as server:
        minted = spawn(["token", "--sub", "wall", "--vin", "A"], {"JWT_SECRET": SECRET}, stdout=subprocess.PIPE)
        text, _ = minted.communicate(timeout=PATIENCE_S)
        with server.place.dashboard(bearer=text.strip()) as dashboard:
            assert dashboard.next()["type"] == "hello"
        asked = spawn(["health", f"http://127.0.0.1:{server.place.port}"], {}, stdout=subprocess.PIPE)
        said, _ = asked.communicate(timeout=PATIENCE_S)
        assert (asked.returncode, said.startswith("ok: ")) == (0, True)


def test_in_development_a_secret_is_made_and_said_but_not_shown() -> None:
    with Process(JWT_SECRET="") as server:
        (line,) = server.lines.wait_for("secret_made")
        assert set(line) == {"time", "level", "event", "meaning"}
