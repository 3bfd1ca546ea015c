"""What stands in a refusal: its words, whoever of Tesla's servers says it, and the pause that it asks for."""

import json
from email.utils import formatdate
from typing import Any

import pytest
from teslafast.errors import Declined
from teslafast.https import Reply
from teslafast.onboarding.answers_of_tesla import asked_pause_s, json_of, words_of
from teslafast.onboarding.fleet_api import FleetApi
from teslafast.onboarding.refusals_of_tesla import Step, explain

NOW = 1_795_000_000.0


def words(body: Any) -> str:
    return words_of(Reply(422), body)


def test_the_reference_that_teslas_support_asks_for_stands_at_the_end() -> None:
    assert words({"response": None, "error": "not_found", "txid": "c0ffee"}) == "not_found (txid c0ffee)"
    assert words({"error": "a", "error_description": "b", "referenceID": "1"}) == "a: b (referenceID 1)"
    assert words({"response": None, "txid": "c0ffee"}) == "(txid c0ffee)"


@pytest.mark.parametrize(
    "messages",
    [
        ["Public key hash has already been taken"],
        {"public_key_hash": ["has already been taken"]},
        {"public_key_hash": "has already been taken"},
        "Public key hash has already been taken",
    ],
)
def test_what_a_422_says_of_each_attribute_is_read(messages: object) -> None:
    said = words({"response": None, "error": "Validation failed", "messages": messages})
    assert said.lower() == "validation failed: public key hash has already been taken"
    assert "registered for another app" in explain(422, said).meaning


@pytest.mark.parametrize("answer", [[], "x", 3, {}, {"error": None, "messages": [], "txid": ""}])
def test_an_answer_without_words_says_nothing(answer: object) -> None:
    assert words(answer) == ""


def test_of_a_page_the_beginning_is_shown() -> None:
    page = Reply(502, b"<html>Bad Gateway" + b"x" * 9000)
    assert words_of(page, json_of(page)).startswith("<html>Bad Gateway")
    assert len(words_of(page, None)) == 200


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_not_json_is_nothing(body: bytes) -> None:
    assert json_of(Reply(200, body)) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30),
        ({"retry-after": formatdate(NOW + 90, usegmt=True)}, 90),
        ({"retry-after": formatdate(NOW - 90, usegmt=True)}, 0),
        ({"retry-after": "9" * 400}, 999_999_999),
        ({"ratelimit-reset": "42", "ratelimit-data-reset": "60", "ratelimit-data-remaining": "0"}, 60),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "-1"}, 0),
        ({"retry-after": "٣"}, 0),
        ({"retry-after": "Thu, 99 Nov 2026 08:00:00 GMT"}, 0),
        ({}, 0),
    ],
)
def test_the_pause_is_a_number_of_seconds_or_a_date(headers: dict[str, str], seconds: int) -> None:
    assert asked_pause_s(Reply(429, headers=headers), NOW) == seconds


def test_a_partner_token_that_tesla_refuses_is_made_anew_once_and_no_owner_is_asked_to_log_in() -> None:
    refused = Reply(401, json.dumps({"error": "invalid bearer token"}).encode())
    made: list[str] = []

    def renew(old: str) -> str:
        made.append(old)
        return "another"

    api = FleetApi("https://fleet.example", "first", lambda *asked: refused, renew, is_partner=True)
    with pytest.raises(Declined) as declined:
        api.registered_key("road.example")
    assert made == ["first"]
    assert explain(401, declined.value.words).again is Step.PORTAL
    assert "log in" not in declined.value.remedy
