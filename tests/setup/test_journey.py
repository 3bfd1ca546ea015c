"""The whole set-up: from nothing to a streaming car without a person, a second run, and what it leaves behind."""

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from teslafast.onboarding.refusals_of_tesla import Step
from teslafast.onboarding.setup_notes import load_notes
from teslafast.onboarding.signed_configs import load_signed
from teslafast.setup.journey import go
from teslafast.setup.outcome import StepState
from teslafast.setup.portal_step import application_name, portal_values
from teslafast.setup.steps import SETUP_STEPS

from tests.support.certificates import HOST, World
from tests.support.fake_tesla import FakeCar
from tests.support.setup_stage import FIRST_REFRESH_TOKEN, OTHER, VIN, SetupStage, setup_stage


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Iterator[SetupStage]:
    with setup_stage(world, tmp_path) as running:
        yield running


def test_without_a_person_every_step_is_done_and_the_car_streams(stage: SetupStage) -> None:
    stage.while_waiting = lambda passed: stage.drive()
    code, outcomes = stage.run()
    assert code == 0, outcomes
    assert [outcome.step for outcome in outcomes] == list(Step)
    config = stage.tesla.cars[VIN].config
    assert config is not None
    assert config["hostname"] == HOST
    assert stage.tesla.registered.keys() == {"na", "eu"}  # the owner's region, too, although nobody named it
    assert "71.2" in outcomes[10].says


def test_a_second_run_on_a_finished_set_up_changes_nothing(stage: SetupStage) -> None:
    stage.drive()
    assert stage.run()[0] == 0
    before = {path.name: path.read_bytes() for path in stage.folder.path.iterdir() if path.is_file()}
    pushes, refreshed, asked = stage.tesla.pushes, stage.tesla.refreshed, len(stage.tesla.calls)
    code, outcomes = stage.run()
    assert code == 0
    assert {outcome.state for outcome in outcomes} == {StepState.DONE}
    assert (stage.tesla.pushes, stage.tesla.refreshed) == (pushes, refreshed) == (1, 1)
    assert len(stage.tesla.calls) - asked <= 12
    after = {path.name: path.read_bytes() for path in stage.folder.path.iterdir() if path.is_file()}
    assert after == before


def test_no_secret_is_printed_or_kept_where_it_does_not_belong(stage: SetupStage) -> None:
    stage.drive()
    _, outcomes = stage.run()
    seen = "\n".join([*stage.printed, *(f"{outcome} {outcome.row}" for outcome in outcomes), stage.inside.lines.text])
    seen += (stage.folder.path / "state.json").read_text() + (stage.folder.path / "configs.jws").read_text()
    for secret in [*stage.tesla.secrets_known(), FIRST_REFRESH_TOKEN, stage.environment["JWT_SECRET"]]:
        assert secret not in seen
    assert VIN not in "".join(str(outcome.row) for outcome in outcomes)
    assert not (stage.folder.path / "client_secret").exists()  # it came from the environment
    for path in stage.folder.path.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_configs_for_the_next_29_months_are_signed_for_the_server(stage: SetupStage) -> None:
    stage.drive()
    stage.run()
    signed = load_signed(stage.folder)
    assert [one.vins for one in signed] == [(VIN,)] * 3
    assert [round((later.exp - sooner.exp) / 86400) for sooner, later in pairwise(signed)] == [275, 275]


def test_it_goes_on_where_it_stopped(stage: SetupStage) -> None:
    stage.tesla.cars[VIN].paired = False
    code, outcomes = stage.run(wait_s=0.0)
    assert (code, outcomes[-1].step, outcomes[-1].state) == (3, Step.PAIRING, StepState.WAITING)
    assert f"https://tesla.com/_ak/{HOST}" in outcomes[-1].remedy
    stage.tesla.cars[VIN].paired = True
    stage.drive()
    assert stage.run()[0] == 0


def test_the_phone_is_waited_for_and_shown_a_qr_code(stage: SetupStage) -> None:
    stage.tesla.cars[VIN].paired, stage.tesla.cars[VIN].pairs_after = False, 3
    stage.drive()
    assert stage.run()[0] == 0
    assert any(f"https://tesla.com/_ak/{HOST}?vin={VIN}" in line for line in stage.printed)
    assert any("▀" in line or "▄" in line for line in stage.printed)


def test_a_sleeping_car_is_waited_for_and_gets_one_push(stage: SetupStage) -> None:
    stage.tesla.cars[VIN].looks = 5
    stage.drive()
    assert stage.run()[0] == 0
    assert stage.tesla.pushes == 1


def test_a_car_that_has_not_taken_its_config_is_not_sent_it_again(stage: SetupStage) -> None:
    stage.tesla.cars[VIN].looks = 1000
    stage.drive()
    assert [stage.run(wait_s=0.0)[0] for _ in range(2)] == [3, 3]
    assert stage.tesla.pushes == 1


@pytest.mark.parametrize("change", [{"preset": "minimal"}, {"fields": ("Soc=10",)}])
def test_another_wish_is_sent_and_then_kept(stage: SetupStage, change: dict[str, object]) -> None:
    stage.drive()
    stage.run()
    assert stage.run(**change)[0] == 0
    assert stage.run()[0] == 0
    assert stage.tesla.pushes == 2


def test_a_dry_run_and_a_status_change_nothing(stage: SetupStage, tmp_path: Path) -> None:
    stage.folder.path.rename(tmp_path / "away")
    for dry_run in (True, False):
        code, outcomes = stage.run(look_only=True, dry_run=dry_run, wait_s=0.0)
        assert code == 3
        assert len(outcomes) == 12
    assert not stage.folder.exists
    assert stage.tesla.pushes == 0
    assert not stage.tesla.registered


def test_only_the_steps_that_were_asked_for_are_gone_through(stage: SetupStage) -> None:
    code, outcomes = stage.run(steps=(Step.PORTAL, Step.REGISTRATION))
    assert (code, [outcome.step for outcome in outcomes]) == (0, [Step.PORTAL, Step.REGISTRATION])


def test_a_person_is_asked_for_what_is_missing(stage: SetupStage) -> None:
    for name in ("TESLA_CLIENT_ID", "TESLA_CLIENT_SECRET"):
        del stage.environment[name]
    stage.answers = {"Client ID": stage.tesla.client_id, "Client Secret": stage.tesla.client_secret, "Which vehicle?": "2"}
    stage.tesla.cars[OTHER] = FakeCar("Snow")
    stage.drive(OTHER)
    assert stage.run(yes=False)[0] == 0
    assert stage.tesla.cars[OTHER].config is not None
    assert stage.tesla.cars[VIN].config is None
    assert (stage.folder.path / "client_secret").read_text().strip() == stage.tesla.client_secret
    assert any("Allowed Redirect URI  http://localhost:8765/callback" in line for line in stage.printed)


def test_with_yes_and_no_vin_all_vehicles_are_taken(stage: SetupStage) -> None:
    stage.tesla.cars[OTHER] = FakeCar("Snow")
    stage.drive()
    stage.drive(OTHER)
    assert stage.run()[0] == 0
    assert all(car.config is not None for car in stage.tesla.cars.values())


def test_nobody_is_asked_twice_for_what_was_decided(stage: SetupStage) -> None:
    stage.tesla.refuse("token client", 503, "upstream")
    stage.answers = {"Where will": "3", "Its address": stage.url, "The name under": HOST}
    stage.run(yes=False, on="", domain="", wait_s=0.0)
    stage.answers, stage.printed[:] = {}, []
    assert stage.run(yes=False, on="", domain="", port=0, wait_s=0.0)[1][1].state is StepState.DONE
    assert not any(line.startswith(("Where will", "Its address", "The name under")) for line in stage.printed)
    assert load_notes(stage.folder).port == stage.inside.place.vehicle_port


def test_a_domain_that_was_pasted_as_an_origin_is_taken_as_tesla_wants_it(stage: SetupStage) -> None:
    stage.run(domain=f"HTTPS://{HOST.upper()}/", steps=(Step.APP_KEY, Step.SERVER, Step.PORTAL, Step.REGISTRATION))
    assert load_notes(stage.folder).domain == HOST
    assert stage.tesla.registered


def test_a_mistyped_answer_is_asked_for_again(stage: SetupStage) -> None:
    typed = iter(["http://road.example.com", "here", stage.url])
    domains = iter(["nas.local", "https://localhost", HOST])

    def ask(question: str, default: str, secret: bool) -> str:
        stage.printed.append(question)
        if question.startswith("Where will"):
            return "3"
        return next(typed) if question.startswith("Its address") else next(domains)

    context = stage.context(on="", domain="", yes=False, steps=(Step.APP_KEY, Step.SERVER))
    context.console = replace(context.console, ask=ask)
    assert [outcome.state for outcome in go(SETUP_STEPS, context)] == [StepState.DONE, StepState.DONE]
    assert (context.notes.url, context.notes.domain) == (stage.url, HOST)
    assert sum("✗" in line for line in stage.printed) == 4


def test_each_c_copies_the_next_line_for_the_portal_and_a_question_mark_explains_its_words(stage: SetupStage) -> None:
    for name in ("TESLA_CLIENT_ID", "TESLA_CLIENT_SECRET"):
        del stage.environment[name]
    copied: list[str] = []
    answers = iter(["c", "c", "?", stage.tesla.client_id, stage.tesla.client_secret])
    context = stage.context(yes=False, steps=(Step.PORTAL,))
    context.console = replace(context.console, copy=copied.append, ask=lambda question, default, secret: next(answers))
    assert [outcome.state for outcome in go(SETUP_STEPS, context)] == [StepState.ACTED]
    assert copied == [application_name(HOST), "Streams my own vehicle's data to my own server"]
    assert any("Domain is not valid" in line and f"https://{HOST}" in line for line in stage.printed)


def test_a_callback_elsewhere_stands_in_both_lines_of_the_portal(stage: SetupStage) -> None:
    context = stage.context(redirect="https://road.example.com/callback")
    values = dict(portal_values(context))
    assert values["Allowed Returned URL"] == values["Allowed Redirect URI"] == "https://road.example.com/callback"


def test_a_phone_that_is_still_waiting_is_waited_for(stage: SetupStage) -> None:
    stage.tesla.cars[VIN].paired, stage.tesla.cars[VIN].pairs_after = False, 12
    stage.drive()
    assert stage.run(yes=False)[0] == 0  # a line that is only ended is no word of the phone's
    assert sum(line.startswith("What does the phone say?") for line in stage.printed) == 1


def test_what_the_phone_says_names_the_step_to_do_over(stage: SetupStage) -> None:
    stage.tesla.cars[VIN].paired = False
    stage.answers = {"What does the phone say?": "2"}
    code, outcomes = stage.run(yes=False)
    assert (code, outcomes[-1].again) == (3, Step.LOGIN)


def test_a_field_that_this_version_does_not_know_is_sent_with_a_word_about_it(stage: SetupStage) -> None:
    stage.drive()
    assert stage.run(fields=("SolarRoofPower=30",))[0] == 0
    config = stage.tesla.cars[VIN].config
    assert config is not None
    assert config["fields"]["SolarRoofPower"] == {"interval_seconds": 30}
    assert any("SolarRoofPower is not a field that this version knows" in line for line in stage.printed)
    assert stage.run()[0] == 0  # and it is remembered
    assert stage.tesla.pushes == 1


@pytest.mark.parametrize("days", [10, 59])
def test_a_config_that_ends_soon_is_sent_again(stage: SetupStage, days: int) -> None:
    stage.drive()
    stage.run()
    config = stage.tesla.cars[VIN].config
    assert config is not None
    config["exp"] = int(time.time()) + days * 86400
    assert stage.run()[0] == 0
    assert stage.tesla.pushes == 2


def test_the_steps_at_tesla_need_no_server(stage: SetupStage) -> None:
    code, outcomes = stage.run(on="", steps=tuple(Step)[2:10])
    assert code == 0, outcomes
    assert stage.tesla.pushes == 1
