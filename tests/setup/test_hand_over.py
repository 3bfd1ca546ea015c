"""The hand-over to a server on Fly.io: what it gets, what stays here, and a second run that borrows a token."""

import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from teslafast.onboarding.refusals_of_tesla import Step
from teslafast.onboarding.setup_notes import FLY
from teslafast.onboarding.state_folder import StateFolder
from teslafast.onboarding.token_store import load_tokens
from teslafast.setup import fly_app
from teslafast.setup.outcome import StepState
from teslafast.setup.removal import remove

from tests.support import ROOT
from tests.support.certificates import World
from tests.support.setup_stage import VIN, SetupStage, setup_stage

FLY_COMMAND = """#!{python}
import json, os, subprocess, sys
words = sys.argv[1:]
with open({calls!r}, "a") as calls:
    calls.write(json.dumps(words) + "\\n")
if words[0] == "status":
    sys.exit(0 if os.path.exists({app!r}) else 1)
if words[:2] == ["apps", "destroy"]:
    os.unlink({app!r})
    sys.exit(0)
command = words[words.index("--command") + 1].split()
command = [sys.executable, "-m", "teslafast", *({state!r} if word == "/data/teslafast.d" else word for word in command[1:])]
sys.exit(subprocess.run(command, env={env!r}).returncode)
"""
LAST = (Step.CONFIG, Step.KEEPING)


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Iterator[SetupStage]:
    """A set-up that is at Fly, as far as the folder knows; `fly ssh console` runs our commands beside it."""
    with setup_stage(world, tmp_path) as running:
        running.drive()
        assert running.run(steps=tuple(Step)[:11])[0] == 0
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | running.server.environment
        values = {"calls": str(tmp_path / "calls"), "app": str(tmp_path / "app"), "state": str(tmp_path / "there"), "env": env}
        (tmp_path / "fly").write_text(FLY_COMMAND.format(python=sys.executable, **values))
        (tmp_path / "fly").chmod(stat.S_IRWXU)
        (tmp_path / "app").touch()
        running.environment["FLY"] = str(tmp_path / "fly")
        yield running


def at_fly(stage: SetupStage) -> None:
    notes = json.loads((stage.folder.path / "state.json").read_text())
    stage.folder.write_json("state.json", notes | {"where": FLY, "fly_app": "road"})


def again(stage: SetupStage, *steps: Step, yes: bool = True) -> tuple[int, list[StepState]]:
    from teslafast.setup.journey import exit_status, go
    from teslafast.setup.steps import SETUP_STEPS

    context = stage.context(on="", steps=steps, yes=yes)
    context.lender = lambda: fly_app.lent(context)
    outcomes = list(go(SETUP_STEPS, context))
    return exit_status(outcomes), [outcome.state for outcome in outcomes]


def test_the_server_gets_tokens_and_signed_configs_and_neither_key_nor_secret(stage: SetupStage, tmp_path: Path) -> None:
    at_fly(stage)
    stage.folder.write("client_secret", b"ta-secret.kept")
    assert again(stage, *LAST) == (0, [StepState.DONE, StepState.ACTED])
    there = StateFolder(tmp_path / "there")
    assert {path.name for path in there.path.iterdir()} == {".gitignore", ".lock", "tokens.json", "state.json", "configs.jws"}
    theirs, ours = load_tokens(there), load_tokens(stage.folder)
    assert theirs is not None
    assert (theirs.refresh_token, theirs.owner) == (stage.tesla.refresh_token, "road")
    assert ours is not None
    assert (ours.refresh_token, ours.access_token, ours.owner) == ("", "", "road")
    calls = (tmp_path / "calls").read_text()
    assert not any(secret in calls for secret in stage.tesla.secrets_known())  # a process list shows the words


@pytest.mark.parametrize("said", ["", "eyJh.bG.ci", "took over state.json"])
def test_tokens_stay_here_until_the_server_says_that_it_has_them(stage: SetupStage, tmp_path: Path, said: str) -> None:
    at_fly(stage)
    (tmp_path / "fly").write_text(f"#!/bin/sh\ncat > /dev/null\necho '{said}'\n")
    before = load_tokens(stage.folder)
    assert again(stage, *LAST) == (3, [StepState.DONE, StepState.WAITING])
    assert load_tokens(stage.folder) == before


def test_a_second_run_borrows_a_token_and_refreshes_nothing(stage: SetupStage) -> None:
    at_fly(stage)
    again(stage, *LAST)
    refreshed, pushes = stage.tesla.refreshed, stage.tesla.pushes
    steps = (Step.LOGIN, Step.REGION, Step.VEHICLE, Step.PAIRING, Step.CONFIG, Step.KEEPING)
    del stage.environment["TESLA_REFRESH_TOKEN"]
    assert again(stage, *steps) == (0, [StepState.DONE] * 6)
    assert (stage.tesla.refreshed, stage.tesla.pushes) == (refreshed, pushes)


def test_a_server_that_has_lost_the_tokens_is_said(stage: SetupStage, tmp_path: Path) -> None:
    at_fly(stage)
    again(stage, *LAST)
    StateFolder(tmp_path / "there").remove("tokens.json")
    assert again(stage, Step.KEEPING) == (3, [StepState.WAITING])


def test_a_server_that_has_the_tokens_forgets_them_when_everything_goes(stage: SetupStage, tmp_path: Path) -> None:
    at_fly(stage)
    again(stage, *LAST)
    context = stage.context(on="")
    context.lender = lambda: fly_app.lent(context)
    assert not remove(context)  # the app stays: nobody typed its name
    assert any("tokens: forgotten at road" in line for line in stage.printed)
    assert load_tokens(StateFolder(tmp_path / "there")) is None
    assert stage.tesla.cars[VIN].config is None


def test_the_app_is_destroyed_only_after_its_name_was_typed(stage: SetupStage, tmp_path: Path) -> None:
    at_fly(stage)
    stage.answers = {"Take all": "yes", "Delete app.key": "yes"}
    assert not remove(stage.context(on="", yes=False))
    assert (tmp_path / "app").exists()
    assert stage.folder.exists
    stage.answers["Type road"] = "road"
    assert remove(stage.context(on="", yes=False))
    assert not (tmp_path / "app").exists()
    assert not stage.folder.exists
