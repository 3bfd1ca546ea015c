"""QR codes: the same modules as another encoder draws, and lines that a reader of photographs reads."""

from __future__ import annotations

import re

import pytest
import segno
from hypothesis import given, settings
from hypothesis import strategies as st
from teslafast import qr_code

from tests.support.qr_reader import read_back

LINK = "https://teslafast-k7q2.fly.dev/#token=eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJwaG9uZSIsImlhdCI6MTc5NTY0OTk1NH0.dGhpcyBpcw"


@pytest.mark.parametrize("version", range(1, qr_code.LARGEST_VERSION + 1))
def test_every_version_and_mask_is_drawn_as_another_encoder_draws_it(version: int) -> None:
    text = (LINK * 8)[: qr_code.capacity(version)]
    for mask in range(8):
        other = segno.make_qr(text.encode(), error="L", boost_error=False, mode="byte", mask=mask)
        assert other.version == version
        assert qr_code.matrix(text, mask) == [[bool(module) for module in row] for row in other.matrix]


@pytest.mark.parametrize("coloured", [True, False])
def test_a_link_with_a_token_is_read_back_and_fits_into_80_columns(coloured: bool) -> None:
    drawn = qr_code.lines(LINK, coloured=coloured)
    assert read_back(drawn) == LINK
    assert {len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in drawn} == {len(qr_code.matrix(LINK)) + 2 * qr_code.QUIET}
    assert len(qr_code.matrix(LINK)) + 2 * qr_code.QUIET <= 80
    assert all("\x1b" in line for line in drawn) == coloured


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=400))
@settings(max_examples=25, deadline=None)
def test_whatever_is_drawn_is_read_back(text: str) -> None:
    assert read_back(qr_code.lines(text, coloured=True)) == text


def test_the_mask_is_the_one_with_the_least_penalty() -> None:
    assert qr_code.matrix(LINK) == min((qr_code.matrix(LINK, mask) for mask in range(8)), key=qr_code.penalty)


def test_a_text_that_is_too_long_is_refused() -> None:
    most = qr_code.capacity(qr_code.LARGEST_VERSION)
    assert read_back(qr_code.lines("x" * most, coloured=True)) == "x" * most
    with pytest.raises(ValueError, match=f"{most + 1} bytes are too many for a QR code of {most}"):
        qr_code.matrix("x" * (most + 1))
