"""
The clients of examples/ against a real server that is killed, started again, or faster than they are: what they tell is held
against a recording of all that happened. The TypeScript one needs npm, and some tests need seconds: `make test-faults` runs them.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from teslafast.vin import sample_vin
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from tests.support.clocks import MovedServer, moved
from tests.support.example_clients import Client, node_command, python_command
from tests.support.faults import Load, Victim, events_since, numbers_in
from tests.support.peers import PATIENCE_S, Place, Vehicle, token
from tests.support.ports import free_port

CAME = {
    "type": "connectivity",
    "seq": 9,
    "vin": "A",
    "createdAt": None,
    "status": "CONNECTED",
    "connectionId": "",
    "networkInterface": "",
}
VINS = [sample_vin(number) for number in range(4)]
Start = Callable[..., Client]


@pytest.fixture(scope="module", params=["python", pytest.param("typescript", marks=pytest.mark.faults)])
def command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp(request.param)
    return python_command(folder) if request.param == "python" else node_command(folder)


@pytest.fixture
def port() -> str:
    """A port that the server can have again after it was killed."""
    return str(free_port())


@pytest.fixture
def start(command: list[str], port: str, tmp_path: Path) -> Start:
    def start(tokens: list[str] | None = None, **query: str) -> Client:
        url = f"ws://127.0.0.1:{port}/stream"
        return Client(command, url, tokens or [token(sub="example")], tmp_path / "tokens.json", **query)

    return start


def values_at(place: Place) -> dict[str, dict[str, Any]]:
    """The server's own last known values."""
    authorization = f"Bearer {token()}"
    known = {}
    for vehicle in place.get("/vehicles", Authorization=authorization).json["vehicles"]:
        data = place.get(f"/vehicles/{vehicle['vin']}", Authorization=authorization).json["data"]
        known[vehicle["vin"]] = {field: held["value"] for field, held in data.items()}
    return known


def drive(place: Place, count: int, vins: list[str] = VINS) -> Load:
    """Vehicles that have sent so many messages, all of them acknowledged, and have left."""
    load = Load(place, vins, 1)
    with load:
        load.wait_for_each(count)
    return load


def marked(events: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    return [(event["seq"], event["vin"], event["type"]) for event in events]


def up_to(seq: int) -> Callable[[list[tuple[str, dict[str, Any]]]], bool]:
    return lambda news: bool(news) and news[-1][1].get("seq") == seq


def test_with_a_journal_a_kill_loses_nothing_and_repeats_nothing(start: Start, port: str, tmp_path: Path) -> None:
    settings = {"PORT": port, "JOURNAL_PATH": str(tmp_path / "journal")}
    with start() as client:
        with Victim(None, **settings) as victim:
            victim.lines.wait_for("dashboard_connected")
            load = Load(victim.place, VINS, 1)
            with load:
                load.wait_for_each(20)
                victim.kill()
        with Victim(None, **settings) as victim:
            victim.lines.wait_for("dashboard_connected")
            with load.resumed(victim.place) as load:
                load.wait_for(load.total + 100)
            truth = events_since(victim.place, 0)
            client.wait_for(up_to(truth[-1]["seq"]))
            assert client.finish() == values_at(victim.place)
    assert client.gaps == []
    assert marked(client.events) == marked(truth)


def test_without_a_journal_a_restart_is_a_new_log_that_is_told_from_its_beginning(start: Start, port: str) -> None:
    with start() as client:
        with Victim(PORT=port) as victim:
            victim.lines.wait_for("dashboard_connected")
            drive(victim.place, 20, VINS[:2])
            before = events_since(victim.place, 0)
            client.wait_for(up_to(before[-1]["seq"]))
            victim.kill()
        with Victim(PORT=port) as victim:
            drive(victim.place, 5, VINS[2:])  # mostly before the client is back
            after = events_since(victim.place, 0)
            client.wait_for(up_to(after[-1]["seq"]))
            epochs = [victim.place.get("/health").json["epoch"]]
            assert client.finish() == values_at(victim.place), "what the first log said of other vehicles is forgotten"
    assert marked(client.events) == marked(before) + marked(after)
    assert [gap["from"] for gap in client.gaps] == [0]
    assert {epoch for epoch, message in client.news if message in client.gaps} == set(epochs)


@pytest.mark.parametrize(
    "interval",
    [
        pytest.param("3600", id="the connection stays"),
        pytest.param("2", id="the connection is ended", marks=pytest.mark.faults),
    ],
)
def test_one_that_sleeps_too_long_is_told_what_it_missed_and_knows_the_values_again(
    start: Start, port: str, interval: str
) -> None:
    settings = {"PORT": port, "RING_BYTES": "1MiB", "MAX_FRAME_BYTES": "64KiB", "PING_INTERVAL": interval}
    with Victim(None, **settings) as victim, start() as client:
        victim.lines.wait_for("dashboard_connected")
        drive(victim.place, 5, VINS[:3])
        client.wait_for(lambda news: len(news) > 5)
        client.pause()
        with victim.place.vehicle(VINS[3]) as vehicle:
            until(is_blocked, vehicle, victim.place)
            vehicle.tell({"Soc": {"floatValue": 42.0}})  # said once, and lost: only a snapshot can tell it
            until(is_lapped, vehicle, victim.place)
            if interval != "3600":
                victim.lines.wait_for("dashboard_disconnected")
            client.go_on()
            client.wait_for(lambda news: any(message["type"] == "gap" for _, message in news))
        victim.lines.wait_for("vehicle_disconnected", len(VINS))
        newest: int = victim.place.get("/health").json["seq"]
        client.wait_for(up_to(newest))
        assert client.finish() == values_at(victim.place)
    lost = {seq for gap in client.gaps for seq in range(gap["from"], gap["to"] + 1)}
    seen = [event["seq"] for event in client.events]
    assert sorted(set(seen)) == seen
    assert not lost & set(seen)
    assert lost | set(seen) == set(range(1, newest + 1))


def until(reached: Callable[[dict[str, float]], bool], vehicle: Vehicle, place: Place) -> None:
    """Sends large messages until the server's metrics say so."""
    while True:
        lines = place.get("/metrics").body.decode().splitlines()
        if reached({name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}):
            return
        vehicle.tell({"VehicleName": {"stringValue": "x" * 60_000}})


def is_blocked(metrics: dict[str, float]) -> bool:
    """Whether the dashboard takes nothing any more, or has been shown out for that."""
    return metrics["teslafast_readers_blocked"] == 1 or metrics['teslafast_connections{door="stream",role="dashboard"}'] == 0


def is_lapped(metrics: dict[str, float]) -> bool:
    """Whether what it lacks is not kept any more."""
    gone = metrics['teslafast_connections{door="stream",role="dashboard"}'] == 0
    kept = metrics["teslafast_events_kept"]
    return metrics["teslafast_most_behind_events"] > kept or (gone and metrics["teslafast_seq"] > 3 * kept + 200)


@pytest.mark.parametrize("vehicles", [8, pytest.param(50, marks=pytest.mark.faults)])
def test_under_an_interval_no_vehicle_is_lost_and_no_event_comes_twice(
    start: Start, port: str, tmp_path: Path, vehicles: int
) -> None:
    settings = {"PORT": port, "JOURNAL_PATH": str(tmp_path / "journal")}
    vins = [sample_vin(number) for number in range(vehicles)]
    with start(interval="100") as client:
        with Victim(None, **settings) as victim:
            victim.lines.wait_for("dashboard_connected")
            load = Load(victim.place, vins, 1)
            with load:
                load.wait_for_each(10)
                victim.kill()
        with Victim(None, **settings) as victim:
            victim.lines.wait_for("dashboard_connected")
            with load.resumed(victim.place) as load:
                load.wait_for(load.total + 1000)
            truth = events_since(victim.place, 0)
            last = {vin: float(numbers[-1]) for vin, numbers in numbers_in(truth).items()}
            client.wait_for(lambda news: last.items() <= odometers(news).items() and seen(truth[-1], news))
            assert client.finish() == values_at(victim.place)
    kept = [mark for mark in marked(truth) if mark[2] != "data"]
    assert [mark for mark in marked(client.events) if mark[2] != "data"] == kept
    data = [mark for mark in marked(client.events) if mark[2] == "data"]
    assert len(set(data)) == len(data) < len(truth) - len(kept)


def odometers(news: list[tuple[str, dict[str, Any]]]) -> dict[str, float]:
    return {message["vin"]: message["data"]["Odometer"] for _, message in news if message["type"] == "data"}


def seen(event: dict[str, Any], news: list[tuple[str, dict[str, Any]]]) -> bool:
    return any(message.get("seq") == event["seq"] for _, message in news)


@pytest.mark.faults  # for some seconds it waits for a token's end
def test_a_token_is_renewed_on_the_connection_before_it_ends(start: Start, port: str, tmp_path: Path) -> None:
    clock, ends_s = tmp_path / "ahead", int(time.time()) + 3600
    moved(clock, 0)
    with (
        MovedServer(PORT=port, MOVED_CLOCK=str(clock)) as server,
        start([token(sub="wall", exp=ends_s), token(sub="wall", exp=ends_s + 3600)]) as client,
    ):
        server.lines.wait_for("dashboard_connected")
        with server.place.dashboard(bearer=token(exp=ends_s)) as other:
            moved(clock, 3600 - 6)  # the client is there, so it has all of these seconds to renew its token
            assert other.close_code() == 1008, "a token that is not renewed ends its connection"
        drive(server.place, 1)
        client.wait_for(up_to(server.place.get("/health").json["seq"]))
        client.finish()
        assert len(server.lines.wait_for("dashboard_connected", sub="wall")) == 1


def test_a_wrong_token_is_no_reason_to_try_for_ever(port: str, command: list[str], start: Start) -> None:
    if "python" not in command[0]:
        pytest.skip("a browser does not tell its page why a connection was refused")
    with Victim(PORT=port) as victim, start([token(secret="another secret, of 32 bytes or more")]) as client:
        victim.lines.wait_for("request_refused", 2, cause="token_signature")
        assert client.process.wait(PATIENCE_S) == 1


def test_one_whose_snapshots_were_cut_off_asks_for_them_again(start: Start, port: str) -> None:
    """A server of ours cannot be made to break off there: a few words of another one stand in for it."""
    asked: list[dict[str, list[str]]] = []
    fourth = threading.Event()
    told: list[list[dict[str, Any]]] = [
        [{"type": "hello", "epoch": "e", "seq": 7, "oldest": 1, "server": "x"}],
        [{"type": "hello", "epoch": "e", "seq": 9, "oldest": 9, "server": "x"}, {"type": "gap", "from": 8, "to": 8}],
        [{"type": "hello", "epoch": "e", "seq": 9, "oldest": 9, "server": "x"}, CAME],
        [{"type": "hello", "epoch": "e", "seq": 9, "oldest": 9, "server": "x"}],
    ]

    def chosen(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return offered[0] if offered else None

    def answer(connection: ServerConnection) -> None:
        assert connection.request is not None
        asked.append(parse_qs(urlsplit(connection.request.path).query))
        for message in told[min(len(asked), len(told)) - 1]:
            connection.send(json.dumps(message))
        if len(asked) == len(told):
            fourth.set()

    with serve(answer, "127.0.0.1", int(port), select_subprotocol=chosen) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        with start() as client:
            client.wait_for(lambda news: len(news) == 2)
            assert fourth.wait(PATIENCE_S)
        server.shutdown()
        serving.join()
    assert asked[0] == {}
    assert asked[1] == {"since": ["7"], "epoch": ["e"], "snapshot": ["1"]}
    assert asked[2] == {"since": ["8"], "epoch": ["e"], "snapshot": ["1"]}
    assert asked[3] == {"since": ["9"], "epoch": ["e"]}
