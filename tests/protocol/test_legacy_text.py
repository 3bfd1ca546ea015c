"""Old firmware's texts are taken as Go's standard library takes them: held against answers that were recorded from it."""

import json

import pytest
from teslafast.protocol import _wire
from teslafast.protocol.legacy_text import away_from_tie, position

from tests.support import DATA

RECORDED = json.loads((DATA / "go_texts.json").read_text())["texts"]


@pytest.mark.parametrize(("text", "expected"), [(text, place) for text, place, _ in RECORDED if text.startswith("(")])
def test_a_position_is_read_as_go_scans_it(text: str, expected: list[str] | None) -> None:
    assert repr(position(text)) == repr(None if expected is None else tuple(float(number) for number in expected))


@pytest.mark.parametrize(("text", "expected"), [(text, corrected) for text, _, corrected in RECORDED])
def test_a_number_is_rewritten_as_go_rewrites_it(text: str, expected: str) -> None:
    payload = _wire.write_record(b"V", {"data": [{"key": "BrakePedalPos", "value": {"stringValue": text}}]})
    assert _wire.read_record(b"V", payload, "VIN").body["data"] == {"BrakePedalPos": expected}


@pytest.mark.parametrize("power", ["9" * 5000, "-" + "9" * 5000, "9223372036854775808"])
def test_a_power_beyond_gos_integers_makes_no_position(power: str) -> None:
    assert position(f"(1p{power} N, 1 E)") is None


def test_a_power_with_thousands_of_zeros_in_front_is_small() -> None:
    assert position(f"(1p{'0' * 5000}1 S, 0x1p{'0' * 5000}1 W)") == (-2.0, -2.0)


@pytest.mark.parametrize(
    ("text", "side"), [("16777217.0", 0), ("16777217.00000000001", 1), ("16777216.99999999999", -1), ("1.6777217e7", 0)]
)
def test_a_double_between_two_singles_says_where_its_text_was(text: str, side: int) -> None:
    moved = away_from_tie(text, 16777217.0)
    assert (moved > 16777217.0) - (moved < 16777217.0) == side
