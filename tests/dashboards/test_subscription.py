"""What a query of /stream asks for, and how one that cannot be meant is refused: with the reason, and the nearest right word."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast._fanout import ALL_KINDS, KINDS
from teslafast.core.views import ViewKey
from teslafast.dashboards.subscription import (
    INTERVALS_MS,
    PARAMETERS,
    Subscription,
    hint,
    parse_kinds,
    parse_subscription,
    parse_vins,
)
from teslafast.errors import BadQuery

VIN, OTHER = "5YJ3E1EA7KF000001", "5YJ3E1EA7KF000002"


def parse(query: str, exact_vins: bool = True) -> Subscription:
    return parse_subscription(parse_qsl(query, keep_blank_values=True), exact_vins)


def refused(query: str, exact_vins: bool = True) -> str:
    with pytest.raises(BadQuery) as caught:
        parse(query, exact_vins)
    return str(caught.value)


# ---- what may be asked for


@pytest.mark.parametrize(
    ("query", "subscription"),
    [
        ("", Subscription()),
        ("token=x&access_token=y", Subscription()),
        (f"vin={VIN}", Subscription(vins=frozenset({VIN}))),
        (f"vin={VIN},{OTHER}", Subscription(vins=frozenset({VIN, OTHER}))),
        (f"vin={VIN}&vin={OTHER}", Subscription(vins=frozenset({VIN, OTHER}))),
        (f"vins={VIN}&vin={OTHER}", Subscription(vins=frozenset({VIN, OTHER}))),
        (f"vin=+{VIN.lower()}+,+{VIN}", Subscription(vins=frozenset({VIN}))),
        ("type=data,alerts", Subscription(kinds=0b11)),
        ("type=data&types=alerts", Subscription(kinds=0b11)),
        ("type=+errors+", Subscription(kinds=0b100)),
        ("since=17", Subscription(since=17)),
        ("since=0", Subscription(since=0)),
        ("since=99999999999999999999", Subscription(since=10**20 - 1)),
        ("since=17&epoch=e1&snapshot=1", Subscription(since=17, epoch="e1", snapshot=True)),
        ("snapshot=0", Subscription(snapshot=False)),
        ("format=flat&interval=500", Subscription(interval_ms=500)),
        ("interval=0", Subscription()),
        ("format=fleet", Subscription(fleet=True, control=False)),
        ("format=fleet&control=0", Subscription(fleet=True, control=False)),
        ("format=fleet&control=1", Subscription(fleet=True)),
        ("control=1", Subscription()),
    ],
)
def test_a_query_is_read_as_a_subscription(query: str, subscription: Subscription) -> None:
    assert parse(query) == subscription


@pytest.mark.parametrize("interval", INTERVALS_MS)
def test_each_interval_of_the_list_is_taken(interval: int) -> None:
    assert parse(f"interval={interval}").view == ViewKey("flat", interval)


@pytest.mark.parametrize(
    ("query", "view"), [("", ViewKey()), ("format=fleet", ViewKey("fleet")), ("interval=100", ViewKey("flat", 100))]
)
def test_a_subscription_names_the_view_that_it_reads(query: str, view: ViewKey) -> None:
    assert parse(query).view == view


# ---- VINs


def test_in_development_a_vehicle_may_have_any_name_whose_case_is_kept_unless_it_is_as_long_as_a_vin() -> None:
    assert parse(f"vin=device-1,Wall,{VIN.lower()}", exact_vins=False).vins == frozenset({"device-1", "Wall", VIN})


@pytest.mark.parametrize("vin", ["A", VIN[:-1], VIN + "0", "device-1"])
def test_in_production_a_vin_of_another_length_is_refused_with_an_example(vin: str) -> None:
    reason = refused(f"vin={vin}")
    assert reason.startswith(f"'{vin}' is not a VIN")
    assert "17" in reason


@pytest.mark.parametrize("vin", ["a b", "*", "é", "a/b", "x" * 65])
@pytest.mark.parametrize("exact", [True, False])
def test_what_cannot_name_a_vehicle_is_refused(vin: str, exact: bool) -> None:
    with pytest.raises(BadQuery):
        parse_vins([vin], exact)


def test_a_refusal_is_one_short_line_whatever_was_asked_for() -> None:
    for query in (f"vin={'x' * 5000}", "vin=a%0Ab", f"{'x' * 5000}=1", "a%0Ab=1", f"type={'x' * 5000}", f"format={'x' * 5000}"):
        reason = refused(query)
        assert len(reason) < 200
        assert "\n" not in reason


# ---- what is refused


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("vin=", "not a VIN"),
        (f"vin={VIN},", "not a VIN"),
        ("type=", "type must be among"),
        ("type=noise", "type must be among"),
        ("type=Data", "did you mean data?"),
        ("type=alert", "did you mean alerts?"),
        ("since=", "not a sequence number"),
        ("since=now", "not a sequence number"),
        ("since=-1", "not a sequence number"),
        ("since=1.5", "not a sequence number"),
        ("since=%D9%A1", "not a sequence number"),
        ("since=999999999999999999999", "not a sequence number"),
        ("since=1&since=2", "since is given twice"),
        ("epoch=a&epoch=a", "epoch is given twice"),
        ("token=a&token=b", "token is given twice"),
        ("snapshot=", "snapshot must be one of"),
        ("snapshot=yes", "snapshot must be one of"),
        ("format=", "format must be one of"),
        ("format=fleets", "did you mean fleet?"),
        ("interval=", "interval must be one of"),
        ("interval=123", "interval must be one of"),
        ("interval=00", "interval must be one of"),
        ("format=fleet&interval=500", "interval goes with format=flat"),
        ("control=0", "control goes with format=fleet"),
        ("control=2", "control must be one of"),
        ("vinn=A", "did you mean vin?"),
        ("VIN=A", "did you mean vin?"),
        ("sinces=1", "did you mean since?"),
        ("x=1", "unknown parameter 'x'"),
        ("=1", "unknown parameter ''"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused_with_the_reason(query: str, reason: str) -> None:
    assert reason in refused(query)


@pytest.mark.parametrize("kinds", [[], ["data", "noise"], [""]])
def test_a_list_of_kinds_that_is_empty_or_has_an_unknown_one_is_refused(kinds: list[str]) -> None:
    with pytest.raises(BadQuery):
        parse_kinds(kinds)


def test_all_kinds_together_are_all_kinds() -> None:
    assert parse_kinds(KINDS) & ALL_KINDS == parse_kinds(KINDS)
    assert parse_kinds(["data", "data"]) == 1


def test_a_word_that_is_like_nothing_has_no_hint() -> None:
    assert hint("zzzzzz", PARAMETERS) == ""


@given(st.lists(st.tuples(st.sampled_from(PARAMETERS) | st.text(max_size=5), st.text(max_size=8)), max_size=4), st.booleans())
def test_any_query_is_either_read_or_refused(query: list[tuple[str, str]], exact: bool) -> None:
    try:
        subscription = parse_subscription(query, exact)
    except BadQuery:
        return
    assert subscription.vins is None or subscription.vins
    assert subscription.kinds
