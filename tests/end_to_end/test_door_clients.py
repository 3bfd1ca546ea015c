"""
Clients that people run, at the door that is theirs: a car drives by, the server drains or dies, the line is cut, the token ends.

They are installed and run by `make test-doors`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.certificates import World
from tests.support.clocks import MovedServer, moved
from tests.support.door_clients import COMMANDS, RESUMING, DoorClient
from tests.support.faults import Victim
from tests.support.peers import Place, token
from tests.support.ports import free_port
from tests.support.relay import Relay
from tests.support.servers import Process
from tests.support.vins import vin_of

pytestmark = pytest.mark.doors
VIN = vin_of("a")
Start = Callable[..., DoorClient]


@pytest.fixture(params=list(COMMANDS))
def name(request: pytest.FixtureRequest) -> str:
    needed = {"eventsource": "node", "curl": "curl"}.get(request.param, "python3")
    assert shutil.which(needed), f"{needed} is not installed"
    found: str = request.param
    return found


@pytest.fixture
def port() -> str:
    """A port that the server can have again after it was killed."""
    return str(free_port())


@pytest.fixture
def settings(port: str, tmp_path: object) -> dict[str, str]:
    return {"PORT": port, "VEHICLE_PORT": "0", "JOURNAL_PATH": f"{tmp_path}/journal", "DRAIN_SECONDS": "5"}


@pytest.fixture
def start(name: str, port: str, world: World) -> Start:
    def start(at: int | None = None, bearer: str | None = None) -> DoorClient:
        return DoorClient(COMMANDS[name], at or int(port), str(world.server_ca), bearer or token(), VIN)

    return start


def drive(place: Place, *socs: float) -> None:
    with place.vehicle(VIN) as vehicle:
        for soc in socs:
            vehicle.tell({"Soc": {"floatValue": soc}})


@pytest.fixture
def server(world: World, settings: dict[str, str]) -> Iterator[Process]:
    with Process(world, **settings) as running:
        yield running


def test_it_is_told_what_holds_now_and_what_happens(server: Process, start: Start) -> None:
    drive(server.place, 1.0)
    with start() as client:
        client.wait_for_value("Soc", 1.0)
        drive(server.place, 2.0, 3.0)
        client.wait_for(lambda it: it.events[-1].get("status") == "DISCONNECTED")
    assert client.values("Soc") == [1.0, 2.0, 3.0]
    assert [event["state"] for event in client.events if "state" in event] == ["offline", "online", "offline"]
    assert {"config": {"fields": {"Soc": {}}}}.items() <= next(event for event in client.events if "config" in event).items()


def test_it_comes_back_after_a_drain(world: World, settings: dict[str, str], start: Start) -> None:
    with Process(world, **settings) as first, start() as client:
        drive(first.place, 1.0)
        client.wait_for_value("Soc", 1.0)
        first.process.terminate()
        first.process.wait()
        with Process(world, **settings) as second:
            second.lines.wait_for("dashboard_connected")
            drive(second.place, 2.0)
            client.wait_for_value("Soc", 2.0)


def test_it_comes_back_after_a_kill(world: World, settings: dict[str, str], start: Start) -> None:
    with Victim(world, **settings) as first, start() as client:
        drive(first.place, 1.0)
        client.wait_for_value("Soc", 1.0)
        first.kill()
        with Process(world, **settings) as second:
            second.lines.wait_for("dashboard_connected")
            drive(second.place, 2.0)
            client.wait_for_value("Soc", 2.0)


def test_it_comes_back_after_a_cut_line_and_one_that_resumes_gets_each_event_once(
    server: Process, start: Start, name: str
) -> None:
    with Relay(server.place.port) as relay, start(relay.port) as client:
        server.lines.wait_for("dashboard_connected")
        drive(server.place, 1.0, 2.0)
        client.wait_for_value("Soc", 2.0)
        relay.cut()
        drive(server.place, 3.0, 4.0)
        relay.mend()
        server.lines.wait_for("dashboard_connected", 2)
        drive(server.place, 5.0)
        client.wait_for_value("Soc", 5.0)
        if name in RESUMING:
            assert client.values("Soc") == [1.0, 2.0, 3.0, 4.0, 5.0]
        else:
            assert client.values("Soc") == [1.0, 2.0, 4.0, 5.0]


def test_it_gives_up_when_its_token_has_ended(world: World, settings: dict[str, str], start: Start, tmp_path: Path) -> None:
    clock = tmp_path / "ahead"
    moved(clock, 0)
    with MovedServer(world, MOVED_CLOCK=str(clock), **settings) as server, start() as client:
        drive(server.place, 1.0)
        client.wait_for_value("Soc", 1.0)
        moved(clock, 3600)
        client.wait_for(lambda it: it.ended is not None)
    assert client.ended == "token"


def test_one_that_stopped_reading_knows_the_values_again(world: World, settings: dict[str, str], start: Start) -> None:
    small = {"RING_BYTES": "1MiB", "MAX_FRAME_BYTES": "64KiB", "PING_INTERVAL": "2"}
    with Process(world, **settings | small) as server, start() as client:
        drive(server.place, 1.0)
        client.wait_for_value("Soc", 1.0)
        client.pause()
        with server.place.vehicle(VIN) as vehicle:
            while not [line for line in server.lines.read if line["event"] == "dashboard_disconnected"]:
                vehicle.tell({"VehicleName": {"stringValue": "x" * 60_000}})
            vehicle.tell({"Soc": {"floatValue": 2.0}})
        client.go_on()
        client.wait_for_value("Soc", 2.0)
        assert server.lines.wait_for("dashboard_disconnected", cause="stalled", door="sse")
