"""Names of fields as they are typed: known, misspelt, or newer than this version."""

import pytest
from teslafast.errors import Misconfigured
from teslafast.onboarding.field_names import nearest, unknown_fields
from teslafast.text import typing_errors


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("vehiclespeed", "VehicleSpeed"),
        ("VehicleSpeeed", "VehicleSpeed"),
        ("VehicelSpeed", "VehicleSpeed"),
        ("soc", "Soc"),
        ("Gaer", "Gear"),
        ("Locaton", "Location"),
        ("OutsideTmp", "OutsideTemp"),
    ],
)
def test_a_near_miss_is_refused_with_what_was_meant(typed: str, meant: str) -> None:
    assert nearest(typed) == meant
    with pytest.raises(Misconfigured, match=f"did you mean {meant}"):
        unknown_fields([typed])


@pytest.mark.parametrize("name", ["CabinHumidity", "LifetimeEnergyDischargedKwh", "SolarRoofPower", "Foo", "WiperMode2"])
def test_a_name_like_no_other_may_be_a_new_field(name: str) -> None:
    assert unknown_fields(["Soc", name]) == [name]


@pytest.mark.parametrize("name", ["", "foo", "Field_260", "Two Words", "Vehicle-Speed", "Unknown", "Gé", "X" * 65])
def test_what_is_not_written_as_a_field_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match="is not a field"):
        unknown_fields([name])


def test_the_fields_of_october_2026_are_known() -> None:
    assert unknown_fields(["GpsAccuracyMeters", "LifetimeEnergyChargedKwh", "GradeEstimatePercent"]) == []


@pytest.mark.parametrize(
    ("one", "other", "errors"), [("abcd", "abcd", 0), ("abcd", "abdc", 1), ("abcd", "acd", 1), ("ab", "cd", 2)]
)
def test_letters_added_left_out_mistaken_and_swapped_are_counted(one: str, other: str, errors: int) -> None:
    assert typing_errors(one, other, 3) == typing_errors(other, one, 3) == errors
