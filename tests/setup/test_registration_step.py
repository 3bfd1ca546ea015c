"""Step 4 in two regions: one success is enough, and a region that does not answer is a note."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from teslafast.onboarding.refusals_of_tesla import Step
from teslafast.onboarding.tesla_hosts import TeslaHosts
from teslafast.setup.outcome import StepState

from tests.support.certificates import World
from tests.support.setup_stage import SetupStage, setup_stage

ONLY = (Step.REGISTRATION,)
LAG = 412, {"response": None, "error": "Root domain x must match registered allowed origin on https://developer.tesla.com/x"}
UNFETCHED = 424, {"response": None, "error": "Public key download failed for https://x, error: no such host"}
TAKEN = 422, {"response": None, "error": "Validation failed: Public key hash has already been taken"}
NO_ANSWER = 0, None


@pytest.fixture
def stage(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SetupStage]:
    """Each region has an address of its own, as Tesla's have."""
    with setup_stage(world, tmp_path) as running:
        monkeypatch.setattr(TeslaHosts, "bases", lambda hosts: dict(running.tesla.bases))
        yield running


def refuse(stage: SetupStage, times: int = 1 << 30, **answers: tuple[int, Any]) -> None:
    """From now on, a region answers so to a registration; with nothing at all, to any question."""
    answer: Callable[..., tuple[int, Any]] = stage.tesla.api
    left = dict.fromkeys(answers, times)

    def api(region: str, method: str, path: str, *rest: Any) -> tuple[int, Any]:
        asked = method == "POST" or answers.get(region) == NO_ANSWER
        if region in answers and "partner_accounts" in path and asked and left[region] > 0:
            left[region] -= 1
            return answers[region]
        return answer(region, method, path, *rest)

    stage.tesla.api = api  # type: ignore[method-assign,assignment]


def test_both_regions_are_registered(stage: SetupStage) -> None:
    code, outcomes = stage.run(steps=ONLY)
    assert (code, set(stage.tesla.registered)) == (0, {"na", "eu"})
    assert "; not in" not in outcomes[-1].says


@pytest.mark.parametrize("answer", [NO_ANSWER, LAG, UNFETCHED])
def test_a_region_that_does_not_take_the_app_is_a_note_and_is_not_waited_for(stage: SetupStage, answer: tuple[int, Any]) -> None:
    refuse(stage, na=answer)
    code, outcomes = stage.run(steps=ONLY)
    assert (code, set(stage.tesla.registered), stage.slept) == (0, {"eu"}, [])
    assert f"; not in {stage.tesla.bases['na'].partition('://')[2]}" in outcomes[-1].says


def test_where_no_region_takes_it_the_one_that_may_is_waited_for(stage: SetupStage) -> None:
    refuse(stage, 3, eu=LAG)
    refuse(stage, na=UNFETCHED)
    assert stage.run(steps=ONLY)[0] == 0
    assert set(stage.tesla.registered) == {"eu"}
    assert stage.slept


def test_where_no_region_answers_the_run_ends_with_what_it_saw(stage: SetupStage) -> None:
    refuse(stage, na=NO_ANSWER, eu=NO_ANSWER)
    code, outcomes = stage.run(steps=ONLY)
    assert (code, outcomes[-1].state) == (3, StepState.WAITING)
    assert "no answer" in outcomes[-1].says
    assert sum(stage.slept) == 60.0


def test_a_refusal_for_good_ends_it_although_the_other_region_took_it(stage: SetupStage) -> None:
    refuse(stage, eu=TAKEN)
    code, outcomes = stage.run(steps=ONLY)
    assert (code, outcomes[-1].state, stage.slept) == (1, StepState.BLOCKED, [])
    assert "registered for another app" in outcomes[-1].says


def test_the_owners_region_has_to_take_it(stage: SetupStage) -> None:
    stage.drive()
    assert stage.run()[0] == 0  # the owner's is Europe
    stage.tesla.registered.pop("eu")
    refuse(stage, eu=LAG)
    code, outcomes = stage.run(steps=ONLY)
    assert (code, outcomes[-1].again) == (3, Step.PORTAL)
