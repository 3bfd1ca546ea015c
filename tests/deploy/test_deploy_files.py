"""What it is deployed with: fly.toml against the settings, deploy.sh against a fake Fly, and what the Dockerfile promises."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from teslafast.config import Settings
from teslafast.doctor import health
from teslafast.environment import parse_size

from tests.deploy.support.dockerfile import ignored, instructions, words_of
from tests.support import ROOT
from tests.support.certificates import HOST, World
from tests.support.peers import SECRET, Place, token
from tests.support.servers import Inside

FLY: dict[str, Any] = tomllib.loads((ROOT / "fly.toml").read_text())
SECRETS = {"JWT_SECRET": SECRET, "TESLA_VIN": "5YJ3TEST5PF000001"}
VEHICLES, DASHBOARDS = FLY["services"]


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings.from_env(FLY["env"] | SECRETS)


# ---- fly.toml


def test_every_variable_is_a_setting_and_has_a_value_that_it_takes(settings: Settings) -> None:
    rows = {row.metadata["variable"]: row.name for row in dataclasses.fields(Settings)}
    assert FLY["env"].keys() <= rows.keys()
    assert settings.production
    assert not [name for name in FLY["env"] if getattr(settings, rows[name]) is None]


def test_no_secret_stands_in_it(settings: Settings) -> None:
    secret = {row.metadata["variable"] for row in dataclasses.fields(Settings) if row.metadata["secret"]}
    assert not secret & FLY["env"].keys()


def test_vehicles_come_in_untouched_and_dashboards_over_flys_tls(settings: Settings) -> None:
    assert (VEHICLES["internal_port"], DASHBOARDS["internal_port"]) == (settings.vehicle_port, settings.port)
    assert [port.get("handlers", []) for port in VEHICLES["ports"]] == [["proxy_proto"]], "which leaves TLS as it is"
    assert settings.trusted_proxies, "else the PROXY header would be taken for broken TLS"
    assert {port["port"]: port["handlers"] for port in DASHBOARDS["ports"]} == {80: ["http"], 443: ["tls", "http"]}
    assert next(port for port in DASHBOARDS["ports"] if port["port"] == 80)["force_https"]
    assert not settings.dashboard_tls


def test_what_fly_writes_from_secrets_is_what_the_server_reads(settings: Settings) -> None:
    written = {file["guest_path"] for file in FLY["files"]}
    assert written == {str(settings.cert_path), str(settings.key_path), str(settings.ca_path)}
    script = (ROOT / "deploy.sh").read_text()
    assert all(f"{file['secret_name']}:{Path(file['guest_path']).name}" in script for file in FLY["files"])


def test_a_drain_has_its_time(settings: Settings) -> None:
    assert FLY["kill_signal"] == "SIGTERM"
    assert settings.drain_seconds < FLY["kill_timeout"] <= 300


def test_one_machine_runs_and_is_never_stopped() -> None:
    for service in (VEHICLES, DASHBOARDS):
        assert service["auto_stop_machines"] == "off"
        assert service["min_machines_running"] == 1
    assert FLY["deploy"]["strategy"] == "rolling"  # the other ways do not go with a volume


def test_fly_passes_on_as_many_as_the_server_takes(settings: Settings) -> None:
    for service, most in ((VEHICLES, settings.max_vehicles), (DASHBOARDS, settings.max_dashboards)):
        limits = service["concurrency"]
        assert limits["type"] == "connections"  # a vehicle's lasts for hours
        assert limits["soft_limit"] < limits["hard_limit"] == most


def test_the_journal_lies_on_the_volume_and_fits_there() -> None:
    (mount,) = FLY["mounts"]
    assert Path(FLY["env"]["JOURNAL_PATH"]).parent == Path(mount["destination"])
    assert f"volumes create {mount['source']} " in (ROOT / "deploy.sh").read_text()
    assert parse_size(FLY["env"]["RING_BYTES"]) < parse_size(mount["initial_size"].upper())


def test_health_and_metrics_are_asked_where_they_are_answered(settings: Settings) -> None:
    (check,) = DASHBOARDS["http_checks"]
    assert (check["path"], check["protocol"]) == ("/health", "http")
    assert not {"tcp_checks", "http_checks"} & VEHICLES.keys()  # neither has a certificate to show
    assert (FLY["metrics"]["port"], FLY["metrics"]["path"]) == (settings.port, "/metrics")


def test_its_layout_is_served_plain_for_dashboards_and_mutual_for_vehicles(world: World) -> None:
    kept = {name: value for name, value in FLY["env"].items() if name in ("DASHBOARD_TLS", "NODE_ENV", "MAX_VEHICLES")}
    with Inside(world, **kept, VEHICLE_PORT="0") as server:
        plain = Place(server.place.port, server.place.vehicle_port)
        assert plain.get("/health").json["status"] == "ok"
        with plain.dashboard() as dashboard, server.place.vehicle("5YJ3TEST5PF000001") as vehicle:
            assert dashboard.next()["type"] == "hello"
            vehicle.tell({"Soc": {"floatValue": 71.5}})
            assert dashboard.until("data")["vin"] == "5YJ3TEST5PF000001"
        with plain.raw(port=server.place.vehicle_port) as nobody:
            nobody.send(b"GET / HTTP/1.1\r\n\r\n")
            assert b"HTTP/1.1 1" not in nobody.rest()
        server.lines.wait_for("tls_failed", cause="plain_http")


def test_health_without_a_url_asks_the_server_of_its_environment(settings: Settings, world: World) -> None:
    assert health.local_url(settings) == "http://127.0.0.1:3000"
    assert (
        health.local_url(Settings.from_env(SECRETS | world.environment | {"HOST": "::1", "PORT": "443"})) == "https://[::1]:443"
    )
    assert health.local_url(Settings.from_env(SECRETS | {"HOST": "0.0.0.0"})) == "http://127.0.0.1:3000"


# ---- deploy.sh


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
        *(["secrets import"] * 5),
        *("deploy myapp", f"certs add {HOST}"),
    ]
    assert f"DNS: {HOST} must be an A record of 127.0.0.1" in done.stdout
    assert "✓ asks: the server asks vehicles for their certificate, and refuses an unknown one" in done.stdout
    assert "✓ dashboard: the token opens /stream" in done.stdout
    assert "✗" not in done.stdout


def test_secrets_arrive_whole_and_never_stand_in_a_process_list(operator: Operator, urls: dict[str, str]) -> None:
    done = operator.deploy("myapp", HOST, **urls)
    secrets = operator.state["secrets"]
    assert secrets.keys() == {"SERVER_PEM", "SERVER_KEY", "TESLA_CA_PEM", "JWT_SECRET"}
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
        *(f"would stage the secret {name}" for name in ("SERVER_PEM", "SERVER_KEY", "TESLA_CA_PEM", "JWT_SECRET")),
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


# ---- Dockerfile, what it promises without being run (tests/deploy runs it)


STEPS = instructions((ROOT / "Dockerfile").read_text())


def last_stage() -> dict[str, str]:
    """The instructions after the last FROM; of several the last."""
    found: dict[str, str] = {}
    for word, rest in STEPS:
        found = {"FROM": rest} if word == "FROM" else found | {word: rest}
    return found


def test_both_stages_stand_on_the_same_python() -> None:
    assert len({rest.split()[0] for word, rest in STEPS if word == "FROM"}) == 1


def test_it_runs_as_a_number_that_is_not_root_and_without_a_shell_between() -> None:
    stage = last_stage()
    user, group = stage["USER"].split(":")
    assert user == group != "0"
    assert user.isdigit()
    assert words_of(stage["ENTRYPOINT"]) == ["/opt/teslafast/bin/teslafast"]
    assert words_of(stage["CMD"]) == ["serve"]
    assert words_of(stage["HEALTHCHECK"]) == ["/opt/teslafast/bin/teslafast", "health"]


def test_its_ports_are_those_of_fly(settings: Settings) -> None:
    assert last_stage()["EXPOSE"].split() == [str(settings.port), str(settings.vehicle_port)]


def test_only_the_environment_is_taken_over_into_what_runs() -> None:
    assert last_stage()["COPY"] == "--from=build /opt/teslafast /opt/teslafast"


def test_what_is_built_from_is_all_that_a_build_can_see() -> None:
    named = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert named[0] == "*"
    allowed = {line[1:] for line in named if line.startswith("!")}
    copied = {source for word, rest in STEPS if word == "COPY" and "--from" not in rest for source in rest.split()[:-1]}
    assert allowed == copied
    assert all((ROOT / source).exists() for source in copied)


@pytest.mark.parametrize(
    "path", ["certs/server.key", ".env", ".git/config", "teslafast/_wire.c", "teslafast/web/.DS_Store", "a.journal"]
)
def test_no_secret_and_nothing_that_was_made_here_goes_into_a_build(path: str) -> None:
    text = (ROOT / ".dockerignore").read_text()
    assert ignored(text, path)
    assert not ignored(text, "teslafast/_wire.pyx")
    assert not ignored(text, "teslafast/web/index.html")
