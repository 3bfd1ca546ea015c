"""What MQTT's variables may be; a login is in no message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from teslafast.config import Settings
from teslafast.errors import Misconfigured
from teslafast.outputs.mqtt_settings import MqttSettings, address
from teslafast.outputs.settings import planned

from tests.support.certificates import Authority, World

SERVER = Settings.from_env({"NODE_ENV": "development"})


def read(**variables: str) -> MqttSettings:
    [plan] = planned({"MQTT_URL": "mqtt://host"} | variables, SERVER)
    settings: Any = plan.settings
    assert isinstance(settings, MqttSettings)
    return settings


def refusal(**variables: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        address(read(**variables))
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "host", "port", "encrypted", "login"),
    [
        ("mqtt://host", "host", 1883, False, None),
        ("host", "host", 1883, False, None),
        ("mqtts://host", "host", 8883, True, None),
        ("tcp://10.0.0.2:1884/", "10.0.0.2", 1884, False, None),
        ("ssl://u:p%40ss@host", "host", 8883, True, ("u", "p@ss")),
        ("mqtt://u@[::1]:18", "::1", 18, False, ("u", None)),
    ],
)
def test_an_address_may_be_written_so(url: str, host: str, port: int, encrypted: bool, login: Any) -> None:
    found = read(MQTT_URL=url).url
    assert (found.host, found.port, found.encrypted, found.login) == (host, port, encrypted, login)


@pytest.mark.parametrize("url", ["http://us:secret-7@host", "mqtt://us:secret-7@", "mqtt://us:secret-7@host/path", "mqtt://h:0"])
def test_an_address_that_cannot_be_is_refused_without_its_password(url: str) -> None:
    said = refusal(MQTT_URL=url)
    assert said.startswith("MQTT_URL: its value is not usable")
    assert "secret-7" not in said


def test_a_login_is_in_no_repr() -> None:
    settings = read(MQTT_URL="mqtt://us:secret-7@host")
    assert "secret-7" not in repr(settings) + repr(settings.url) + str(address(settings))


def test_an_empty_prefix_turns_discovery_off_and_an_absent_one_does_not() -> None:
    assert read().discovery_prefix == "homeassistant"
    assert read(MQTT_DISCOVERY_PREFIX="").discovery_prefix == ""


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MQTT_TOPIC_BASE", "a/#"),
        ("MQTT_TOPIC_BASE", "a//b"),
        ("MQTT_TOPIC_BASE", "$SYS"),
        ("MQTT_QOS", "3"),
        ("MQTT_INTERVAL", "-1"),
        ("MQTT_LAYOUT", "other"),
        ("MQTT_DISCOVERY_PREFIX", "+"),
    ],
)
def test_a_bad_value_is_refused_with_the_allowed_form(variable: str, value: str) -> None:
    said = refusal(**{variable: value})
    assert said.startswith(f"{variable}: {value!r} is not usable")
    assert "give " in said


def test_files_that_cannot_be_used_are_named(world: World, tmp_path: Path) -> None:
    pair = world.pair(Authority.root("a CA"), "us")
    assert "MQTT_CERT_PATH: is set without its key" in refusal(MQTT_URL="mqtts://h", MQTT_CERT_PATH="x")
    assert "MQTT_URL is not encrypted" in refusal(MQTT_CA_PATH="x")
    assert "MQTT_CA_PATH" in refusal(MQTT_URL="mqtts://h", MQTT_CA_PATH=str(tmp_path / "none.pem"))
    assert "MQTT_CA_PATH" in refusal(MQTT_URL="mqtts://h", MQTT_CA_PATH=str(pair.key))
    other = world.pair(Authority.root("another CA"), "us")
    said = refusal(MQTT_URL="mqtts://h", MQTT_CERT_PATH=str(pair.certificate), MQTT_KEY_PATH=str(other.key))
    assert said.startswith("MQTT_CERT_PATH")
