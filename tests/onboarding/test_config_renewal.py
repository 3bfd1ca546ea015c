"""A config that ends is renewed: with what, by whom, and what is said where it cannot be."""

from __future__ import annotations

import pytest
from teslafast.onboarding.signed_configs import load_signed

from tests.support.upkeep_stage import CONFIG, DAY, HOUR, ROAD, SNOW, Begin, check, logged, tesla


def test_sixty_days_before_its_end_a_config_is_renewed_with_the_next_that_was_signed_and_only_once(
    begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    it = begin(tesla(ROAD, days_left=61.5))
    upkeep = it.started()
    upkeep.step()
    assert it.tesla.pushes == 0
    it.pass_time(upkeep, 3 * DAY)
    second = load_signed(it.folder)[1]
    config = it.tesla.cars[ROAD].config
    assert it.tesla.pushes == 1
    assert config is not None
    assert config == {**CONFIG, "exp": second.exp}
    assert upkeep.gauges().renewals == {"renewed": 1}
    assert check(upkeep, "config", ROAD).state == "done"
    assert [(line["vin"], line["days"]) for line in logged(caplog, "config_renewed")] == [
        (ROAD, round((second.exp - it.now) / DAY))
    ] or (len(logged(caplog, "config_renewed")) == 1)


def test_a_config_that_has_ended_while_the_server_was_off_is_renewed(begin: Begin) -> None:
    it = begin(tesla(ROAD, days_left=-1))
    upkeep = it.started()
    upkeep.step()
    assert it.tesla.pushes == 1


def test_many_vehicles_are_renewed_in_one_request(begin: Begin) -> None:
    it = begin(tesla(ROAD, SNOW, days_left=30))
    upkeep = it.started()
    upkeep.step()
    assert it.tesla.pushes == 1
    assert upkeep.gauges().renewals == {"renewed": 2}


def test_the_key_signs_anew_what_no_signed_config_says(begin: Begin) -> None:
    at = tesla(ROAD, days_left=30)
    it = begin(at, key=True)
    changed = {**CONFIG, "fields": {"Soc": {"interval_seconds": 30}}, "exp": int(it.now + 30 * DAY)}
    at.cars[ROAD].config = changed
    it.started().step()
    config = at.cars[ROAD].config
    assert config is not None
    assert config["fields"] == {"Soc": {"interval_seconds": 30}}
    assert config["exp"] > it.now + 300 * DAY


def test_without_the_key_an_older_config_keeps_it_streaming_and_the_log_says_so(
    begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    at = tesla(ROAD, days_left=30)
    it = begin(at)
    at.cars[ROAD].config = {**CONFIG, "fields": {"Soc": {"interval_seconds": 30}}, "exp": int(it.now + 30 * DAY)}
    it.started().step()
    assert (at.cars[ROAD].config or {})["fields"] == CONFIG["fields"]
    assert [line["vin"] for line in logged(caplog, "config_signed_earlier")] == [ROAD]


def test_with_neither_the_list_says_what_to_do_and_nothing_is_sent(begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    it = begin(tesla(ROAD, days_left=30), signed=False)
    upkeep = it.started()
    it.pass_time(upkeep, 5 * DAY)
    assert it.tesla.pushes == 0
    assert "run `teslafast setup`" in check(upkeep, "renewal", ROAD).says
    assert set(upkeep.gauges().renewals) == {"refused"}
    assert len(logged(caplog, "config_not_renewed")) == 1


def test_a_config_of_another_key_than_teslas_is_not_sent(begin: Begin) -> None:
    at = tesla(ROAD, days_left=30)
    at.registered = {"na": "04" + "00" * 64}
    it = begin(at, secret=True)
    upkeep = it.started()
    upkeep.step()
    assert at.pushes == 0
    assert "another key than Tesla has" in check(upkeep, "renewal", ROAD).says


def test_with_the_secret_the_right_key_is_compared_and_sent(begin: Begin) -> None:
    it = begin(tesla(ROAD, days_left=30), secret=True)
    it.started().step()
    assert it.asked("partner_accounts/public_key") == 1
    assert it.tesla.pushes == 1


def test_a_vehicle_that_tesla_skips_is_told_with_teslas_reason(begin: Begin) -> None:
    at = tesla(ROAD, days_left=30)
    at.cars[ROAD].skipped = "max_configs"
    it = begin(at)
    upkeep = it.started()
    upkeep.step()
    assert "too many apps" in check(upkeep, "renewal", ROAD).says
    assert upkeep.gauges().renewals == {"skipped": 1}


def test_a_config_that_is_gone_is_said_and_not_sent_again(begin: Begin) -> None:
    at = tesla(ROAD, days_left=30)
    it = begin(at)
    at.cars[ROAD].config = None
    upkeep = it.started()
    upkeep.step()
    assert at.pushes == 0
    assert check(upkeep, "config", ROAD).state in ("missing", "wrong")


def test_while_tesla_cannot_say_its_key_nothing_is_renewed_and_then_it_is(begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    it = begin(tesla(ROAD, days_left=59), secret=True)
    it.tesla.refuse("partner_accounts/public_key", 503, "upstream", times=1)
    upkeep = it.started()
    upkeep.step()
    assert it.tesla.pushes == 0
    assert logged(caplog, "config_not_renewed")
    it.pass_time(upkeep, HOUR)
    assert it.tesla.pushes == 1


def test_a_secret_that_is_no_longer_good_ends_no_stream_but_is_said(begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    it = begin(tesla(ROAD, days_left=59), secret=True)
    it.tesla.refuse("token client", 400, "unauthorized_client")
    it.started().step()
    assert it.tesla.pushes == 1
    (line,) = logged(caplog, "key_not_compared")
    assert "begins with ta-secret." in line["remedy"]
