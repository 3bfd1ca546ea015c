"""
What docs/connect/ tells people to set, in the tools themselves: Node-RED runs its flow, jq reads what evcc would, snippets run.

Run by `make test-doors`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from tests.support import ROOT
from tests.support.certificates import World
from tests.support.door_clients import NODE_MODULES
from tests.support.pages import blocks
from tests.support.peers import PATIENCE_S, token
from tests.support.servers import Inside

pytestmark = pytest.mark.doors
VIN = "5YJ3E1EA7KF000001"
HOST = "telemetry.example.com"
START_S = 6 * PATIENCE_S  # Node-RED takes its time
PLACED: dict[str, Any] = {
    "Location": {"locationValue": {"latitude": 52.39, "longitude": 13.06}},
    "Gear": {"shiftStateValue": "ShiftStateP"},
}


def block(page: str, info: str) -> str:
    """The page's block of this kind; there is one."""
    (found,) = [one.text for one in blocks(ROOT / "docs" / "connect" / page) if one.info == info]
    return found


def filled_in(text: str, server: Inside) -> str:
    """As somebody fills it in whose server stands at this port and speaks plain."""
    text = re.sub(rf"wss://{re.escape(HOST)}", f"ws://127.0.0.1:{server.place.port}", text)
    assert VIN in text
    return re.sub(r"\bTOKEN\b", token(), text)


@pytest.fixture
def server() -> Iterator[Inside]:
    with Inside() as running:
        yield running


class Output:
    """A program, and the lines that it prints."""

    def __init__(self, command: list[str], **variables: str) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | variables
        )
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()

    def wait_for(self, pattern: str) -> str:
        with self._changed:
            met = self._changed.wait_for(lambda: any(re.search(pattern, line) for line in self.lines), START_S)
            assert met, f"no {pattern} in:\n" + "\n".join(self.lines)
            return next(line for line in self.lines if re.search(pattern, line))

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._thread.join(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()


def test_node_red_runs_the_flow(server: Inside, tmp_path: Path) -> None:
    with server.place.vehicle(VIN) as vehicle:
        vehicle.tell({"Soc": {"doubleValue": 71.5}})
        (tmp_path / "flow.json").write_text(filled_in(block("node-red.md", "json flow"), server))
        (tmp_path / "settings.js").write_text(
            "module.exports = { uiHost: '127.0.0.1', httpAdminRoot: false, httpNodeRoot: false };"
        )
        program = NODE_MODULES / "node-red" / "red.js"
        command = ["node", str(program), "-u", str(tmp_path), "-s", str(tmp_path / "settings.js"), "-p", "0", "flow.json"]
        with Output(command) as node_red:
            node_red.wait_for(r"\b71\.5$")  # the last known value
            vehicle.tell({"VehicleSpeed": {"doubleValue": 10}})
            vehicle.tell({"Soc": {"doubleValue": 70.25}})
            node_red.wait_for(r"\b70\.25$")


def test_jq_reads_from_a_real_stream_what_evcc_is_told_to(server: Inside) -> None:
    (vehicle_settings,) = yaml.safe_load(block("evcc.md", "yaml"))["vehicles"]
    read: dict[str, list[Any]] = {}
    with server.place.vehicle(VIN) as vehicle:
        vehicle.tell({"Soc": {"doubleValue": 71.5}, "RatedRange": {"doubleValue": 200.0}})
        for name, source in vehicle_settings.items():
            if not isinstance(source, dict):
                continue
            query = re.sub(r"^wss://[^/]+/stream", "", source["uri"])
            with server.place.dashboard(query) as dashboard:
                vehicle.tell({"DetailedChargeState": {"detailedChargeStateValue": "DetailedChargeStateCharging"}})
                vehicle.tell({"HvacPower": {"hvacPowerValue": "HvacPowerStateOff"}, "ChargeLimitSoc": {"intValue": 80}})
                vehicle.tell({"Soc": {"doubleValue": 72.0}})
                messages = [dashboard.next()]
                while messages[-1].get("data", {}).get("Soc") != 72.0:
                    messages.append(dashboard.next())
            said = "\n".join(map(json.dumps, messages))
            read[name] = [
                json.loads(line)
                for line in subprocess.check_output(["jq", "-c", source["jq"]], input=said, text=True).splitlines()
            ]
            assert source["headers"] == {"Authorization": "Bearer TOKEN"}
    newest = {name: values[-1] for name, values in read.items()}
    assert newest == {"soc": 72.0, "range": 322, "limitSoc": 80, "status": "C", "climater": False}
    assert not [name for name, values in read.items() if None in values], "evcc would show <nil>"


class _HomeAssistant(BaseHTTPRequestHandler):
    """Takes states as its REST API does, into `states`."""

    states: ClassVar[dict[str, tuple[str | None, Any]]]
    changed: ClassVar[threading.Condition]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.changed:
            self.states[self.path] = (self.headers["Authorization"], body["state"])
            self.changed.notify_all()
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def test_home_assistant_gets_a_sensor_for_each_field(world: World) -> None:
    class Told(_HomeAssistant):
        states: ClassVar = {}
        changed: ClassVar = threading.Condition()

    told = Told
    home = ThreadingHTTPServer(("127.0.0.1", 0), told)
    serving = threading.Thread(target=home.serve_forever)
    serving.start()
    try:
        with Inside(world, VEHICLE_PORT="0") as server, server.place.vehicle(VIN) as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 71.5}})
            variables = {
                "HOME_ASSISTANT": f"http://127.0.0.1:{home.server_port}",
                "HOME_ASSISTANT_TOKEN": "a long-lived token",
                "TESLAFAST_TOKEN": token(),
                "VIN": VIN,
                "TESLAFAST": f"localhost:{server.place.port}",
                "SSL_CERT_FILE": str(world.server_ca),
            }
            with Output([sys.executable, "-c", block("home-assistant.md", "python")], **variables) as snippet, told.changed:
                path = "/api/states/sensor.tesla_soc"
                assert told.changed.wait_for(lambda: path in told.states, START_S), snippet.lines
                assert told.states[path] == ("Bearer a long-lived token", "71.5")
                vehicle.tell({"Soc": {"doubleValue": 70.25}})
                assert told.changed.wait_for(lambda: told.states[path][1] == "70.25", START_S), snippet.lines
    finally:
        home.shutdown()
        serving.join(PATIENCE_S)
        home.server_close()


@pytest.mark.parametrize("language", ["js", "python"])
def test_the_owner_apis_clients_print_rows_with_the_lines_of_the_page(server: Inside, language: str) -> None:
    text = filled_in(block("owner-api-clients.md", language), server)
    command = ["node", "-e", text] if language == "js" else [sys.executable, "-c", text]
    with Output(command, NODE_PATH=str(NODE_MODULES)) as client:
        while not server.ask(lambda running: running.hub.turn.watched):  # until it has subscribed
            assert client.process.poll() is None, client.lines
        with server.place.vehicle(VIN) as vehicle:
            vehicle.tell(PLACED)
            client.wait_for(r"^\d{13},.*52\.39")
