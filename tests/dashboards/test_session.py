"""How a dashboard's conversation begins, what it is told, and what of that it has missed."""

from __future__ import annotations

import json

import pytest
from teslafast._fanout import frame
from teslafast.core import records
from teslafast.core.views import ViewKey

from tests.support.dashboard_stage import NOW, DashboardStage
from tests.support.fake_loop import CREATED_NS, data, publish

SMALL = {"RING_BYTES": "1MiB", "MAX_FRAME_BYTES": "64KiB"}
CONNECTED = records.connectivity("A", True, "c1", "wifi", CREATED_NS)


def filled(count: int = 3) -> DashboardStage:
    """A stage whose log has `count` data events, of A and B in turn."""
    stage = DashboardStage()
    for number in range(count):
        publish(stage.hub, data(number, "AB"[number % 2]))
    return stage


# ---- the beginning


def test_hello_is_written_at_once_and_says_where_the_log_stands() -> None:
    stage = filled(3).begin(snapshot="0")
    (hello,) = (json.loads(text[2:]) for text in stage.wire.writes)
    assert (hello["type"], hello["epoch"], hello["seq"], hello["oldest"]) == ("hello", stage.hub.epoch, 3, 1)


def test_then_come_snapshots_of_every_vehicle_and_then_what_happens() -> None:
    stage = filled(3).begin()
    publish(stage.hub, data(4, "A"))
    hello, first, second, event = stage.told()
    assert [(one["type"], one["seq"], one["vin"], one["data"]) for one in (first, second, event)] == [
        ("snapshot", 3, "A", {"Soc": 2}),
        ("snapshot", 3, "B", {"Soc": 1}),
        ("data", 4, "A", {"Soc": 4}),
    ]
    assert hello["type"] == "hello"


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ({"snapshot": "0"}, ["hello"]),
        ({"snapshot": "1"}, ["hello", "snapshot", "snapshot"]),
        ({"vin": "B"}, ["hello", "snapshot"]),
        ({"vin": "C"}, ["hello"]),
        ({"type": "alerts"}, ["hello"]),
        ({"since": "3"}, ["hello"]),
        ({"since": "2"}, ["hello", "data"]),
        ({"since": "2", "snapshot": "1"}, ["hello", "snapshot", "snapshot", "data"]),
        ({"since": "9"}, ["hello", "gap", "snapshot", "snapshot", "data", "data", "data"]),
        ({"since": "9", "snapshot": "0"}, ["hello", "gap", "data", "data", "data"]),
        ({"since": "9", "snapshot": "1"}, ["hello", "gap", "snapshot", "snapshot", "data", "data", "data"]),
        ({"since": "2", "epoch": "another"}, ["hello", "gap", "snapshot", "snapshot", "data", "data", "data"]),
        ({"interval": "500"}, ["hello", "snapshot", "snapshot"]),
        ({"interval": "500", "since": "2"}, ["hello", "data", "data"]),
        ({"interval": "500", "since": "9"}, ["hello", "gap", "snapshot", "snapshot", "data", "data"]),
        ({"format": "fleet"}, []),
        ({"format": "fleet", "control": "1"}, ["hello"]),
    ],
)
def test_a_query_begins_with_these_messages(query: dict[str, str], kinds: list[str]) -> None:
    assert filled(3).begin(**query).kinds() == kinds


def test_since_in_the_epoch_of_this_log_is_no_gap() -> None:
    stage = filled(3)
    assert stage.begin(since="2", epoch=stage.hub.epoch).kinds() == ["hello", "data"]
    assert (stage.session.gaps, stage.hub.counts.gaps) == (0, 0)


@pytest.mark.parametrize("interval", ["0", "500"])
def test_since_an_event_that_the_ring_has_lost_is_a_gap_of_those_lost_and_counted_once(interval: str) -> None:
    stage = DashboardStage(settings=SMALL)
    for number in range(60):
        publish(stage.hub, data(number, "A", Name="x" * 40_000))
    oldest = stage.hub.log.oldest
    assert oldest > 10
    gap, *rest = stage.begin(since="5", interval=interval).told()[1:]
    assert gap == {"type": "gap", "from": 6, "to": oldest - 1}
    assert [one["type"] for one in rest[:2]] == ["snapshot", "data"]
    assert rest[-1]["seq"] == 60
    assert (stage.session.gaps, stage.hub.counts.gaps) == (1, 1)


def test_a_dashboard_that_was_too_slow_is_told_the_gap_and_what_holds_now() -> None:
    stage = DashboardStage(settings=SMALL).begin()
    stage.reader.block()
    for number in range(60):
        publish(stage.hub, data(number, "A", Name="x" * 40_000))
    stage.loop.settle()
    stage.reader.wake()
    messages = stage.told()
    assert [one["type"] for one in messages[:4]] == ["hello", "gap", "snapshot", "data"]
    assert (messages[1]["from"], messages[1]["to"]) == (1, messages[3]["seq"] - 1)
    assert messages[2]["seq"] == messages[-1]["seq"] == 60
    assert (stage.session.gaps, stage.hub.counts.gaps) == (1, 1)


def test_a_dashboard_that_is_overtaken_while_it_is_told_snapshots_gets_events_first_and_snapshots_when_it_has_caught_up() -> None:
    stage = DashboardStage(settings=SMALL).begin()
    stage.reader.block()
    for number in range(60):
        publish(stage.hub, data(number, "A", Name="x" * 40_000))
    stage.loop.settle()
    first = list(stage.session.missed(1, 10))  # as the log asks, twice in a row without an event in between
    again = list(stage.session.missed(11, 20))
    assert [len(frames) for frames in (first, again)] == [2, 1]  # gap and snapshot, then the gap alone
    stage.check(NOW + 1)
    assert stage.session.check(NOW + 1) is None
    stage.reader.wake()
    behind = stage.kinds()
    assert behind[:2] == ["hello", "gap"]  # the log's own gap, for what the ring has lost meanwhile
    stage.check(NOW + 2)
    assert stage.kinds() == ["snapshot"]
    stage.check(NOW + 3)
    assert stage.kinds() == []


def test_a_gap_in_the_fleet_shape_is_counted_and_not_told() -> None:
    stage = DashboardStage(settings=SMALL).begin(format="fleet")
    stage.reader.block()
    for number in range(60):
        publish(stage.hub, data(number, "A", Name="x" * 40_000))
    stage.loop.settle()
    stage.reader.wake()
    assert set(stage.kinds()) == {"record"}
    assert (stage.session.gaps, stage.hub.counts.gaps) == (1, 1)


def test_a_dashboard_sees_the_vehicles_and_the_kinds_that_it_asks_for() -> None:
    stage = DashboardStage().begin(vin="A", type="connectivity", snapshot="0")
    publish(stage.hub, data(1, "A"))
    publish(stage.hub, CONNECTED)
    publish(stage.hub, records.connectivity("B", True, "c2", "wifi", CREATED_NS))
    assert [(one["type"], one.get("vin")) for one in stage.told()] == [("hello", None), ("connectivity", "A")]


def test_a_token_limits_events_and_snapshots() -> None:
    stage = DashboardStage(vins=["A"])
    publish(stage.hub, data(1, "B"))
    stage.begin()
    for vin in "AB":
        publish(stage.hub, data(1, vin))
    assert [(one["type"], one.get("vin")) for one in stage.told()] == [("hello", None), ("data", "A")]


# ---- a resume that is merged


def test_since_with_an_interval_merges_data_and_passes_other_kinds_one_by_one() -> None:
    stage = DashboardStage()
    publish(stage.hub, data(1, "A", Soc=1))
    publish(stage.hub, CONNECTED)
    publish(stage.hub, data(2, "A", Gear="P"))
    publish(stage.hub, data(3, "A", Soc=3))
    messages = stage.begin(since="0", interval="500").told()[1:]
    assert [(one["type"], one["seq"]) for one in messages] == [("connectivity", 2), ("data", 4)]
    assert messages[1]["data"] == {"Soc": 3, "Gear": "P"}


def test_what_a_narrower_token_no_longer_grants_is_not_in_a_replay_that_waits() -> None:
    stage = filled(2).begin(since="0", interval="500")
    stage.reader.block()
    stage.loop.settle()
    stage.say({"type": "subscribe", "vins": ["B"]})
    stage.reader.wake()
    assert [one["vin"] for one in stage.told() if one["type"] == "data"] == ["B"]


# ---- the end


def test_leaving_gives_the_place_and_the_view_back_and_the_second_time_does_nothing() -> None:
    stage = filled(1).begin(format="fleet")
    assert stage.hub.views.readers["fleet"] == 1
    stage.session.leave()
    assert not stage.hub.views.active
    again = stage.hub.views.log_for(ViewKey("fleet"), stage.hub.log)
    stage.session.leave()
    assert stage.hub.views.log_for(ViewKey("fleet"), stage.hub.log) is again, "another's view is left alone"


def test_after_it_has_left_nothing_is_written() -> None:
    stage = DashboardStage(token_s=100).begin()
    stage.told()
    stage.session.leave()
    publish(stage.hub, data())
    stage.check(stage.now + 99)
    assert stage.told() == []


def test_snapshots_of_a_large_fleet_are_all_told_though_few_are_made_at_once() -> None:
    stage = DashboardStage()
    for number in range(600):
        publish(stage.hub, data(number, f"V{number}"))
    stage.wire.room = 0
    stage.begin()
    stage.loop.settle()
    publish(stage.hub, data(1, "V599"))
    stage.wire.drain()
    messages = stage.told()
    snapshots = [one for one in messages if one["type"] == "snapshot"]
    assert [one["vin"] for one in snapshots] == [f"V{number}" for number in range(600)]
    assert (snapshots[0]["seq"], snapshots[-1]["seq"], snapshots[-1]["data"]) == (600, 601, {"Soc": 1})
    assert messages[-1]["type"] == "data"


def test_frames_are_text() -> None:
    stage = DashboardStage().begin()
    assert stage.wire.writes[0][:1] == frame(1, b"")[:1]
