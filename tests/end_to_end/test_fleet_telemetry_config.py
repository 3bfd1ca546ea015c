"""A server that is given Tesla's config.json and nothing else: vehicles, records, status and metrics as with Tesla's server."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import World
from tests.support.peers import Place
from tests.support.ports import free_port
from tests.support.servers import Process, spawn

VIN = "5YJ3TEST5PF000001"


def config(world: World, folder: Path, **changes: Any) -> str:
    tls = {"server_cert": world.server.certificate, "server_key": world.server.key, "ca_file": world.anchors}
    content = {"port": free_port(), "tls": {name: str(path) for name, path in tls.items()}, "records": {"V": ["logger"]}}
    path = folder / "config.json"
    path.write_text(json.dumps(content | changes))
    return str(path)


def fetched(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        body: bytes = answer.read()
    return body


def test_one_line_moves_a_fleet_over(world: World, tmp_path: Path) -> None:
    status, metrics = free_port(), free_port()
    path = config(world, tmp_path, status_port=status, monitoring={"prometheus_metrics_port": metrics}, airbrake={"host": "a"})
    records = tmp_path / "records.jsonl"
    moved = {"FLEET_TELEMETRY_CONFIG": path, "NODE_ENV": "production", "JWT_SECRET": "", "PORT": "0", "JSONL_PATH": str(records)}
    with Process(None, **moved) as server:
        listening = {line["takes"]: line["port"] for line in server.lines.wait_for("listening", 4)}
        assert (listening["status"], listening["metrics"]) == (status, metrics)
        place = Place(listening["dashboards"], listening["vehicles"], world)
        with place.vehicle(VIN) as car:
            car.send({"Soc": {"doubleValue": 71.5}})
            car.reply()
        server.lines.wait_for("vehicle_disconnected")
        assert fetched(status, "/status") == b"ok"
        assert b"teslafast_build_info" in fetched(metrics, "/metrics")
        for port, other in ((status, "/metrics"), (metrics, "/status"), (status, "/health/x"), (metrics, "/vehicles")):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                fetched(port, other)
        notes = [line["meaning"] for line in server.lines.wait_for("fleet_telemetry_config", 3)]
        assert "airbrake changes nothing: errors are log lines" in notes
        assert server.lines.wait_for("secret_made")
    kept = [json.loads(line) for line in records.read_text().splitlines()]
    assert [(event["type"], event["data"]) for event in kept] == [("data", {"Soc": 71.5})], "no connectivity: no record routes it"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"log_level": 3}, "FLEET_TELEMETRY_CONFIG: log_level is 3 — give a string"),
        ({"namespace": "a b"}, "FLEET_TELEMETRY_CONFIG: namespace (OUTPUT_NAMESPACE): 'a b' is not usable"),
        ({"records": {"V": ["mqtt"]}, "mqtt": {"broker": "b", "topic_base": "a/#"}}, "mqtt.topic_base (MQTT_TOPIC_BASE): 'a/#'"),
        ({"tls": {"server_cert": "/none", "server_key": "/none", "ca_file": "/none"}}, "tls.server_cert (CERT_PATH): "),
    ],
)
def test_what_is_wrong_stops_the_start_in_one_line_with_its_key(
    world: World, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    moved = {"FLEET_TELEMETRY_CONFIG": config(world, tmp_path, **changes), "PORT": "0"}
    with spawn(["serve"], moved, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        _, error = command.communicate(timeout=30)
    assert command.returncode == 2
    assert said in error.splitlines()[-1], error


def test_settings_show_what_came_from_the_file_and_hide_its_secrets(world: World, tmp_path: Path) -> None:
    mqtt = {"broker": "b:1883", "username": "u", "password": "not to be seen"}
    path = config(world, tmp_path, records={"V": ["mqtt"]}, mqtt=mqtt, log_level="debug")
    with spawn(["settings"], {"FLEET_TELEMETRY_CONFIG": path, "LOG_LEVEL": "error"}, stdout=subprocess.PIPE) as command:
        shown, _ = command.communicate(timeout=30)
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines()}
    assert rows["VEHICLE_PORT"][0] == rows["MQTT_QOS"][0] == "config.json"
    assert rows["LOG_LEVEL"] == ["environment", "error"]
    assert rows["OUTPUT_ROUTES"] == ["config.json", "mqtt=data"]
    assert rows["MQTT_URL"] == ["config.json", "(hidden)"]
    assert "seen" not in shown


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with spawn(["serve"], {"FLEET_TELEMETRY_CONFIG": str(tmp_path)}, stderr=subprocess.PIPE) as command:
        _, error = command.communicate(timeout=30)
    assert (command.returncode, error.count("\n")) == (2, 1)
    assert "FLEET_TELEMETRY_CONFIG: " in error
