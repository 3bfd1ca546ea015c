"""What may be set for NATS, and which subject an event has."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from teslafast.config import Settings
from teslafast.errors import Misconfigured
from teslafast.outputs import Context
from teslafast.outputs.nats import NatsOutput, NatsSettings
from teslafast.outputs.settings import planned

from tests.support.output_events import alert, connectivity, data, error_event

SERVER = Settings.from_env({"NODE_ENV": "development"})
URL = {"NATS_URL": "nats://one:4222"}


def settings(**variables: str) -> NatsSettings:
    [plan] = planned(URL | variables, SERVER)
    found: NatsSettings = plan.settings
    return found


def refusal(**variables: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        planned(URL | variables, SERVER)
    return str(caught.value)


def test_a_url_may_have_a_login_and_a_list_of_servers() -> None:
    found = settings(NATS_URL="nats://me:hunter2@one:4222, two, tls://three")
    assert found.urls == ("nats://me:hunter2@one:4222", "nats://two", "tls://three")
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize("url", ["http://one:hunter2@x", "nats://", "nats://one:hunter2", ","])
def test_what_is_no_url_of_nats_is_refused_without_being_shown(url: str) -> None:
    said = refusal(NATS_URL=url)
    assert said.startswith("NATS_URL: its value is not usable")
    assert "hunter2" not in said


def test_credentials_must_be_a_file_and_a_stream_a_name(tmp_path: Path) -> None:
    assert f"{tmp_path}/none is not a file" in refusal(NATS_CREDS_PATH=f"{tmp_path}/none")
    assert "NATS_STREAM" in refusal(NATS_STREAM="a.b")
    assert settings(NATS_STREAM=" CARS ").stream == "CARS"


def test_subjects_are_those_of_teslemetry() -> None:
    output = NatsOutput(NatsSettings(urls=("nats://one",)), Context("epoch", Counter()))
    vin = "5YJ3E1EA7KF000001"
    events = (data(1, {}), alert(2), error_event(3), connectivity(4))
    kinds = ("data", "alerts", "errors", "connectivity")
    assert [output.subject(event) for event in events] == [f"tesla_telemetry.{vin}.{kind}" for kind in kinds]
