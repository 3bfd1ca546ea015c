"""What vehicles have reported to Tesla, in our own log while one of them is missing."""

from __future__ import annotations

import pytest

from tests.support.upkeep_stage import DAY, HOUR, REPORT, ROAD, SNOW, Begin, check, logged, tesla


def test_teslas_reports_are_asked_for_hourly_while_a_vehicle_is_missing_and_logged_once(
    begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    it = begin(tesla(ROAD), secret=True)
    it.tesla.errors = [REPORT, {**REPORT, "vin": SNOW, "txID": "2"}]
    upkeep = it.started()
    upkeep.step()
    it.heard[ROAD] = it.now
    it.pass_time(upkeep, 23 * HOUR)
    assert it.asked("fleet_telemetry_errors") == 0
    it.pass_time(upkeep, 5 * HOUR)
    assert 3 <= it.asked("fleet_telemetry_errors") <= 5
    (line,) = logged(caplog, "tesla_reported")
    assert (line["cause"], line["vin"]) == ("cloud_manager_error", ROAD)
    assert "teslafast doctor" in line["remedy"]
    assert upkeep.gauges().tesla_errors == {"cloud_manager_error": 1}
    assert check(upkeep, "silent", ROAD).state == "wrong"
    assert "webconnection error" in check(upkeep, "tesla_errors").says
    it.heard[ROAD] = it.now
    it.pass_time(upkeep, HOUR)
    assert [one for one in upkeep.checks() if one.name in ("silent",) or one.state == "wrong"] == []


def test_without_the_secret_teslas_reports_are_not_asked_for(begin: Begin) -> None:
    it = begin(tesla(ROAD))
    upkeep = it.started()
    it.pass_time(upkeep, 3 * DAY)
    assert it.asked("partner_accounts") == 0
    assert check(upkeep, "silent", ROAD).state == "wrong"


def test_names_that_vehicles_make_up_are_no_labels(begin: Begin) -> None:
    it = begin(tesla(ROAD), secret=True)
    it.tesla.errors = [{**REPORT, "error_name": f"made_up_{number}", "txID": str(number)} for number in range(50)]
    upkeep = it.started()
    it.pass_time(upkeep, 2 * DAY)
    assert upkeep.gauges().tesla_errors == {"other": 50}
