"""`serve` with TESLAFAST_STATE: what is looked at and renewed, when, and what every refusal of Tesla's leads to."""

from __future__ import annotations

import shutil

import pytest
from teslafast.logs import JsonLines
from teslafast.onboarding.accounts import oauth_of
from teslafast.onboarding.setup_notes import load_notes, save_notes
from teslafast.onboarding.state_folder import TOKENS_FILE
from teslafast.onboarding.token_store import TokenStore, load_tokens
from teslafast.onboarding.upkeep_state import UPKEEP_FILE
from teslafast.setup_checks import SetupCheck

from tests.support.fake_tesla import FakeCar
from tests.support.upkeep_stage import DAY, HOUR, REPORT, ROAD, SNOW, Begin, check, logged, tesla

LIMIT = {"error": "account disabled: EXCEEDED_LIMIT"}


# ---- what is looked at, and when


def test_the_first_look_tells_of_login_key_and_config(begin: Begin) -> None:
    it = begin(tesla(ROAD))
    upkeep = it.started()
    upkeep.step()
    said = {one.name: (one.state, one.says) for one in upkeep.checks()}
    assert said["registration"] == ("done", "Tesla has the key (na)")
    assert said["login"][0] == "done"
    assert said["login"][1].startswith("logged in until 20")
    assert said["key_on_car"] == ("done", "key on the car")
    assert said["config"][0] == "done"
    gauges = upkeep.gauges()
    assert gauges.config_days is not None
    assert 299 < gauges.config_days <= 300
    assert gauges.login_days is not None
    assert 89 < gauges.login_days <= 90


def test_each_vehicle_is_looked_at_once_a_day_at_a_time_of_the_installations_own(begin: Begin) -> None:
    it = begin(tesla(ROAD, SNOW))
    upkeep = it.started()
    upkeep.step()
    it.heard.update({ROAD: it.now + 100 * DAY, SNOW: it.now + 100 * DAY})
    assert it.asked(f"{ROAD}/fleet_telemetry_config") == 1
    it.pass_time(upkeep, 10 * DAY)
    assert it.asked(f"{ROAD}/fleet_telemetry_config") in (10, 11)
    assert it.asked(f"{SNOW}/fleet_telemetry_config") in (10, 11)
    moments = {round((upkeep._state.looked - upkeep._time_of_day()) % DAY)}
    it.pass_time(upkeep, DAY)
    moments.add(round((upkeep._state.looked - upkeep._time_of_day()) % DAY))
    assert max(moments) < HOUR, "the first time that it woke after its time of day"


def test_a_restart_asks_nothing_that_is_known(begin: Begin) -> None:
    it = begin(tesla(ROAD))
    it.started().step()
    calls = len(it.tesla.calls)
    again = it.started()
    again.step()
    assert len(it.tesla.calls) == calls
    assert check(again, "config", ROAD).state == "done"


def test_a_vehicle_that_has_still_to_take_its_config_is_looked_at_hourly_for_three_days(begin: Begin) -> None:
    it = begin(tesla(ROAD))
    it.tesla.cars[ROAD].looks = 1000
    upkeep = it.started()
    upkeep.step()
    waiting = check(upkeep, "config", ROAD)
    assert (waiting.state, waiting.says) == ("waiting", "config sent, not taken yet")
    assert waiting.remedy == "open the Tesla app, or drive a little"
    it.pass_time(upkeep, 6 * HOUR)
    assert it.asked("fleet_telemetry_config") == 7
    it.pass_time(upkeep, 4 * DAY)
    asked = it.asked("fleet_telemetry_config")
    it.pass_time(upkeep, 4 * DAY)
    assert it.asked("fleet_telemetry_config") - asked <= 5


def test_a_change_of_the_folder_is_looked_at_at_once(begin: Begin) -> None:
    it = begin(tesla(ROAD, SNOW))
    notes = load_notes(it.folder)
    save_notes(it.folder, type(notes)(**{**vars(notes), "vins": [ROAD]}))
    upkeep = it.started()
    upkeep.step()
    assert it.asked(f"{SNOW}/fleet_telemetry_config") == 0
    save_notes(it.folder, notes)
    it.pass_time(upkeep, 60, 60)
    assert it.asked(f"{SNOW}/fleet_telemetry_config") == 1


def test_the_login_is_refreshed_at_least_once_a_week_and_by_nobody_else(begin: Begin) -> None:
    it = begin(tesla(ROAD))
    upkeep = it.started()
    upkeep.step()
    first = load_tokens(it.folder)
    it.pass_time(upkeep, 8 * DAY)
    second = load_tokens(it.folder)
    assert first is not None
    assert second is not None
    assert second.generation > first.generation
    assert it.now - second.obtained <= 7 * DAY


# ---- who keeps it


def test_without_a_login_nothing_is_asked(begin: Begin) -> None:
    it = begin(tesla(ROAD))
    it.folder.remove(TOKENS_FILE)
    upkeep = it.started()
    it.pass_time(upkeep, DAY)
    assert it.tesla.calls == []
    assert check(upkeep, "login") == SetupCheck("login", "missing", "nobody has logged in at Tesla", "teslafast setup")
    assert upkeep.gauges().login_days is None


def test_after_the_set_up_was_removed_nothing_of_it_is_shown_or_written_again(begin: Begin) -> None:
    it = begin(tesla(ROAD))
    upkeep = it.started()
    upkeep.step()
    shutil.rmtree(it.folder.path)
    it.pass_time(upkeep, 2 * DAY)
    assert {one.name for one in upkeep.checks()} == {"registration", "login"}
    assert upkeep.gauges().config_days is None
    assert not it.folder.exists


def test_a_folder_whose_tokens_were_handed_over_has_only_the_mark_and_is_left_alone(begin: Begin) -> None:
    it = begin(tesla(ROAD))
    TokenStore(it.folder, oauth_of(it.environment, it.folder)).forget("telemetry-k7q2")
    upkeep = it.started()
    it.pass_time(upkeep, DAY)
    assert it.tesla.calls == []
    assert check(upkeep, "login").says == "the login is kept alive by telemetry-k7q2"
    assert upkeep.gauges().login_days is None


@pytest.mark.parametrize(("app", "keeps"), [("telemetry-k7q2", True), ("another-app", False)])
def test_the_app_that_got_the_tokens_keeps_them_and_another_apps_copy_does_not(app: str, keeps: bool, begin: Begin) -> None:
    it = begin(tesla(ROAD))
    it.environment["FLY_APP_NAME"] = app
    tokens = it.folder.read_json(TOKENS_FILE) or {}
    it.folder.write_json(TOKENS_FILE, {**tokens, "owner": "telemetry-k7q2"})
    it.started().step()
    assert bool(it.tesla.calls) == keeps


def test_a_folder_that_is_handed_over_later_is_taken_up(begin: Begin) -> None:
    it = begin(tesla(ROAD))
    tokens = it.folder.read_json(TOKENS_FILE) or {}
    it.folder.remove(TOKENS_FILE)
    upkeep = it.started()
    upkeep.step()
    it.folder.write_json(TOKENS_FILE, tokens)
    it.pass_time(upkeep, 60, 60)
    assert check(upkeep, "config", ROAD).state == "done"


def test_a_folder_that_is_damaged_is_said_and_nothing_is_asked(begin: Begin) -> None:
    it = begin(tesla(ROAD))
    it.folder.write(TOKENS_FILE, b"{")
    upkeep = it.started()
    upkeep.step()
    assert it.tesla.calls == []
    assert "is damaged" in check(upkeep, "state").says


def test_of_two_processes_with_one_folder_one_asks_and_both_know_and_the_other_goes_on_when_it_ends(begin: Begin) -> None:
    it = begin(tesla(ROAD))
    first, second = it.started(), it.started()
    first.step()
    calls = len(it.tesla.calls)
    it.now += 3 * DAY
    second.step()
    assert len(it.tesla.calls) == calls
    assert check(second, "config", ROAD).state == "done"
    first._release()
    it.pass_time(second, 60, 60)
    assert len(it.tesla.calls) > calls


# ---- refusals


def test_a_billing_limit_stops_everything_for_hours(begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    it = begin(tesla(ROAD, SNOW))
    it.tesla.refuse("vehicles", 403, LIMIT)
    upkeep = it.started()
    upkeep.step()
    calls = len(it.tesla.calls)
    it.pass_time(upkeep, 5.9 * HOUR)
    assert len(it.tesla.calls) == calls
    assert it.asked("fleet_telemetry_config") == 1, "the second vehicle was not asked for, either"
    found = check(upkeep, "limit")
    assert (found.state, "billing limit" in found.remedy) == ("wrong", True)
    it.pass_time(upkeep, 2 * DAY)
    assert len(logged(caplog, "upkeep_paused")) == 1
    it.tesla.refusals.clear()
    it.pass_time(upkeep, 7 * HOUR)
    assert check(upkeep, "config", ROAD).state == "done"


def test_a_login_that_is_over_is_said_once_and_never_tried_again_until_somebody_logs_in(
    begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    it = begin(tesla(ROAD))
    it.tesla.refresh_token = it.tesla.last_used = "EU_of_another_process"
    it.now += 9 * HOUR
    upkeep = it.started()
    upkeep.step()
    calls = len(it.tesla.calls)
    it.pass_time(upkeep, 30 * DAY)
    assert len(it.tesla.calls) == calls
    assert check(upkeep, "login").state == "wrong"
    assert "teslafast login" in check(upkeep, "login").remedy
    assert len(logged(caplog, "upkeep_paused")) == 1
    it.folder.remove(TOKENS_FILE)
    TokenStore(it.folder, oauth_of(it.environment, it.folder), lambda: it.now).adopt("EU_of_another_process")
    it.pass_time(upkeep, 60, 60)
    assert check(upkeep, "login").state == "done"


@pytest.mark.parametrize(("status", "body"), [(500, "An unexpected error has occurred"), (429, "Retry in 60 seconds"), (0, "")])
def test_a_tesla_that_is_away_is_asked_less_and_less_often(status: int, body: str, begin: Begin) -> None:
    it = begin(tesla(ROAD))
    it.started().step()
    it.now += 2 * DAY
    it.tesla.refuse("fleet_telemetry_config", status, body)
    upkeep = it.started()
    upkeep.step()
    assert check(upkeep, "away").state == "waiting"
    assert check(upkeep, "config", ROAD).state == "done", "what was known stays"
    asked = it.asked("fleet_telemetry_config")
    it.pass_time(upkeep, 3 * DAY, 300)
    assert 10 <= it.asked("fleet_telemetry_config") - asked <= 20


def test_a_refusal_that_a_person_must_mend_is_told_in_one_line(begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    it = begin(tesla(ROAD))
    it.tesla.refuse("fleet_telemetry_config", 403, "Unauthorized missing scopes vehicle_location")
    upkeep = it.started()
    it.pass_time(upkeep, 2 * DAY)
    assert check(upkeep, "refused").state == "wrong"
    assert "scopes" in check(upkeep, "refused").remedy
    assert len(logged(caplog, "upkeep_paused")) == 1


def test_one_vehicle_that_tesla_does_not_find_keeps_no_other_from_being_seen(begin: Begin) -> None:
    it = begin(tesla(ROAD, SNOW))
    it.tesla.cars = {SNOW: it.tesla.cars[SNOW]}
    upkeep = it.started()
    upkeep.step()
    assert check(upkeep, "config", ROAD).state == "wrong"
    assert check(upkeep, "config", SNOW).state == "done"


# ---- what nobody must see


def test_no_secret_is_in_the_log_the_checks_or_the_files_of_the_upkeep(begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    it = begin(tesla(ROAD, days_left=30), secret=True)
    it.tesla.errors = [REPORT]
    upkeep = it.started()
    it.pass_time(upkeep, 2 * DAY)
    it.tesla.refuse("fleet_telemetry_config", 403, f"you sent {it.tesla.access_token}")
    it.pass_time(upkeep, DAY)
    seen = "\n".join(JsonLines().format(record) for record in caplog.records)
    seen += "\n".join(map(str, upkeep.checks())) + (it.folder.path / UPKEEP_FILE).read_text()
    assert "fleet_telemetry" in seen or "HTTP 403" in seen
    assert [one for one in it.tesla.secrets_known() if one in seen] == []
    assert (it.folder.path / UPKEEP_FILE).stat().st_mode & 0o777 == 0o600


def test_each_change_is_one_line(begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    it = begin(tesla(ROAD))
    upkeep = it.started()
    it.heard[ROAD] = it.now + 100 * DAY
    it.pass_time(upkeep, 5 * DAY)
    names = [(line["cause"], line["state"]) for line in logged(caplog, "setup_state")]
    assert sorted(names) == sorted(set(names))
    it.tesla.cars[ROAD] = FakeCar(config=None, rejects=True)
    it.pass_time(upkeep, 2 * DAY)
    assert [line["cause"] for line in logged(caplog, "setup_state")[len(names) :]] == ["config"]
