"""A server on this machine: what setup makes for it, and that `serve` starts with exactly that."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from teslafast.certificates import tesla_ca
from teslafast.errors import Unhealthy
from teslafast.onboarding.refusals_of_tesla import Step
from teslafast.setup.outcome import StepState
from teslafast.setup.own_server import own_command

from tests.support import ROOT
from tests.support.certificates import HOST, World
from tests.support.ports import free_port
from tests.support.servers import Lines
from tests.support.setup_stage import SetupStage, setup_stage

FIRST = (Step.APP_KEY, Step.SERVER)


@pytest.fixture
def stage(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SetupStage]:
    """Tesla's CAs are the world's, and nothing runs on this machine's port yet."""

    def write(bundle: object, path: Path, replace: bool) -> None:
        path.write_bytes(world.anchors.read_bytes())

    monkeypatch.setattr(tesla_ca, "fetch", lambda: b"")
    monkeypatch.setattr(tesla_ca, "check", lambda content, accept: content)
    monkeypatch.setattr(tesla_ca, "write", write)
    with setup_stage(world, tmp_path) as running:
        running.environment |= {"PORT": str(free_port())}
        running.environment.pop("JWT_SECRET")
        yield running


def test_a_server_starts_with_what_was_made_and_serves_the_key(stage: SetupStage) -> None:
    vehicle_port = free_port()
    wishes = {"on": "here", "ca": None, "port": vehicle_port}
    code, outcomes = stage.run(steps=FIRST, wait_s=0.0, **wishes)
    assert (code, outcomes[-1].state) == (3, StepState.WAITING)
    assert "serve.env serve" in outcomes[-1].remedy
    env_file = stage.folder.path / "serve.env"
    for path in [stage.folder.path, *stage.folder.path.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    command = [sys.executable, "-m", "teslafast", "--env-file", str(env_file), "serve", "--host", "127.0.0.1"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LOG_FORMAT": "json"}
    lines = Lines()
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            while "listening" not in lines.text:
                line = server.stderr.readline()
                assert line, lines.text
                lines.add(line)
            code, outcomes = stage.run(steps=(*FIRST, Step.ROAD_TEST), **wishes)
        finally:
            server.terminate()
            server.communicate(timeout=30)
    assert code == 0, outcomes
    assert "what can be seen on this machine is well" in outcomes[-1].says
    assert stage.run(steps=FIRST, wait_s=0.0, **wishes)[0] == 3  # it has stopped: asked, not remembered


def test_teslas_cas_that_cannot_be_fetched_are_waited_for(stage: SetupStage, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> bytes:
        raise Unhealthy("developer.example: no answer", "check the network")

    monkeypatch.setattr(tesla_ca, "fetch", away)
    code, outcomes = stage.run(steps=FIRST, on="here", ca=None, domain=HOST)
    assert code == 3
    assert "Tesla's CAs cannot be fetched" in outcomes[-1].says
    here = stage.folder.path / "certs" / "tesla_ca.pem"
    assert tesla_ca.SOURCE in outcomes[-1].remedy
    assert outcomes[-1].remedy.endswith(f"teslafast certs tesla-ca {here} --from FILE")  # setup's own --from names a step


def test_the_command_that_is_printed_is_found_by_the_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    beside = tmp_path / ".venv" / "bin" / "teslafast"
    beside.parent.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(beside.with_name("python")))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert own_command().endswith("python -m teslafast")
    beside.touch(0o755)
    assert own_command() == ".venv/bin/teslafast"  # as `make install` leaves it
    monkeypatch.setenv("PATH", str(beside.parent))
    assert own_command() == "teslafast"
    other = tmp_path / "other" / "teslafast"
    other.parent.mkdir()
    other.touch(0o755)
    monkeypatch.setenv("PATH", str(other.parent))  # another installation comes first
    assert own_command() == ".venv/bin/teslafast"
