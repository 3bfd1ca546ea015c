"""`serve` and TESLAFAST_STATE: without it nothing of Tesla's API, and with it a server that a dead Tesla does not touch."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from teslafast.cli.options import PRESET_NAMES
from teslafast.cli.upkeep import upkeep_of
from teslafast.config import Settings
from teslafast.errors import Misconfigured
from teslafast.onboarding.presets import PRESETS
from teslafast.onboarding.upkeep import FolderUpkeep

from tests.support import ROOT
from tests.support.fake_tesla_server import TeslaServer
from tests.support.peers import SECRET, token
from tests.support.servers import Inside, Process
from tests.support.upkeep_stage import ROAD, UpkeepStage, stage, tesla

# What is imported once a server listens, as `serve` and `demo` start it; `-X importtime` would tell of both, but not when.
LISTENING = """
import os, sys
sys.argv = ["teslafast", {command}]
from teslafast import cli
from teslafast.server.server import Server
begin = Server.start
def start(self):
    begin(self)
    print(*sorted(name for name in sys.modules if name.startswith(("teslafast.onboarding", "teslafast.setup."))), flush=True)
    os._exit(0)
Server.start = start
cli.main()
"""


@pytest.fixture
def it(tmp_path: Path) -> Iterator[UpkeepStage]:
    with TeslaServer(tesla(ROAD)) as server:
        yield stage(server, tmp_path)


def imported(command: str, **environment: str) -> list[str]:
    variables = {"NODE_ENV": "development", "PATH": "/usr/bin:/bin", "JWT_SECRET": SECRET} | environment
    program = [sys.executable, "-c", LISTENING.format(command=command)]
    ended = subprocess.run(program, cwd=ROOT, env=variables, capture_output=True, text=True, check=True, timeout=60)
    return ended.stdout.split()


@pytest.mark.parametrize("command", ['"serve", "--port", "0", "--host", "127.0.0.1"', '"demo", "--port", "0"'])
def test_without_the_setting_nothing_of_the_set_up_is_imported(command: str) -> None:
    assert imported(command) == []


def test_with_the_setting_it_is(it: UpkeepStage) -> None:
    found = imported('"serve", "--port", "0", "--host", "127.0.0.1"', TESLAFAST_STATE=str(it.folder.path))
    assert "teslafast.onboarding.upkeep" in found


def test_a_server_looks_at_tesla_by_itself_and_shows_what_it_found(it: UpkeepStage) -> None:
    environment = {**it.environment, "TESLAFAST_STATE": str(it.folder.path)}
    with Process(None, **environment) as server:
        line = server.lines.wait_for("setup_state", cause="config")[0]
        assert (line["vin"], line["state"]) == (ROAD, "done")
        report = server.place.get("/setup/details", Authorization=f"Bearer {token()}").json
        metrics = server.place.get("/metrics").body.decode()
    states = {check["name"]: check["state"] for check in report["checks"]}
    assert states.items() >= {"registration": "done", "login": "done", "key_on_car": "done", "config": "done"}.items()
    assert re.search(r"^teslafast_config_days (299|300)\.?\d*$", metrics, re.MULTILINE)
    assert re.search(r"^teslafast_login_days (89|90)\.?\d*$", metrics, re.MULTILINE)
    assert [one for one in it.tesla.secrets_known() if one in server.lines.text + metrics] == []


def test_a_tesla_that_never_answers_holds_up_neither_vehicles_nor_the_end(it: UpkeepStage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes connections, and says nothing
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        upkeep = FolderUpkeep(it.folder, {**it.environment, "TESLA_API_BASE_URL": address, "TESLA_TOKEN_URL": address})
        upkeep._ended.wait = lambda timeout=None: False  # type: ignore[method-assign]  # at once, and again and again
        with Inside().kept_by(upkeep) as server:
            connected, _ = deaf.accept()
            with connected, server.place.dashboard() as dashboard, server.place.vehicle(ROAD) as vehicle:
                vehicle.tell({"Soc": {"floatValue": 50.0}})
                assert dashboard.until("data")["vin"] == ROAD
                del upkeep._ended.wait


def test_when_a_vehicle_was_heard_is_asked_of_the_server(it: UpkeepStage) -> None:
    upkeep = FolderUpkeep(it.folder, it.environment)
    with Inside().kept_by(upkeep) as server:
        assert upkeep._heard(ROAD) is None
        with server.place.vehicle(ROAD) as vehicle:
            vehicle.tell({"Soc": {"floatValue": 50.0}})
            heard = upkeep._heard(ROAD)
    assert heard is not None
    assert abs(heard - it.now) < 600


def settings(path: Path) -> Settings:
    return Settings.from_env({"JWT_SECRET": SECRET, "TESLAFAST_STATE": str(path)})


def test_a_folder_that_is_not_there_yet_is_waited_for_and_a_file_is_refused(tmp_path: Path) -> None:
    assert upkeep_of(settings(tmp_path / "later"), {}) is not None
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match=r"^TESLAFAST_STATE: .*is not a folder"):
        upkeep_of(settings(tmp_path / "file"), {})


def test_an_address_that_would_carry_the_token_in_clear_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="TESLA_TOKEN_URL"):
        upkeep_of(settings(tmp_path), {"TESLA_TOKEN_URL": "http://auth.example.com"})


def test_the_copy_of_the_presets_names_is_right() -> None:
    assert tuple(PRESETS) == PRESET_NAMES


def test_without_the_setting_there_is_none() -> None:
    assert upkeep_of(Settings.from_env({"JWT_SECRET": SECRET}), {}) is None
