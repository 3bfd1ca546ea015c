"""The VINs of test vehicles: every checker accepts them, and every reader sees that they are tests."""

import pytest
from teslafast.vin import check_digit, sample_vin


def test_a_sample_vin_has_17_characters_a_valid_check_digit_and_the_word_test() -> None:
    vins = [sample_vin(number) for number in (0, 1, 2, 10, 999_999)]
    assert len(set(vins)) == 5
    for vin in vins:
        assert len(vin) == 17
        assert "TEST" in vin
        assert not set(vin) & set("IOQ")
        assert check_digit(vin) == vin[8]
    with pytest.raises(ValueError, match="not one of them"):
        sample_vin(1_000_000)


def test_check_digits_of_published_vins_are_reproduced() -> None:
    assert check_digit("1M8GDM9AXKP042788") == "X"
    assert check_digit("11111111111111111") == "1"
    assert check_digit("5GZCZ43D13S812715") == "1"
