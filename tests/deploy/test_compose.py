"""compose.yaml, read by a real YAML parser and held against settings and Dockerfile; deploy.sh before shellcheck."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from teslafast.config import Settings
from teslafast.environment import parse_duration

from tests.deploy.support.dockerfile import instructions
from tests.support import ROOT

pytestmark = pytest.mark.deploy

READ = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
SYSTEM_PYTHON = "/usr/bin/python3"
VALUES = {"JWT_SECRET": "0" * 32, "TESLA_VIN": "5YJ3TEST5PF000001"}


def read(text: str) -> Any:
    done = subprocess.run([SYSTEM_PYTHON, "-c", READ], input=text, capture_output=True, text=True, check=False)
    if "No module named 'yaml'" in done.stderr:
        pytest.skip("apt install python3-yaml")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    compose = read((ROOT / "compose.yaml").read_text())
    assert compose.keys() == {"services", "volumes"}
    found: dict[str, Any] = compose["services"]["teslafast"]
    return found


@pytest.fixture(scope="module")
def settings(service: dict[str, Any]) -> Settings:
    environment = {}
    for name, value in service["environment"].items():
        assert isinstance(value, str), f"{name}: YAML makes {value!r} of it, not text"
        environment[name] = re.sub(r"\$\{(\w+):[-?][^}]*\}", lambda found: VALUES[found[1]], value)
    return Settings.from_env(environment)


def test_every_variable_is_a_setting_that_takes_its_value(service: dict[str, Any], settings: Settings) -> None:
    assert service["environment"].keys() <= {row.metadata["variable"] for row in dataclasses.fields(Settings)}
    assert settings.production
    assert settings.tesla_vin == {VALUES["TESLA_VIN"]}


def test_ports_volumes_and_files_are_where_the_settings_say(service: dict[str, Any], settings: Settings) -> None:
    assert service["ports"] == [f"443:{settings.vehicle_port}", f"127.0.0.1:{settings.port}:{settings.port}"]
    mounted = {Path(volume.split(":")[1]) for volume in service["volumes"]}
    assert {path.parent for path in (settings.cert_path, settings.key_path, settings.ca_path) if path} <= mounted
    assert Path(service["environment"]["JOURNAL_PATH"]).parent in mounted
    assert all(volume.endswith(":ro") for volume in service["volumes"] if volume.startswith("./certs"))


def test_no_certificate_is_mounted_by_itself_where_a_renewal_would_not_be_seen(service: dict[str, Any]) -> None:
    sources = [volume.split(":")[0] for volume in service["volumes"]]
    assert [source for source in sources if Path(source).suffix] == []
    assert "./certs" in sources


def test_what_listens_in_clear_listens_on_this_machine_alone(service: dict[str, Any], settings: Settings) -> None:
    assert not settings.dashboard_tls
    assert [port for port in service["ports"] if port.endswith(f":{settings.port}")] == [
        f"127.0.0.1:{settings.port}:{settings.port}"
    ]


def test_a_drain_has_its_time_and_the_container_has_no_more_rights_than_it_needs(
    service: dict[str, Any], settings: Settings
) -> None:
    assert parse_duration(service["stop_grace_period"]) > settings.drain_seconds
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service  # the image's own, which is nobody


def test_the_key_is_given_to_the_images_user() -> None:
    user = next(rest for word, rest in instructions((ROOT / "Dockerfile").read_text()) if word == "USER").partition(":")[0]
    assert f"sudo chown {user} certs/server.key" in (ROOT / "compose.yaml").read_text()


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="apt install shellcheck")
def test_shellcheck_is_content() -> None:
    done = subprocess.run(["shellcheck", "deploy.sh", ".ci/run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
