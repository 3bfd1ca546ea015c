"""compose.home.yaml: a real YAML parser reads it, its settings are ours, and mosquitto takes its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from teslafast.config import Settings
from teslafast.environment import rows
from teslafast.outputs.mqtt_settings import MqttSettings
from teslafast.outputs.settings import planned

from tests.support import ROOT
from tests.support.mosquitto import Mosquitto, Subscriber

HOME: dict[str, Any] = yaml.safe_load((ROOT / "compose.home.yaml").read_text())
ALONE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICE: dict[str, Any] = HOME["services"]["teslafast"]


def test_it_starts_a_broker_home_assistant_and_us() -> None:
    assert set(HOME["services"]) == {"mosquitto", "homeassistant", "teslafast"}
    assert "ports" not in HOME["services"]["mosquitto"], "it lets everybody in, so nobody outside may reach it"
    volumes = {one.split(":")[0] for service in HOME["services"].values() for one in service["volumes"] if one[0] != "."}
    assert volumes == set(HOME["volumes"])


def test_the_server_is_that_of_compose_yaml_and_knows_the_broker() -> None:
    ours = {name: value for name, value in SERVICE["environment"].items() if not name.startswith("MQTT_")}
    alone = ALONE["services"]["teslafast"]
    assert ours == alone["environment"]
    assert {name: value for name, value in SERVICE.items() if name != "environment"} == {
        name: value for name, value in alone.items() if name != "environment"
    }
    mqtt = {name: value for name, value in SERVICE["environment"].items() if name.startswith("MQTT_")}
    assert set(mqtt) <= {row.variable for row in rows(MqttSettings)}
    [plan] = planned(mqtt | {"MQTT_FORGET": ""}, Settings.from_env({"NODE_ENV": "development"}))
    assert plan.settings.url.host in HOME["services"]


@pytest.mark.outputs
def test_mosquitto_takes_its_configuration(tmp_path: Path) -> None:
    lines = HOME["configs"]["mosquitto"]["content"].replace("/mosquitto/data/", f"{tmp_path}/").splitlines()
    options = [line for line in lines if line and not line.startswith("listener")]
    with Mosquitto(tmp_path, *options) as broker, Subscriber(broker) as seen:
        seen.publish("a", b"b")
        assert seen.value("a") == b"b"
