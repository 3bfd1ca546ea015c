"""The systemd unit, before `systemd-analyze verify` and `security`; what its sandbox allows, before strace of a real server."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from teslafast.cli import env_file
from teslafast.config import Settings

from tests.support import ROOT
from tests.support.peers import SECRET, Place
from tests.support.servers import BASE, Lines

UNIT = ROOT / "deploy" / "systemd" / "teslafast.service"
EXAMPLE = ROOT / "deploy" / "systemd" / "teslafast.env.example"
PROGRAM = "/opt/teslafast/bin/teslafast"
MOST_EXPOSURE = 2.0  # of 10; systemd calls less than 2.0 well protected. Measured: 1.6


def values(name: str) -> list[str]:
    """Every value of a directive, in order."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for line in values("Environment") for pair in line.split())


@pytest.mark.deploy
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="apt install systemd")
class TestSystemdAnalyze:
    @pytest.fixture
    def unit(self, tmp_path: Path) -> Path:
        """The unit as it is, but for the program, which `verify` wants to find."""
        text = UNIT.read_text()
        assert text.count(f"ExecStart={PROGRAM} ") == 1
        copy = tmp_path / UNIT.name
        copy.write_text(text.replace(PROGRAM, "/bin/true"))
        return copy

    def test_verify_has_nothing_to_say(self, unit: Path) -> None:
        done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_security_finds_it_well_protected(self, unit: Path) -> None:
        command = ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSURE * 10:.0f}", str(unit)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

    @pytest.mark.skipif(shutil.which("strace") is None, reason="apt install strace")
    def test_a_server_makes_no_system_call_that_the_filter_refuses(self, tmp_path: Path) -> None:
        traced, lines = tmp_path / "calls", Lines()
        command = ["strace", "-f", "-qq", "-o", str(traced), sys.executable, "-m", "teslafast", "serve"]
        variables = BASE | {"NODE_ENV": "development", "JOURNAL_PATH": str(tmp_path / "journal"), "PATH": os.environ["PATH"]}
        with subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True, start_new_session=True) as server:
            assert server.stderr is not None
            for line in server.stderr:
                lines.add(line)
                if "listening" in line:
                    break
            [told] = lines.wait_for("listening")
            place = Place(told["port"], told["port"])
            with place.dashboard() as dashboard, place.vehicle("5YJ3TEST5PF000001") as vehicle:
                vehicle.tell({"Soc": {"floatValue": 71.5}})
                dashboard.until("data")
            assert place.get("/metrics").status == 200
            os.killpg(server.pid, signal.SIGTERM)
            server.stderr.read()
        made = set(re.findall(r"^\d+ +(\w+)\(", traced.read_text(), re.MULTILINE))
        assert {"mmap", "accept4", "openat"} & made
        assert made - allowed() == set()


def allowed() -> set[str]:
    """The calls that the unit's SystemCallFilter lines let through, as systemd expands its sets."""
    found: set[str] = set()
    for line in values("SystemCallFilter"):
        names = {name for word in line.lstrip("~").split() for name in expanded(word)}
        found = found - names if line.startswith("~") else found | names
    return found | expanded("@default")


def expanded(word: str) -> set[str]:
    if not word.startswith("@"):
        return {word}
    told = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True).stdout
    names = [line.strip() for line in told.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return {call for name in names for call in expanded(name)}


def test_what_starts_stops_and_reloads_is_what_the_server_understands() -> None:
    assert values("ExecStart") == [f"{PROGRAM} serve"]
    assert values("ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert values("RestartPreventExitStatus") == ["2"]
    drain_s = Settings.from_env({"JWT_SECRET": SECRET}).drain_seconds
    assert int(values("TimeoutStopSec")[0]) > drain_s


def test_the_environment_of_the_unit_and_the_example_are_settings_that_a_server_takes() -> None:
    variables = environment()
    credentials = {value.split(":")[0] for value in values("LoadCredential")}
    named = {variables[name] for name in ("CERT_PATH", "KEY_PATH", "CA_PATH")}
    assert named == {f"%d/{name}" for name in credentials}
    assert variables["JOURNAL_PATH"].startswith(f"%S/{values('StateDirectory')[0]}/")
    example = env_file.read(EXAMPLE)
    assert example["JWT_SECRET"] == "", "no secret stands in the repository"
    settings = Settings.from_env(variables | example | {"JWT_SECRET": SECRET})
    assert settings.production
    assert settings.vehicle_port == 443
    assert not variables.keys() & example.keys(), "the unit's own must not be set a second time"


def test_the_unit_is_a_file_of_sections_with_no_directive_twice_but_lists() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read(UNIT)
    assert parser.sections() == ["Unit", "Service", "Install"]
    names = re.findall(r"^(\w+)=", UNIT.read_text(), re.MULTILINE)
    twice = {name for name in names if names.count(name) > 1}
    assert twice == {"Environment", "LoadCredential", "SystemCallFilter"}
