"""Which texts can name a vehicle."""

from __future__ import annotations

import pytest
from teslafast.vin import is_vin


@pytest.mark.parametrize("text", ["5YJ3E1EA7KF000001", "device-1", "a", "a_b", "x" * 64])
def test_a_short_word_of_letters_digits_dash_and_underscore_is_a_vin(text: str) -> None:
    assert is_vin(text)


@pytest.mark.parametrize("text", ["", "-", "a b", "a/b", "a.b", "*", "é", "x" * 65, "a\n", '"', "a,b"])
def test_any_other_text_is_not_a_vin(text: str) -> None:
    assert not is_vin(text)
