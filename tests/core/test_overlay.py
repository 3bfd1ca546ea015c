"""A message's values over the last known ones: the same as what two dicts' `update` would do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from teslafast.core._overlay import overlay

NAMES = some.text(max_size=3)


@given(some.dictionaries(NAMES, some.integers()), some.dictionaries(NAMES, some.integers() | some.text() | some.none()))
def test_it_is_two_updates(known: dict[str, Any], data: dict[str, Any]) -> None:
    values, times = dict(known), dict.fromkeys(known, 1)
    overlay(values, times, data, 2)
    assert list(values.items()) == list((known | data).items())
    assert list(times.items()) == list((dict.fromkeys(known, 1) | dict.fromkeys(data, 2)).items())


@pytest.mark.parametrize("at", range(3))
def test_it_takes_dicts_only(at: int) -> None:
    arguments: list[Any] = [{}, {}, {}, 1]
    arguments[at] = None
    with pytest.raises(TypeError):
        overlay(arguments[0], arguments[1], arguments[2], arguments[3])
