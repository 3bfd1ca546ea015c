"""
deploy/cluster/fly: both apps against the settings, the image and each other; and start-nats, as Machines run it, over IPv6 in
network namespaces of their own.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from teslafast.config import Settings
from teslafast.doctor.cluster import check_cluster
from teslafast.doctor.finding import Finding, State
from teslafast.environment import parse_duration, parse_size

from tests.deploy.support.dockerfile import instructions
from tests.deploy.support.fly import FLY
from tests.deploy.support.fly_machines import Machines, cannot
from tests.deploy.support.nats_files import CLUSTER, whole
from tests.support import ROOT
from tests.support.nats_logins import nkey_login
from tests.support.peers import PATIENCE_S, SECRET
from tests.support.servers import Inside

FOLDER = CLUSTER / "fly"
NATS: dict[str, Any] = tomllib.loads((FOLDER / "nats.toml").read_text())
NODES: dict[str, Any] = tomllib.loads((FOLDER / "teslafast.toml").read_text())
VEHICLES, DASHBOARDS = NODES["services"]
SECRETS = {"JWT_SECRET": SECRET, "TESLA_VIN": "5YJ3TEST5PF000001", "CLUSTER_URL": "nats://m.vm.myapp-nats.internal:4222"}


@pytest.fixture
def settings() -> Settings:
    return Settings.from_env(NODES["env"] | SECRETS)


# ---- the nodes' app


def test_every_variable_is_a_setting_and_no_secret_stands_in_it(settings: Settings) -> None:
    rows = {row.metadata["variable"]: row.metadata["secret"] for row in dataclasses.fields(Settings)}
    assert not [name for name in NODES["env"] if rows[name]]
    assert settings.production
    assert settings.journal_path is None
    assert "mounts" not in NODES


def test_it_is_fly_toml_but_for_what_a_cluster_changes() -> None:
    assert {name for name in NODES if NODES[name] != FLY.get(name)} <= {
        "env",
        "files",
        "kill_timeout",
        "build",
        "deploy",
        "services",
    }
    different = {name for name in NODES["env"].keys() | FLY["env"].keys() if NODES["env"].get(name) != FLY["env"].get(name)}
    assert different == {"JOURNAL_PATH", "RING_BYTES", "CLUSTER_NKEY_PATH", "CLUSTER_REPLICAS", "CLUSTER_MAX_BYTES"}
    lacking = [file["secret_name"] for file in FLY["files"] if file not in NODES["files"]]
    assert lacking == ["PUBLIC_KEY_PEM"], "which `teslafast setup` makes for the app that it deploys"
    for ours, single in zip(NODES["services"], FLY["services"], strict=True):
        assert {name for name in ours if ours[name] != single.get(name)} <= {"min_machines_running", "http_checks"}


def test_what_fly_writes_from_secrets_is_what_a_node_reads(settings: Settings) -> None:
    written = {Path(file["guest_path"]) for file in NODES["files"]}
    assert written == {settings.cert_path, settings.key_path, settings.ca_path, settings.cluster_nkey_path}
    text = (FOLDER / "teslafast.toml").read_text()
    assert 'NODE_NK="$(base64 -w0 node.nk)"' in text


def test_two_run_and_one_is_replaced_at_a_time_with_time_for_its_drain(settings: Settings) -> None:
    assert (NODES["kill_signal"], NODES["deploy"]["max_unavailable"]) == ("SIGTERM", 1)
    assert settings.drain_seconds < NODES["kill_timeout"] <= 300
    for service in (VEHICLES, DASHBOARDS):
        assert (service["auto_stop_machines"], service["min_machines_running"]) == ("off", 2)
    assert "fly scale count 2" in (FOLDER / "teslafast.toml").read_text()


def test_it_is_built_from_the_repositorys_dockerfile() -> None:
    assert (FOLDER / NODES["build"]["dockerfile"]).resolve() == ROOT / "Dockerfile"


# ---- NATS' app


def test_nats_is_an_app_of_its_own_that_only_the_private_network_reaches() -> None:
    assert not {"services", "http_service"} & NATS.keys()
    for name in ("nats.conf", "nats-one.conf"):
        listens = re.findall(r'^\s*(?:listen|http): "?([^"\n]+)"?', whole(FOLDER / name), re.MULTILINE)
        assert all(at.startswith("[::]:") for at in listens)
        assert len(listens) == (3 if name == "nats.conf" else 2)


def test_a_server_ends_as_a_lame_duck_one_at_a_time_when_its_streams_are_current() -> None:
    (duck,) = re.findall(r"lame_duck_duration: (\S+)", whole(FOLDER / "nats.conf"))
    assert NATS["kill_signal"] == "SIGUSR2"
    assert parse_duration(duck) < NATS["kill_timeout"] <= 300
    assert (NATS["deploy"]["strategy"], NATS["deploy"]["max_unavailable"]) == ("rolling", 1)
    (check,) = NATS["checks"].values()
    assert (check["type"], check["port"], check["path"]) == ("http", 8222, "/healthz")
    assert 'http: "[::]:8222"' in whole(FOLDER / "nats.conf")


def test_the_store_lies_on_the_volume_and_the_stream_fits(settings: Settings) -> None:
    (mount,) = NATS["mounts"]
    text = whole(FOLDER / "nats.conf")
    assert f"store_dir: {mount['destination']}" in text
    (most,) = re.findall(r"max_file_store: (\S+)", text)
    assert settings.cluster_max_bytes < parse_size(most) < parse_size(mount["initial_size"].upper())


def test_the_image_has_the_files_that_are_started() -> None:
    steps = instructions((FOLDER / NATS["build"]["dockerfile"]).read_text())
    copied = {name for word, rest in steps if word == "COPY" for name in rest.split()[:-1]}
    assert copied == {"nats.conf", "nats-one.conf", "nats-common.conf", "start-nats"}
    assert NATS["env"]["NATS_CONFIG"] in copied
    assert os.access(FOLDER / "start-nats", os.X_OK)
    assert ("ENTRYPOINT", '["/usr/local/bin/start-nats"]') in steps
    assert ("FROM", "nats:2.15-alpine") in steps, "a shell is needed, which nats:2.15 has not"


@pytest.mark.deploy
@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="apt install shellcheck")
def test_shellcheck_is_content_with_start_nats() -> None:
    done = subprocess.run(["shellcheck", str(FOLDER / "start-nats")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_first_start_is_of_all_three_together_because_none_is_well_alone() -> None:
    commands = re.findall(r"^#   (fly .*)$", (FOLDER / "nats.toml").read_text(), re.MULTILINE)
    assert commands[-1].endswith("--strategy immediate")
    assert "NATS_SERVERS=" in commands[-2]
    assert commands[-2].endswith("--stage")


# ---- start-nats, as Machines run it


@pytest.fixture(params=[(3, "nats.conf"), (1, "nats-one.conf")], ids=["three", "one"])
def machines(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machines]:
    if cannot():
        pytest.skip(cannot())
    count, config = request.param
    with Machines(tmp_path, count, nkey_login(tmp_path), config) as made:
        yield made


@pytest.mark.deploy
def test_machines_find_each_other_take_a_node_and_keep_their_names(machines: Machines) -> None:
    with Inside(None, **machines.node) as server:
        server.lines.wait_for("cluster_joined")
        found = examined(machines)
        for name, address in zip(machines.names, machines.addresses, strict=True):
            (reached,) = [one for one in found if one.check == f"NATS [{address}]:4222"]
            assert (reached.state, name in reached.says) == (State.WELL, True)
        assert [one.state for one in found if one.check == "NATS disk"] == [State.WELL] * len(machines.names)
        machines.replace(0)
        examined(machines)


def examined(machines: Machines) -> list[Finding]:
    """What doctor says, once followers of a stream that was made just now are current."""
    settings = Settings.from_env({"NODE_ENV": "development"} | machines.node)
    until_s = time.monotonic() + 3 * PATIENCE_S
    while True:
        found = list(check_cluster(settings))
        wrong = [one.line for one in found if one.state is State.WRONG]
        if not wrong:
            return found
        assert time.monotonic() < until_s, wrong


@pytest.mark.deploy
def test_every_two_machines_have_all_their_connections(tmp_path: Path) -> None:
    """A pool of three for accounts, and one for the system: what one of them lacks is never told to the other."""
    if cannot():
        pytest.skip(cannot())
    for round_ in range(3):
        folder = tmp_path / str(round_)
        folder.mkdir()
        with Machines(folder, 3, nkey_login(folder), "nats.conf") as made:
            made.wait_until_wired(4)


@pytest.mark.deploy
def test_without_the_other_machines_names_it_waits_and_says_so() -> None:
    environment = {"PATH": os.environ["PATH"], "FLY_MACHINE_ID": "m", "FLY_APP_NAME": "a"}
    with subprocess.Popen(["sh", str(FOLDER / "start-nats")], env=environment, stderr=subprocess.PIPE) as waiting:
        assert waiting.stderr is not None
        assert b"fly secrets set NATS_SERVERS=" in waiting.stderr.readline()
        assert waiting.poll() is None
        waiting.kill()


@pytest.mark.deploy
def test_outside_of_fly_start_nats_says_so() -> None:
    done = subprocess.run(["sh", str(FOLDER / "start-nats")], env={"PATH": os.environ["PATH"]}, capture_output=True, check=False)
    assert done.returncode != 0
    assert b"this is not a Fly Machine" in done.stderr
