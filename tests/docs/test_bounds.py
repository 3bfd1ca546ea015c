"""SECURITY.md tells the bounds that the code has."""

from __future__ import annotations

import re

import pytest
from teslafast.server.bounds import BOUNDS, Bound

from tests.support.documents import rows


def documented() -> dict[tuple[str, str], str]:
    """(who, what) → the bound's text; a row without a `who` has that of the row above."""
    found, who = {}, ""
    for cells in rows("| who | what | bound | then |"):
        who = cells[0] or who
        found[who, cells[1]] = cells[2]
    return found


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: f"{bound.who}: {bound.what}: {bound.shown}")
def test_the_bound_stands_in_its_row(bound: Bound) -> None:
    text = documented()[bound.who, bound.what]
    assert re.search(rf"(?<![\d,.]){re.escape(bound.shown)}(?![\d,.]\d)", text), text


@pytest.mark.parametrize("row", sorted(documented()), ids=": ".join)
def test_no_row_has_a_number_that_the_code_does_not_have(row: tuple[str, str]) -> None:
    text = re.sub(r"`[^`]*`|/64|IPv6|\d ×", "", documented()[row])
    numbers = {bound.shown.split()[0] for bound in BOUNDS if (bound.who, bound.what) == row}
    assert set(re.findall(r"\d[\d,.]*\d|\d", text)) == numbers
