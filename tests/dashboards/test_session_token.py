"""How long a dashboard may stay: the warning ahead of its token's end, and the end."""

from __future__ import annotations

import json

import pytest
from teslafast.close_reasons import TOKEN_EXPIRED
from teslafast.dashboards.tokens import LONGEST_TOKEN, Verifier
from teslafast.dashboards.websocket import MESSAGE_LIMIT
from teslafast.errors import Refused

from tests.support.dashboard_stage import NOW, DashboardStage
from tests.support.peers import SECRET, token


@pytest.mark.parametrize(("token_s", "warned_at"), [(3600, 3540), (300, 240), (100, 80), (10, 8)])
def test_the_warning_comes_once_a_minute_or_a_fifth_before_the_tokens_end(token_s: float, warned_at: float) -> None:
    stage = DashboardStage(token_s=token_s).begin()
    stage.told()
    stage.check(NOW + warned_at - 0.5)
    assert stage.told() == []
    for seconds in (warned_at, warned_at + 0.5):
        stage.check(NOW + seconds)
    assert stage.told() == [{"type": "token_expiring", "exp": int(NOW + token_s)}]
    stage.check(NOW + token_s)
    assert stage.closed == [TOKEN_EXPIRED]
    assert stage.told() == []


def test_each_token_has_a_warning_of_its_own() -> None:
    stage = DashboardStage(token_s=100).begin()
    stage.check(NOW + 90)
    stage.say({"type": "auth", "token": token(exp=NOW + 190)})
    stage.check(NOW + 169)
    assert stage.kinds() == ["hello", "token_expiring", "auth"]
    stage.check(NOW + 170)
    assert stage.kinds() == ["token_expiring"]


@pytest.mark.parametrize("presented_at", [50, 85])
def test_the_same_token_again_is_not_warned_of_a_second_time(presented_at: float) -> None:
    stage = DashboardStage(token_s=100).begin()
    for seconds in (presented_at, 85, 90, 95, 99):
        stage.check(NOW + seconds)
        if seconds in (presented_at, 90):
            stage.now = NOW + seconds
            stage.say({"type": "auth", "token": token(exp=NOW + 100)})
    assert stage.kinds().count("token_expiring") == 1


def test_the_plain_fleet_shape_is_closed_without_a_warning_and_with_control_it_is_warned() -> None:
    for query, kinds in (({"format": "fleet"}, []), ({"format": "fleet", "control": "1"}, ["hello", "token_expiring"])):
        stage = DashboardStage(token_s=100).begin(**query)
        stage.check(NOW + 99)
        stage.check(NOW + 100)
        assert stage.kinds() == kinds
        assert stage.closed == [TOKEN_EXPIRED]


def of_length(size: int) -> str:
    """A good token of so many bytes, or of as few more as base64 lets it."""
    return next(made for pad in range(size) if len(made := token(exp=NOW + 7200, pad="x" * (size - 200 + pad))) >= size)


def test_the_longest_token_that_opens_a_connection_also_renews_it() -> None:
    longest = next(made for size in range(LONGEST_TOKEN, 0, -1) if len(made := of_length(size)) <= LONGEST_TOKEN)
    assert len(longest) > LONGEST_TOKEN - 8
    assert Verifier([SECRET], ["HS256"], None, None).verify(longest, NOW).exp == NOW + 7200
    text = json.dumps({"type": "auth", "token": longest}, indent=4).encode()
    assert len(text) <= MESSAGE_LIMIT
    stage = DashboardStage().begin(snapshot="0")
    stage.say_text(text)
    assert stage.kinds() == ["hello", "auth"]


def test_a_longer_one_is_refused_in_both_places() -> None:
    too_long = of_length(LONGEST_TOKEN + 1)
    with pytest.raises(Refused, match="4,000 bytes"):
        Verifier([SECRET], ["HS256"], None, None).verify(too_long, NOW)
    stage = DashboardStage().begin(snapshot="0")
    stage.say({"type": "auth", "token": too_long})
    assert stage.kinds() == ["hello", "error"]
