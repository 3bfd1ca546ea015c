"""deploy.sh against a fake Fly."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.support.fly import FLY
from tests.support import ROOT
from tests.support.certificates import HOST, World
from tests.support.peers import token
from tests.support.servers import Inside

pytestmark = pytest.mark.faults


class Operator:
    """A checkout with deploy.sh, a fake `fly` and a `teslafast` on PATH, and certificates that are there already."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        shutil.copy(ROOT / "deploy.sh", folder)
        script(self.bin / "fly", f"#!{sys.executable} -IS\n" + (Path(__file__).parent / "support" / "fake_fly.py").read_text())
        script(self.bin / "teslafast", f'#!/bin/sh\nexec {sys.executable} -W error -m teslafast "$@"\n')
        self.certs = folder / "certs"
        self.certs.mkdir()
        for name, source in (
            ("server.pem", world.server.certificate),
            ("server.key", world.server.key),
            ("tesla_ca.pem", world.anchors),
            ("ca.pem", world.server_ca),
        ):
            shutil.copy(source, self.certs / name)

    def deploy(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        known = {"PATH": f"{self.bin}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "PATIENCE_S": "0", "TOKEN": token()}
        command = [str(self.folder / "deploy.sh"), *words]
        return subprocess.run(command, env=known | environment, capture_output=True, text=True, timeout=60, cwd="/")

    def calls(self) -> list[list[str]]:
        """What Fly was asked since the last time."""
        path = self.bin / "calls.jsonl"
        calls = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        path.unlink(missing_ok=True)
        return calls

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.bin / "state.json").read_text())
        return state


def script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


CHANGES = ("create", "allocate-v4", "import", "deploy", "add")


def changes(calls: list[list[str]]) -> list[str]:
    """The calls that change something, in short."""
    return [" ".join(word for word in call[:3] if not word.startswith("-")) for call in calls if {*CHANGES} & {*call}]


@pytest.fixture
def operator(tmp_path: Path, world: World) -> Operator:
    return Operator(tmp_path, world)


@pytest.fixture
def urls(world: World) -> Iterator[dict[str, str]]:
    """A server that is laid out as on Fly, in place of the one that Fly would run."""
    with Inside(world, VEHICLE_PORT="0", DASHBOARD_TLS="false") as server:
        vehicles, dashboards = f"https://{HOST}:{server.place.vehicle_port}", f"http://127.0.0.1:{server.place.port}"
        yield {"VEHICLES_URL": vehicles, "DASHBOARDS_URL": dashboards}


def test_the_first_run_makes_everything_and_lets_the_doctor_look(operator: Operator, urls: dict[str, str]) -> None:
    done = operator.deploy("myapp", HOST, "ams", TESLA_VIN="5YJ3TEST5PF000001", **urls)
    assert done.returncode == 0, done.stdout + done.stderr
    assert changes(operator.calls()) == [
        *("apps create myapp", "volumes create journal", "ips allocate-v4"),
        *(["secrets import"] * 6),
        *("deploy myapp", f"certs add {HOST}"),
    ]
    assert f"DNS: {HOST} must be an A record of 127.0.0.1" in done.stdout
    assert "✓ asks: the server asks vehicles for their certificate, and refuses an unknown one" in done.stdout
    assert "✓ dashboard: the token opens /stream" in done.stdout
    assert "✗" not in done.stdout


def test_secrets_arrive_whole_and_never_stand_in_a_process_list(operator: Operator, urls: dict[str, str]) -> None:
    done = operator.deploy("myapp", HOST, **urls)
    secrets = operator.state["secrets"]
    assert secrets.keys() == {"SERVER_PEM", "SERVER_KEY", "TESLA_CA_PEM", "PUBLIC_KEY_PEM", "JWT_SECRET"}
    assert {file["secret_name"] for file in FLY["files"]} <= secrets.keys()  # Fly refuses a file without its secret
    assert base64.b64decode(secrets["PUBLIC_KEY_PEM"]).startswith(b"# the app's public key stands here once")
    assert base64.b64decode(secrets["SERVER_KEY"]) == (operator.certs / "server.key").read_bytes()
    assert base64.b64decode(secrets["SERVER_PEM"]) == (operator.certs / "server.pem").read_bytes()
    assert re.fullmatch("[0-9a-f]{64}", secrets["JWT_SECRET"])
    told = done.stdout + done.stderr + json.dumps(operator.calls())
    assert not [name for name, value in secrets.items() if value in told]


def test_a_second_run_changes_nothing_but_deploys(operator: Operator, urls: dict[str, str]) -> None:
    operator.deploy("myapp", HOST, "ams", **urls)
    before = operator.state
    operator.calls()
    assert operator.deploy("myapp", HOST, **urls).returncode == 0
    assert changes(operator.calls()) == ["deploy myapp"]
    assert operator.state == before | {"deploys": 2}


def test_a_region_is_only_said_where_it_is_meant(operator: Operator, urls: dict[str, str]) -> None:
    operator.deploy("myapp", HOST, "ams", **urls)
    operator.deploy("myapp", HOST, **urls)
    first, second = [call for call in operator.calls() if call[0] == "deploy"]
    assert first == ["deploy", "--app", "myapp", "--ha=false", "--primary-region", "ams"]
    assert second == ["deploy", "--app", "myapp", "--ha=false"]


def test_what_a_set_up_has_left_at_fly_is_kept(operator: Operator, urls: dict[str, str]) -> None:
    operator.deploy("myapp", HOST, **urls)
    left = operator.state | {"secrets": {**operator.state["secrets"], "PUBLIC_KEY_PEM": "its key", "TESLAFAST_STATE": "/data/x"}}
    (operator.bin / "state.json").write_text(json.dumps(left))
    assert operator.deploy("--renew", "myapp", HOST, **urls).returncode == 0
    assert operator.state["secrets"].items() >= {"PUBLIC_KEY_PEM": "its key", "TESLAFAST_STATE": "/data/x"}.items()


def test_renewed_certificates_are_sent_and_the_token_secret_is_kept(operator: Operator, urls: dict[str, str]) -> None:
    operator.deploy("myapp", HOST, **urls)
    secret = operator.state["secrets"]["JWT_SECRET"]
    (operator.certs / "server.pem").write_text("renewed")
    operator.deploy("--renew", "myapp", HOST, **urls)
    assert base64.b64decode(operator.state["secrets"]["SERVER_PEM"]) == b"renewed"
    assert operator.state["secrets"]["JWT_SECRET"] == secret


def test_a_dry_run_says_what_it_would_do_and_does_nothing(operator: Operator) -> None:
    shutil.rmtree(operator.certs)
    done = operator.deploy("--dry-run", "myapp", HOST)
    assert done.returncode == 0, done.stderr
    assert changes(operator.calls()) == []
    assert not operator.certs.exists()
    assert done.stdout.splitlines() == [
        f"would run: teslafast certs init certs --hostname {HOST}",
        "would run: teslafast certs tesla-ca certs/tesla_ca.pem",
        "would run: fly apps create myapp",
        "would run: fly volumes create journal --app myapp --region fra --size 1 --count 1 --yes",
        "would run: fly ips allocate-v4 --app myapp --yes",
        *(
            f"would stage the secret {name}"
            for name in ("SERVER_PEM", "SERVER_KEY", "TESLA_CA_PEM", "PUBLIC_KEY_PEM", "JWT_SECRET")
        ),
        "would run: fly deploy --app myapp --ha=false --primary-region fra",
        f"would wait for https://myapp.fly.dev/health, and run: teslafast doctor https://{HOST}:8443",
    ]


def test_missing_certificates_are_made_before_anything_else(operator: Operator) -> None:
    shutil.rmtree(operator.certs)
    script(operator.bin / "teslafast", '#!/bin/sh\necho "teslafast $*" >> made.txt\nexit 1\n')
    assert operator.deploy("myapp", HOST).returncode == 1
    assert (operator.folder / "made.txt").read_text() == f"teslafast certs init certs --hostname {HOST}\n"
    assert changes(operator.calls()) == []


def test_who_is_not_logged_in_is_told_how(operator: Operator) -> None:
    done = operator.deploy("myapp", HOST, LOGGED_OUT="yes")
    assert (done.returncode, done.stderr) == (1, "deploy.sh: not logged in to Fly.io: fly auth login\n")


def test_a_server_that_is_not_well_is_said(operator: Operator) -> None:
    done = operator.deploy("myapp", HOST, DASHBOARDS_URL="http://127.0.0.1:1")
    assert done.returncode == 1
    assert "http://127.0.0.1:1 is not well: see fly logs --app myapp" in done.stderr


def test_what_the_doctor_finds_wrong_is_the_scripts_failure(operator: Operator, urls: dict[str, str]) -> None:
    done = operator.deploy("myapp", HOST, **urls, TOKEN=token("a secret that the server does not have, of 32 bytes"))
    assert done.returncode == 1
    assert "✗ dashboard: /stream answers 401" in done.stdout


@pytest.mark.parametrize("words", [[], ["myapp"], ["myapp", HOST, "ams", "more"], ["--unknown", "myapp", HOST]])
def test_wrong_words_get_the_usage_and_do_nothing(operator: Operator, words: list[str]) -> None:
    done = operator.deploy(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ./deploy.sh")
    assert operator.calls() == []
