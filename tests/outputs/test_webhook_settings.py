"""What may be set for webhooks; no message ever shows an address, because many hold a secret."""

from __future__ import annotations

import base64

import pytest
from teslafast.config import Settings
from teslafast.errors import Misconfigured
from teslafast.outputs.settings import OutputPlan, planned

SERVER = Settings.from_env({"NODE_ENV": "development"})
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


def plans(**variables: str) -> tuple[OutputPlan, ...]:
    return planned(variables, SERVER)


def refusal(**variables: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        plans(**variables)
    return str(caught.value)


def test_each_address_is_an_output_with_a_name_and_a_cursor_of_its_own() -> None:
    first, second = plans(WEBHOOK_URL="https://a.example/x, https://b.example/y#t.json")
    assert (first.name, second.name) == ("webhook", "webhook-2")
    assert (first.settings.urls, second.settings.urls) == (("https://a.example/x",), ("https://b.example/y#t.json",))
    assert len({first.cursor, second.cursor}) == 2
    assert all(len(plan.cursor.encode()) <= 16 for plan in (first, second))


def test_a_cursor_follows_its_address_when_the_order_or_the_template_changes() -> None:
    first, second = plans(WEBHOOK_URL="https://a.example/x,https://b.example/y#t.json")
    other = plans(WEBHOOK_URL="https://b.example/y#u.json,https://a.example/x")
    assert [plan.cursor for plan in other] == [second.cursor, first.cursor]
    (alone,) = plans(WEBHOOK_URL="https://b.example/y")
    assert alone.cursor == second.cursor


def test_alerts_errors_and_connectivity_are_posted_unless_something_else_is_said() -> None:
    assert plans(WEBHOOK_URL="https://a.example")[0].kinds == {1, 2, 3}
    assert plans(WEBHOOK_URL="https://a.example", WEBHOOK_TYPES="data")[0].kinds == {0}
    assert plans(WEBHOOK_URL="https://a.example", OUTPUT_TYPES="data")[0].kinds == {1, 2, 3}


@pytest.mark.parametrize("kinds", ["alert", "data,", ""])
def test_only_kinds_that_there_are_can_be_named(kinds: str) -> None:
    if kinds == "alert":
        assert refusal(WEBHOOK_URL="https://a.example", WEBHOOK_TYPES=kinds).startswith("WEBHOOK_TYPES: 'alert' is not usable")
    else:
        assert plans(WEBHOOK_URL="https://a.example", WEBHOOK_TYPES=kinds)


@pytest.mark.parametrize(
    "url", ["ftp://a.example/hidden", "https://", "https://a.example:99999/hidden", "https://a.example/hidden,:", ","]
)
def test_an_address_that_cannot_be_used_is_refused_and_not_shown(url: str) -> None:
    said = refusal(WEBHOOK_URL=url)
    assert said == "WEBHOOK_URL: its value is not usable — give a comma list of https:// addresses"


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://a.example/hidden", "has an http:// address"),
        ("https://127.0.0.1/hidden", "has a private address"),
        ("https://localhost/hidden", "has a private address"),
        ("https://[::1]/hidden", "has a private address"),
        ("https://[::ffff:192.168.1.1]/hidden", "has a private address"),
        ("https://a.example/hidden,https://a.example/hidden#file", "has an address twice"),
        (",".join(f"https://a.example/hidden{number}" for number in range(9)), "has more than 8 addresses"),
    ],
)
def test_addresses_that_contradict_each_other_or_lead_home_are_refused(url: str, fault: str) -> None:
    said = refusal(WEBHOOK_URL=url)
    assert said.startswith(f"WEBHOOK_URL: {fault}")
    assert "hidden" not in said


def test_private_addresses_and_http_are_allowed_where_that_is_said() -> None:
    assert plans(WEBHOOK_URL="http://192.168.1.5:8123/api/webhook/x", WEBHOOK_PRIVATE="true")


@pytest.mark.parametrize("secret", ["secret", "whsec_", "whsec_???", "whsec_" + base64.b64encode(b"k" * 23).decode(), SECRET[6:]])
def test_a_secret_of_another_form_is_refused_and_not_shown(secret: str) -> None:
    said = refusal(WEBHOOK_URL="https://a.example", WEBHOOK_SECRET=secret)
    assert said.startswith("WEBHOOK_SECRET: its value is not usable")


def test_secrets_and_addresses_are_in_no_repr() -> None:
    (plan,) = plans(WEBHOOK_URL="https://a.example/hidden", WEBHOOK_SECRET=f"{SECRET},{SECRET}")
    assert plan.settings.secrets == (b"k" * 32, b"k" * 32)
    assert "hidden" not in repr(plan.settings)
    assert "kkk" not in repr(plan.settings)


# ---- RELIABLE_ACKS


def test_named_outputs_are_reliable_and_a_row_s_name_means_all_of_its_outputs() -> None:
    urls = "https://a.example,https://b.example"
    assert [plan.reliable for plan in plans(WEBHOOK_URL=urls, RELIABLE_ACKS="webhook")] == [True, True]
    assert [plan.reliable for plan in plans(WEBHOOK_URL=urls, RELIABLE_ACKS="webhook-2")] == [False, True]
    assert [plan.reliable for plan in plans(JSONL_PATH="x", WEBHOOK_URL=urls, RELIABLE_ACKS="jsonl")] == [True, False, False]
    assert not any(plan.reliable for plan in plans(WEBHOOK_URL=urls))


def test_a_name_that_no_output_has_stops_the_start() -> None:
    said = refusal(JSONL_PATH="x", RELIABLE_ACKS="jsonl,kafak")
    assert said.startswith("RELIABLE_ACKS: 'kafak' is not an output — give some of jsonl, mqtt, ")


def test_an_output_that_is_not_set_up_cannot_be_waited_for() -> None:
    assert refusal(RELIABLE_ACKS="jsonl") == "RELIABLE_ACKS: 'jsonl' is not set up as an output — set JSONL_PATH"
