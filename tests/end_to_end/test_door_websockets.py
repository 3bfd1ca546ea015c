"""
npm's two WebSocket clients at Tessie's door and TeslaMate's: a drain, a kill, a cut line, the token's end, a client that stops.

A client comes back by itself after each of them, and is told the next value. At TeslaMate's door it never sees a CLOSE frame: its
close code is always 1006, which stands for none. Run by `make test-doors`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.certificates import World
from tests.support.clocks import MovedServer, moved
from tests.support.door_clients import NODE_MODULES, WEBSOCKET_CLIENT, DoorClient
from tests.support.faults import Victim
from tests.support.peers import Place, token
from tests.support.ports import free_port
from tests.support.relay import Relay
from tests.support.servers import Process
from tests.support.vins import vin_of

pytestmark = pytest.mark.doors
VIN = vin_of("a")
PLACED = {"Location": {"locationValue": {"latitude": 52.39, "longitude": 13.06}}, "Gear": {"shiftStateValue": "ShiftStateD"}}
NO_CLOSE = 1006  # TCP ended without a word
Start = Callable[..., DoorClient]


@pytest.fixture(
    params=[("ws", "tessie"), ("ws", "streaming"), ("websocket", "tessie"), ("websocket", "streaming-url")], ids="-".join
)
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A client, and the door that it comes to: with its token in the message, or in the URL."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def door(pair: tuple[str, str]) -> str:
    return pair[1]


@pytest.fixture
def port() -> str:
    """A port that the server can have again after it was killed."""
    return str(free_port())


@pytest.fixture
def settings(port: str) -> dict[str, str]:
    return {"PORT": port, "VEHICLE_PORT": "0", "DRAIN_SECONDS": "5"}


@pytest.fixture
def start(pair: tuple[str, str], port: str, world: World) -> Start:
    library, door = pair

    def start(at: int | None = None, bearer: str | None = None) -> DoorClient:
        how = {"LIBRARY": library, "DOOR": door, "MODULES": str(NODE_MODULES)}
        return DoorClient(WEBSOCKET_CLIENT, at or int(port), str(world.server_ca), bearer or token(), VIN, **how)

    return start


@pytest.fixture
def server(world: World, settings: dict[str, str]) -> Iterator[Process]:
    with Process(world, **settings) as running:
        yield running


def wait_until_subscribed(client: DoorClient, times: int = 1) -> None:
    client.wait_for(lambda it: sum("subscribed" in event for event in it.events) >= times)


def drive(place: Place, *socs: int) -> None:
    with place.vehicle(VIN) as vehicle:
        for soc in socs:
            vehicle.tell(PLACED | {"Soc": {"doubleValue": soc}})


def test_it_is_told_what_happens(server: Process, start: Start) -> None:
    with start() as client:
        wait_until_subscribed(client)
        drive(server.place, 1, 2, 3)
        client.wait_for_value("Soc", 3)
    assert client.values("Soc") == [1, 2, 3]


def test_it_comes_back_after_a_drain(world: World, settings: dict[str, str], start: Start, door: str) -> None:
    with Process(world, **settings) as first, start() as client:
        wait_until_subscribed(client)
        drive(first.place, 1)
        client.wait_for_value("Soc", 1)
        first.process.terminate()
        first.process.wait()
        with Process(world, **settings) as second:
            wait_until_subscribed(client, 2)
            drive(second.place, 2)
            client.wait_for_value("Soc", 2)
    assert client.closes[0] == (1012 if door == "tessie" else NO_CLOSE)


def test_it_comes_back_after_a_kill(world: World, settings: dict[str, str], start: Start) -> None:
    with Victim(world, **settings) as first, start() as client:
        wait_until_subscribed(client)
        drive(first.place, 1)
        client.wait_for_value("Soc", 1)
        first.kill()
        with Process(world, **settings) as second:
            wait_until_subscribed(client, 2)
            drive(second.place, 2)
            client.wait_for_value("Soc", 2)


def test_it_comes_back_after_a_cut_line(server: Process, start: Start) -> None:
    with Relay(server.place.port) as relay, start(relay.port) as client:
        wait_until_subscribed(client)
        drive(server.place, 1)
        client.wait_for_value("Soc", 1)
        relay.cut()
        server.lines.wait_for("dashboard_disconnected")
        drive(server.place, 2)
        relay.mend()
        wait_until_subscribed(client, 2)
        drive(server.place, 3)
        client.wait_for_value("Soc", 3)
    assert client.values("Soc") == [1, 3], "neither protocol has a way to ask for what was missed"


def test_it_gives_up_when_its_token_has_ended(
    world: World, settings: dict[str, str], start: Start, door: str, tmp_path: Path
) -> None:
    clock = tmp_path / "ahead"
    moved(clock, 0)
    with MovedServer(world, MOVED_CLOCK=str(clock), **settings) as server, start() as client:
        wait_until_subscribed(client)
        drive(server.place, 1)
        client.wait_for_value("Soc", 1)
        moved(clock, 3600)
        client.wait_for(lambda it: it.ended is not None)
    assert client.ended == "token"
    assert client.closes == [1008 if door == "tessie" else NO_CLOSE]


def test_one_that_stopped_is_ended_and_comes_back_when_it_goes_on(world: World, settings: dict[str, str], start: Start) -> None:
    small = {"RING_BYTES": "1MiB", "MAX_FRAME_BYTES": "64KiB", "PING_INTERVAL": "2"}
    with Process(world, **settings | small) as server, start() as client:
        wait_until_subscribed(client)
        drive(server.place, 1)
        client.wait_for_value("Soc", 1)
        client.pause()
        with server.place.vehicle(VIN) as vehicle:
            while not [line for line in server.lines.read if line["event"] == "dashboard_disconnected"]:
                vehicle.tell(PLACED | {"VehicleName": {"stringValue": "x" * 60_000}})
        client.go_on()
        wait_until_subscribed(client, 2)
        drive(server.place, 2)
        client.wait_for_value("Soc", 2)
    (ended, *_) = server.lines.wait_for("dashboard_disconnected")
    assert ended["cause"] in ("stalled", "silent"), ended
