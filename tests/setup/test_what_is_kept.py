"""What a later run finds of an earlier one: what was said and was right, and nothing that was refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from teslafast.errors import Misconfigured
from teslafast.onboarding.refusals_of_tesla import Step
from teslafast.onboarding.setup_notes import load_notes
from teslafast.setup.outcome import StepState

from tests.support.certificates import HOST, World
from tests.support.disks import fill, mounted
from tests.support.setup_stage import VIN, SetupStage, setup_stage


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Iterator[SetupStage]:
    with setup_stage(world, tmp_path) as running:
        yield running


def test_a_host_that_is_refused_is_refused_at_once_and_not_kept(stage: SetupStage) -> None:
    with pytest.raises(Misconfigured, match=r"^--hostname: cars\.other\.org is not under the app's domain"):
        stage.run(hostname="cars.other.org")
    assert stage.tesla.calls == []
    assert load_notes(stage.folder).hostname in ("", HOST)
    stage.drive()
    assert stage.run()[0] == 0


def test_cars_connect_to_the_domain_also_after_it_was_changed(stage: SetupStage) -> None:
    stage.run(domain="first.example.net", steps=(Step.SERVER,))
    stage.run(steps=(Step.SERVER,))
    assert load_notes(stage.folder).hostname == HOST


def test_the_ca_that_was_given_once_is_the_cars_in_later_runs(stage: SetupStage) -> None:
    stage.drive()
    assert stage.run()[0] == 0
    code, outcomes = stage.run(ca=None)
    assert (code, {outcome.state for outcome in outcomes}) == (0, {StepState.DONE})
    assert stage.tesla.pushes == 1
    assert not (stage.folder.path / "certs").exists()


def test_the_ca_of_one_server_is_not_that_of_the_next(stage: SetupStage) -> None:
    stage.run(steps=(Step.SERVER, Step.ROAD_TEST))
    assert (stage.folder.path / "server-ca.pem").exists()
    stage.run(on="here", ca=None, steps=(Step.SERVER,), wait_s=0.0)
    assert not (stage.folder.path / "server-ca.pem").exists()


def test_a_push_whose_answer_was_lost_is_not_sent_again(stage: SetupStage) -> None:
    push = stage.tesla._push

    def lost(body: Any) -> tuple[int, Any]:
        stage.tesla._push = push  # type: ignore[method-assign]
        push(body)
        return 0, None

    stage.tesla._push = lost  # type: ignore[method-assign]
    stage.drive()
    assert stage.run()[0] == 0
    assert stage.tesla.pushes == 1


def test_a_push_that_did_not_arrive_is_sent_again(stage: SetupStage) -> None:
    stage.tesla.refuse("fleet_telemetry_config_jws", 503, "upstream", times=2)
    stage.drive()
    assert stage.run()[0] == 0
    assert stage.tesla.pushes == 1
    assert stage.tesla.cars[VIN].config is not None


def test_an_access_token_that_is_none_is_bad_usage(stage: SetupStage) -> None:
    stage.environment["TESLA_ACCESS_TOKEN"] = "two words"
    with pytest.raises(Misconfigured, match=r"^TESLA_ACCESS_TOKEN: holds characters that no token has"):
        stage.run(steps=(Step.LOGIN,))


@pytest.mark.parametrize("endpoint", ["register", "token", "_push"])
def test_a_full_disk_ends_the_step_in_whose_course_it_was_full_and_nothing_is_half(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    step = {"register": Step.REGISTRATION, "token": Step.LOGIN, "_push": Step.CONFIG}[endpoint]
    with mounted(tmp_path / "disk", "tmpfs") as disk, setup_stage(world, disk) as stage:
        name = "_register" if endpoint == "register" else endpoint
        answer = getattr(stage.tesla, name)

        def filling(*words: Any) -> Any:
            if endpoint != "token" or words[0].get("grant_type") == "refresh_token":
                fill(disk)
            return answer(*words)

        monkeypatch.setattr(stage.tesla, name, filling)
        stage.drive()
        code, outcomes = stage.run()
        assert (code, outcomes[-1].step, outcomes[-1].state) == (1, step, StepState.BLOCKED)
        assert "cannot be written: No space left on device" in outcomes[-1].says
        assert "make room" in outcomes[-1].remedy
        for path in disk.glob("state/*.json"):
            json.loads(path.read_text())
        monkeypatch.undo()
        (disk / "somebody-elses").unlink()
        assert stage.run()[0] == 0
        assert stage.tesla.pushes == 1
