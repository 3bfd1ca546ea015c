"""Presets and their cost: fields that exist, intervals that build on one another, an estimate from how fields change."""

import pytest
from teslafast.dashboards.teslamate_rows import ROW_FIELDS
from teslafast.onboarding import presets
from teslafast.protocol.signals import FIELDS


def test_every_field_of_every_preset_is_one_that_cars_have() -> None:
    for fields in presets.PRESETS.values():
        assert set(fields) <= set(presets.OF_CARS)
    assert set(presets.CHANGE_RATES) <= set(FIELDS)


def test_the_preset_everything_omits_only_unused_numbers_and_fields_of_trucks() -> None:
    left_out = set(FIELDS) - set(presets.PRESETS["everything"])
    assert all(
        field.startswith(("Unknown", "Deprecated_", "Experimental_", "Semi", "LifetimeEnergyUsedDrive")) for field in left_out
    )
    assert len(presets.PRESETS["everything"]) == 245


def test_the_presets_cost_what_the_documentation_says() -> None:
    costs = {name: round(presets.dollars_a_month(fields), 2) for name, fields in presets.PRESETS.items()}
    assert costs == {"minimal": 0.05, "driving": 3.2, "charging": 0.38, "teslamate": 3.58, "everything": 7.69}
    assert all(cost < presets.MONTHLY_CREDIT for cost in costs.values())


def test_every_preset_has_the_fields_of_minimal_at_least_as_often() -> None:
    for name in ("driving", "charging", "teslamate", "everything"):
        for field, interval in presets.PRESETS["minimal"].items():
            assert presets.PRESETS[name][field] <= interval


def test_the_preset_teslamate_asks_for_whatever_a_row_or_a_rest_answer_of_teslamates_door_is_made_of() -> None:
    asked = presets.PRESETS["teslamate"]
    assert set(asked) >= ROW_FIELDS
    assert {"IdealBatteryRange", "ChargeAmps", "ChargerVoltage", "ACChargingEnergyIn", "DCChargingEnergyIn"} <= set(asked)
    assert all(asked[field] <= interval for field, interval in presets.PRESETS["driving"].items())


def test_a_field_that_moves_with_the_car_is_billed_for_every_interval_of_driving() -> None:
    assert presets.signals_a_month({"VehicleSpeed": 1}) == 30 * 3600 + 60
    assert presets.signals_a_month({"VehicleSpeed": 10}) == 30 * 360 + 60


def test_a_field_is_not_billed_more_often_than_it_changes() -> None:
    assert presets.signals_a_month({"Soc": 1}) == presets.signals_a_month({"Soc": 30})
    assert presets.signals_a_month({"Locked": 1}) == presets.signals_a_month({"Locked": 3600})


def test_a_field_without_a_known_change_rate_counts_as_seldom() -> None:
    assert presets.signals_a_month({"SunroofInstalled": 1}) == presets.SELDOM.changes


def test_a_dollar_is_150_000_signals() -> None:
    speed = {"VehicleSpeed": 1.0}
    assert presets.dollars_a_month(speed) == pytest.approx(presets.signals_a_month(speed) / 150_000)
