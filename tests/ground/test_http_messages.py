"""Requests and answers as values."""

from __future__ import annotations

import pytest
from teslafast.errors import BadQuery, Refused
from teslafast.http_messages import MOST_QUERY_FIELDS, Answer, Request
from teslafast.refusals import NO_TOKEN, TOKEN_INVALID, VIN_NOT_ALLOWED


@pytest.mark.parametrize(
    ("target", "path"),
    [("/a?b=/c", "/a"), ("/a#b", "/a"), ("http://host/a?b", "/a"), ("http://host", "/"), ("*", "*"), ("/%61", "/%61"), ("", "")],
)
def test_the_path_is_the_targets_as_it_was_sent(target: str, path: str) -> None:
    assert Request("GET", target, {}).path == path


def test_the_query_keeps_repeated_and_empty_fields_in_order() -> None:
    assert Request("GET", "/?a=1&b=&a=%20#c=2", {}).query == [("a", "1"), ("b", ""), ("a", " ")]


@pytest.mark.parametrize("query", ["a=%ff", "&".join(["a=1"] * (MOST_QUERY_FIELDS + 1))])
def test_a_query_that_is_not_utf8_or_too_long_is_refused(query: str) -> None:
    with pytest.raises(BadQuery):
        _ = Request("GET", f"/?{query}", {}).query


def test_the_words_of_a_header_may_stand_in_several_lines() -> None:
    assert Request("GET", "/", {"x": ["a, b", " c,,"]}).tokens("x") == ["a", "b", "c"]


def test_a_refusals_answer_carries_its_row() -> None:
    answer = Answer.of(Refused(NO_TOKEN))
    assert (answer.status, answer.cause, answer.reason) == (401, "no_token", NO_TOKEN.meaning)
    assert answer.body == f"401 Unauthorized: {NO_TOKEN.meaning}\n".encode()
    assert ("WWW-Authenticate", "Bearer") in answer.headers


def test_a_reason_replaces_the_meaning_and_is_hidden_from_clients_that_are_answered_403() -> None:
    assert Answer.of(Refused(TOKEN_INVALID, "the token's exp is not a time")).body.endswith(b"exp is not a time\n")
    hidden = Answer.of(Refused(VIN_NOT_ALLOWED, "VIN X is not in TESLA_VIN"))
    assert (hidden.body, hidden.reason) == (b"403 Forbidden: vin not allowed\n", "VIN X is not in TESLA_VIN")
