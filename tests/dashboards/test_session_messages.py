"""What a dashboard says, and what it is answered."""

from __future__ import annotations

import json

import pytest
from teslafast.close_reasons import INVALID_MESSAGES, TOKEN_EXPIRED
from teslafast.dashboards.session import ERRORS_AT_MOST, ERRORS_WINDOW_S

from tests.support.dashboard_stage import NOW, DashboardStage
from tests.support.fake_loop import data, publish
from tests.support.peers import SECRET, token


def begun(**query: str) -> DashboardStage:
    """A stage that has been told hello, with one value of each of A, B and C known."""
    stage = DashboardStage()
    for vin in "ABC":
        publish(stage.hub, data(1, vin))
    stage.begin(**query)
    stage.told()
    return stage


def seen(stage: DashboardStage) -> list[str]:
    """Of which of A, B and C it is told an event now."""
    for vin in "ABC":
        publish(stage.hub, data(1, vin))
    return [one["vin"] for one in stage.told() if one["type"] == "data"]


# ---- ping


@pytest.mark.parametrize("text", [b"ping", b'{"type":"ping"}'])
def test_a_ping_in_either_spelling_is_answered_with_a_pong(text: bytes) -> None:
    stage = begun()
    stage.say_text(text)
    assert stage.told() == [{"type": "pong"}]


# ---- auth


def test_a_new_token_is_answered_with_its_end_and_holds_from_then_on() -> None:
    stage = begun()
    stage.say({"type": "auth", "token": token(exp=NOW + 7200)})
    assert stage.told() == [{"type": "auth", "exp": int(NOW) + 7200}]
    stage.check(NOW + 7199)
    assert stage.closed == []
    stage.check(NOW + 7200)
    assert stage.closed == [TOKEN_EXPIRED]


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (token(sub="somebody else", exp=NOW + 60), "another sub"),
        (token(exp=1), "expired"),
        (token(secret="another secret, of 32 bytes or more", exp=NOW + 60), "signature"),
        ("nonsense", "not valid"),
        (7, "must be a string"),
        (None, "must be a string"),
    ],
    ids=["another sub", "expired", "another secret", "nonsense", "a number", "null"],
)
def test_a_new_token_that_is_not_valid_is_refused_and_the_old_one_holds(new: object, reason: str) -> None:
    stage = begun()
    stage.say({"type": "auth", "token": new})
    (answer,) = stage.told()
    assert answer["type"] == "error"
    assert reason in answer["reason"]
    assert str(new) not in answer["reason"]
    stage.check(NOW + 3599)
    assert stage.closed == []


def test_a_new_token_that_grants_less_shows_less() -> None:
    stage = begun()
    stage.say({"type": "auth", "token": token(exp=NOW + 7200, vins=["B"])})
    assert stage.kinds() == ["auth"]
    assert seen(stage) == ["B"]


def test_a_new_token_that_grants_none_of_what_is_seen_shows_nothing() -> None:
    stage = begun(vin="A")
    stage.say({"type": "auth", "token": token(exp=NOW + 7200, vins=["B"])})
    assert seen(stage) == []


def test_a_new_token_that_grants_more_shows_more_only_when_that_is_asked_for() -> None:
    stage = DashboardStage(vins=["A"]).begin()
    stage.say({"type": "auth", "token": token(exp=NOW + 7200)})
    stage.told()
    assert seen(stage) == ["A"]
    stage.say({"type": "subscribe", "vins": ["B"]})
    assert stage.kinds() == ["subscribed", "snapshot"]
    assert seen(stage) == ["B"]


def test_snapshots_that_wait_are_not_of_vehicles_that_a_new_token_does_not_grant() -> None:
    stage = DashboardStage()
    for number in range(600):
        publish(stage.hub, data(number, f"V{number}"))
    stage.wire.room = 0
    stage.begin()
    stage.loop.settle()
    stage.say({"type": "auth", "token": token(exp=NOW + 7200, vins=["V0"])})
    stage.wire.drain()
    late = [one["vin"] for one in stage.told() if one["type"] == "snapshot" and int(one["vin"][1:]) >= 256]
    assert late == []


# ---- subscribe


@pytest.mark.parametrize(
    ("members", "vins", "types"),
    [
        ({}, ["A"], ["data"]),
        ({"vins": ["B", "C"]}, ["B", "C"], ["data"]),
        ({"vin": ["B"]}, ["B"], ["data"]),
        ({"vins": None}, None, ["data"]),
        ({"vins": []}, [], ["data"]),
        ({"types": ["alerts", "data"]}, ["A"], ["data", "alerts"]),
        ({"types": []}, ["A"], []),
        ({"types": None}, ["A"], None),
        ({"vins": None, "types": None}, None, None),
    ],
)
def test_a_subscription_changes_what_is_named_null_stands_for_all_and_the_rest_stays(
    members: dict[str, object], vins: list[str] | None, types: list[str] | None
) -> None:
    stage = begun(vin="A", type="data")
    stage.say({"type": "subscribe"} | members)
    assert stage.told()[0] == {"type": "subscribed", "vins": vins, "types": types}
    expected = ["A", "B", "C"] if vins is None else vins
    assert seen(stage) == ([] if types == [] else expected)


def test_vehicles_newly_seen_are_told_by_snapshots_and_no_others() -> None:
    stage = begun(vin="A")
    stage.say({"type": "subscribe", "vins": ["A", "C"]})
    assert [one.get("vin") for one in stage.told()] == [None, "C"]
    stage.say({"type": "subscribe", "vins": None})
    assert {one.get("vin") for one in stage.told()} >= {None, "B"}
    stage.say({"type": "subscribe", "vins": ["B"]})
    assert stage.kinds() == ["subscribed"], "B was seen before"


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ({"snapshot": "0"}, ["subscribed"]),
        ({"type": "alerts"}, ["subscribed"]),
        ({"since": "3"}, ["subscribed", "snapshot"]),
        ({"format": "fleet", "control": "1"}, ["subscribed"]),
        ({"format": "fleet"}, []),
    ],
)
def test_a_subscription_is_answered_in_keeping_with_the_query(query: dict[str, str], kinds: list[str]) -> None:
    stage = begun(vin="A", **query)
    stage.say({"type": "subscribe", "vins": ["B"]})
    assert stage.kinds() == kinds


def test_a_subscription_cannot_go_beyond_the_token() -> None:
    stage = DashboardStage(vins=["A"]).begin()
    stage.told()
    stage.say({"type": "subscribe", "vins": ["A", "B"]})
    (answer,) = stage.told()
    assert "does not grant" in answer["reason"]
    stage.say({"type": "subscribe", "vins": None})
    assert stage.told() == [{"type": "subscribed", "vins": ["A"], "types": None}]


def test_a_refused_subscription_changes_nothing() -> None:
    stage = begun(vin="A", type="data")
    stage.say({"type": "subscribe", "vins": ["B"], "types": ["noise"]})
    assert stage.kinds() == ["error"]
    assert seen(stage) == ["A"]


# ---- what is refused


INVALID: list[tuple[object, str]] = [
    (7, "type must be"),
    (None, "type must be"),
    ([], "type must be"),
    ({}, "type must be"),
    ({"type": "data"}, "type must be"),
    ({"type": ["auth"]}, "type must be"),
    ({"type": "auth"}, "token must be a string"),
    ({"type": "subscribe", "vins": "A"}, "vins must be a list"),
    ({"type": "subscribe", "vins": [7]}, "vins must be a list"),
    ({"type": "subscribe", "vins": ["a b"]}, "not a VIN"),
    ({"type": "subscribe", "vin": ["A"], "vins": ["B"]}, "give one of them"),
    ({"type": "subscribe", "types": ["noise"]}, "type must be among"),
    ({"type": "subscribe", "types": {"data": 1}}, "types must be a list"),
    ({"type": "subscribe", "vinz": ["A"]}, "did you mean vins?"),
    ({"type": "subscribe", "x" * 1000: 1}, "unknown member"),
]


@pytest.mark.parametrize(("message", "reason"), INVALID)
def test_an_invalid_message_is_answered_at_once_with_the_reason(message: object, reason: str) -> None:
    stage = begun()
    before = len(stage.wire.writes)
    stage.say(message)
    (text,) = stage.wire.writes[before:]
    answer = json.loads(text[text.index(b"{") :])
    assert answer["type"] == "error"
    assert reason in answer["reason"]
    assert len(answer["reason"]) < 200
    assert stage.hub.counts.refused_messages == {"dashboard": 1}


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 4000, b"Ping"])
def test_text_that_is_not_json_is_answered_with_the_reason(text: bytes) -> None:
    stage = begun()
    stage.say_text(text)
    assert stage.told() == [{"type": "error", "reason": "not JSON"}]


def test_in_production_a_vin_has_seventeen_characters_in_a_subscription_too() -> None:
    stage = DashboardStage(settings={"NODE_ENV": "production", "JWT_SECRET": SECRET}).begin()
    stage.say({"type": "subscribe", "vins": ["A"]})
    stage.say({"type": "subscribe", "vins": ["5yj3e1ea7kf000001"]})
    refused, taken = stage.told()[1:]
    assert "is not a VIN" in refused["reason"]
    assert taken["vins"] == ["5YJ3E1EA7KF000001"]


def test_the_tenth_invalid_message_within_a_minute_is_answered_and_a_reason_to_close() -> None:
    stage = begun()
    for _ in range(ERRORS_AT_MOST - 1):
        stage.now += 1
        stage.say("nonsense")
    assert stage.closed == []
    stage.say("nonsense")
    assert stage.closed == [INVALID_MESSAGES]
    assert stage.kinds() == ["error"] * ERRORS_AT_MOST


def test_invalid_messages_further_apart_are_no_reason_to_close() -> None:
    stage = begun()
    for _ in range(3 * ERRORS_AT_MOST):
        stage.now += ERRORS_WINDOW_S / (ERRORS_AT_MOST - 1)
        stage.say("nonsense")
    assert stage.closed == []


def test_the_plain_fleet_shape_gets_no_answers_but_too_many_invalid_messages_close_it_too() -> None:
    stage = begun(format="fleet")
    stage.say_text(b"ping")
    for _ in range(ERRORS_AT_MOST):
        stage.say("nonsense")
    assert stage.told() == []
    assert stage.closed == [INVALID_MESSAGES]


def test_a_slow_dashboards_answers_wait_in_order_and_a_refusal_does_not() -> None:
    stage = begun()
    stage.reader.block()
    stage.say_text(b"ping")
    stage.say("nonsense")
    assert stage.kinds() == ["error"]
    stage.reader.wake()
    assert stage.kinds() == ["pong"]


def test_a_subscription_that_names_a_member_twice_is_refused_and_changes_nothing() -> None:
    stage = DashboardStage().begin(vin="A")
    stage.say_text(b'{"type":"subscribe","vins":["A"],"vins":null}')
    publish(stage.hub, data(1, "B"))
    publish(stage.hub, data(2, "A"))
    hello, refused, event = stage.told()
    assert (hello["type"], refused["type"], event["vin"]) == ("hello", "error", "A")
    assert refused["reason"] == "'vins' is given twice"
