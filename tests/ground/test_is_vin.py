"""Which texts can name a vehicle."""

from __future__ import annotations

import pytest
from teslafast.vin import is_vin, mended_vin


@pytest.mark.parametrize("text", ["5YJ3E1EA7KF000001", "device-1", "a", "a_b", "x" * 64])
def test_a_short_word_of_letters_digits_dash_and_underscore_is_a_vin(text: str) -> None:
    assert is_vin(text)


@pytest.mark.parametrize("text", ["", "-", "a b", "a/b", "a.b", "*", "é", "x" * 65, "a\n", '"', "a,b"])
def test_any_other_text_is_not_a_vin(text: str) -> None:
    assert not is_vin(text)


@pytest.mark.parametrize(
    ("text", "vin"),
    [
        (" 5yj3e1ea7kf000001\r", "5YJ3E1EA7KF000001"),
        ("device-1", "device-1"),
        ("Device-2 ", "Device-2"),
        ("a b", "a b"),
        ("", ""),
    ],
)
def test_a_vin_is_mended_and_a_shorter_name_keeps_its_case(text: str, vin: str) -> None:
    assert mended_vin(text) == vin
