"""The Owner API's streaming clients as people run them, unchanged: teslajs and teslajsonpy (`make test-doors`)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT
from tests.support.peers import PATIENCE_S, token
from tests.support.servers import Inside

pytestmark = pytest.mark.doors

VIN = "5YJ3E1EA7KF000001"
PROGRAMS = ROOT / "tests" / "programs"
TESLAJS = ROOT / "build" / "doors" / "node_modules" / "teslajs"
PARKED: dict[str, Any] = {
    "Location": {"locationValue": {"latitude": 52.39, "longitude": 13.06}},
    "Gear": {"shiftStateValue": "ShiftStateP"},
    "VehicleSpeed": {"doubleValue": 12.4},
    "Soc": {"doubleValue": 71.4},
}


@pytest.fixture
def server() -> Iterator[Inside]:
    with Inside() as running:
        yield running


def messages(server: Inside, command: list[str], rows: int) -> list[dict[str, Any]]:
    """What the client was told, until it has its rows; the vehicle speaks once the client has subscribed."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        try:
            while not server.ask(lambda running: running.hub.turn.watched):  # until it has subscribed
                assert client.poll() is None
            with server.place.vehicle(VIN) as car:
                car.tell(PARKED)
                for number in range(1, rows):
                    car.tell({"Soc": {"doubleValue": 71.4 - number}})
                said, _ = client.communicate(timeout=PATIENCE_S)
        finally:
            client.kill()
    assert client.returncode == 0, said
    return [json.loads(line) for line in said.splitlines()]


def values(told: list[dict[str, Any]]) -> list[list[str]]:
    return [message["value"].split(",")[1:] for message in told if message["msg_type"] == "data:update"]


@pytest.mark.parametrize(("address", "bearer"), [("/streaming/", token()), (f"/{token()}/streaming/", "a token of Tesla's")])
def test_teslajs_reads_its_own_columns_in_its_own_order(server: Inside, address: str, bearer: str) -> None:
    command = ["node", str(PROGRAMS / "teslajs_client.cjs"), str(TESLAJS), f"ws://127.0.0.1:{server.place.port}{address}", bearer]
    told = messages(server, [*command, VIN, "3"], 3)
    assert values(told) == [["", "", "52.39", "13.06", "", "", "", "0", "", "P", "12", soc] for soc in ("71", "70", "69")]
    assert server.counts("refused_messages") == {}


def test_teslajs_does_not_subscribe_without_a_pause(server: Inside) -> None:
    """It answers every hello with a subscription: a hello for each of those would be a loop."""
    url = f"ws://127.0.0.1:{server.place.port}/streaming/"
    command = ["node", str(PROGRAMS / "teslajs_client.cjs"), str(TESLAJS), url, token(), VIN, "1"]
    messages(server, command, 1)
    (ended,) = server.lines.wait_for("dashboard_disconnected")
    assert ended["bytes"] < 500, "two hellos and a row"


def test_teslajsonpy_reads_binary_frames_at_a_path_without_a_slash(server: Inside) -> None:
    url = f"ws://127.0.0.1:{server.place.port}/streaming"
    told = messages(server, [sys.executable, str(PROGRAMS / "teslajsonpy_client.py"), url, token(), VIN, "2"], 2)
    assert [message["msg_type"] for message in told[:1]] == ["control:hello"]
    assert values(told)[0] == ["P", "12", "0", "52.39", "13.06", *[""] * 8]


def test_the_clients_are_installed() -> None:
    assert Path(TESLAJS, "package.json").is_file(), "make test-doors installs it"
