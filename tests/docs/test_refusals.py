"""The documents tell every HTTP answer and every cause of a refusal, and no others."""

from __future__ import annotations

import re
from http import HTTPStatus

import pytest
from teslafast.close_reasons import CLOSE_REASONS, PROTOCOL_VIOLATION
from teslafast.refusals import OF_VEHICLES, REFUSALS, Refusal
from teslafast.server import tls_errors

from tests.support.documents import rows

PAGES = {HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED, HTTPStatus.PERMANENT_REDIRECT}
BY_PICOWS = {1002, 1009}  # frames that break RFC 6455, and a dashboard's frame over its limit


def test_every_http_status_is_in_the_table_and_no_other() -> None:
    documented = {int(cells[0]) for cells in rows("| HTTP | when |")}
    assert documented == {refusal.status for refusal in REFUSALS} | PAGES


def test_every_close_code_is_in_the_table_and_no_other() -> None:
    documented = {int(cells[0]) for cells in rows("| close code | why |")}
    assert documented == {reason.code for reason in CLOSE_REASONS} | BY_PICOWS
    assert PROTOCOL_VIOLATION not in {reason.cause for reason in CLOSE_REASONS}, "picows closes then, not we"


def documented_causes(event: str) -> set[str]:
    """The causes of an event in the table of troubleshooting."""
    table = rows("| event | cause | what it means | what to do |")
    return {cause for cells in table if cells[0] == f"`{event}`" for cause in re.findall(r"`(\w+)`", cells[1])}


def test_every_cause_of_a_failed_handshake_is_in_the_table_and_no_other() -> None:
    assert documented_causes("tls_failed") == tls_errors.CAUSES


def test_every_cause_for_which_a_vehicle_is_refused_is_in_the_table_and_no_other() -> None:
    assert documented_causes("request_refused") == {refusal.cause for refusal in OF_VEHICLES}


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.cause)
def test_a_refusal_says_what_it_means_and_what_to_do_in_words_that_fit_an_answer(refusal: Refusal) -> None:
    assert refusal.status >= 400
    assert refusal.meaning
    assert refusal.remedy
    assert f"{refusal.meaning}{refusal.remedy}".isprintable()


def test_no_two_refusals_have_one_cause() -> None:
    assert len({refusal.cause for refusal in REFUSALS}) == len(set(REFUSALS))
