"""Other ways of saying what the log says: made only while somebody reads them."""

from __future__ import annotations

from typing import Any

import pytest
from teslafast.core import records
from teslafast.core.hub import Hub
from teslafast.core.records import Report
from teslafast.core.views import FLEET_SIGNALS_AT_MOST, MERGED_AT_MOST, VIEW_RING_BYTES, ViewKey
from teslafast.dashboards.subscription import INTERVALS_MS

from tests.support.fake_log import Dashboard
from tests.support.fake_loop import CREATED_NS, VIN, FakeLoop, make_hub, publish

HALF_A_SECOND, TEN_SECONDS = ViewKey(interval_ms=500), ViewKey(interval_ms=10_000)


def read(of: Hub, key: ViewKey) -> Dashboard:
    dashboard = Dashboard()
    of.views.log_for(key, of.log).subscribe(dashboard.reader)
    return dashboard


def leave(of: Hub, key: ViewKey, dashboard: Dashboard) -> None:
    log = of.views.log_for(key, of.log)
    log.unsubscribe(dashboard.reader)
    of.views.release(log)


def send(to: Hub, vin: str = VIN, made: list[str] | None = None, **values: object) -> int:
    """A data event; `made` gets a note whenever its fleet shape is asked for."""
    body = {"vin": vin, "createdAt": None, "data": values, "isResend": False}

    def fleet() -> dict[str, Any]:
        if made is not None:
            made.append(vin)
        return {"data": [], "vin": vin}

    return publish(to, Report("data", body, CREATED_NS, False, len(values)), fleet)


def told(dashboard: Dashboard) -> list[tuple[str, int, Any]]:
    return [(message["vin"], message["seq"], message["data"]) for message in dashboard.messages()]


@pytest.fixture
def stage() -> tuple[Hub, FakeLoop]:
    return make_hub()


def test_the_plain_stream_is_read_from_the_flat_log_itself(stage: tuple[Hub, FakeLoop]) -> None:
    own, _ = stage
    assert own.views.log_for(ViewKey(), own.log) is own.log
    assert not own.views.active


@pytest.mark.parametrize(("frame_bytes", "view_bytes"), [("1MB", VIEW_RING_BYTES), ("4MiB", 4 * 4 << 20)])
def test_a_views_ring_is_small_however_large_the_log_is(frame_bytes: str, view_bytes: int) -> None:
    own, _ = make_hub({"RING_BYTES": "64MiB", "MAX_FRAME_BYTES": frame_bytes})
    assert own.views.log_for(TEN_SECONDS, own.log).capacity == view_bytes
    for key in (HALF_A_SECOND, ViewKey("fleet")):
        assert 2 * own.settings.max_frame_bytes <= own.views.log_for(key, own.log).capacity <= view_bytes // 2


def test_all_views_together_take_less_than_four_times_the_largest() -> None:
    own, _ = make_hub({"RING_BYTES": "64MiB"})
    for key in (ViewKey("fleet"), *(ViewKey(interval_ms=interval) for interval in INTERVALS_MS)):
        own.views.log_for(key, own.log)
    assert own.views.ring_bytes == sum(log.capacity for log in own.views._logs()) == 3.75 * VIEW_RING_BYTES


def test_a_views_ring_is_no_larger_than_the_log() -> None:
    own, _ = make_hub({"RING_BYTES": "4MiB"})
    assert own.views.log_for(TEN_SECONDS, own.log).capacity == own.log.capacity == 4 << 20


# ---- fleet


def test_the_fleet_shape_has_the_seqs_of_the_flat_one(stage: tuple[Hub, FakeLoop]) -> None:
    own, loop = stage
    send(own, Soc=1)
    fleet = read(own, ViewKey("fleet"))
    send(own, Soc=2)
    publish(own, report := records.connectivity(VIN, True, "c1", "wifi", CREATED_NS), lambda: dict(report.body))
    loop.settle()
    first, second = fleet.messages()
    assert first == {"seq": 2, "data": [], "vin": VIN}
    assert (second["seq"], second["status"]) == (3, "CONNECTED")


def test_the_fleet_shape_is_made_once_for_all_and_for_nobody_not_at_all(stage: tuple[Hub, FakeLoop]) -> None:
    own, loop = stage
    made: list[str] = []
    send(own, made=made, Soc=1)
    readers = [read(own, ViewKey("fleet")) for _ in range(3)]
    send(own, made=made, Soc=2)
    loop.settle()
    assert made == [VIN]
    assert all(len(dashboard.messages()) == 1 for dashboard in readers)
    for dashboard in readers:
        leave(own, ViewKey("fleet"), dashboard)
    assert not own.views.active
    send(own, made=made, Soc=3)
    assert made == [VIN]


# ---- an interval


def test_within_an_interval_data_is_merged_and_the_latest_value_wins(stage: tuple[Hub, FakeLoop]) -> None:
    own, loop = stage
    dashboard = read(own, HALF_A_SECOND)
    send(own, Soc=1, Gear="P")
    send(own, Soc=2)
    send(own, Odometer=7)
    loop.settle()
    assert dashboard.messages() == []
    assert loop.elapse() == [0.5]
    assert told(dashboard) == [(VIN, 3, {"Soc": 2, "Gear": "P", "Odometer": 7})]


def test_what_is_sent_again_is_merged_by_itself_under_a_seq_of_its_own(stage: tuple[Hub, FakeLoop]) -> None:
    own, loop = stage
    dashboard = read(own, HALF_A_SECOND)
    for values, again in (({"A": 1}, 0), ({"B": 1}, 0), ({"A": 0, "C": 0}, 1), ({"D": 0}, 1), ({"A": 2}, 0)):
        body = {"vin": VIN, "createdAt": None, "data": values, "isResend": bool(again)}
        publish(own, Report("data", body, CREATED_NS, bool(again), len(values)), dict)
    loop.elapse()
    assert [(one["seq"], one["data"], one["isResend"]) for one in dashboard.messages()] == [
        (2, {"A": 1, "B": 1}, False),
        (4, {"A": 0, "C": 0, "D": 0}, True),
        (5, {"A": 2}, False),
    ]


def test_each_vehicle_has_its_own_message(stage: tuple[Hub, FakeLoop]) -> None:
    own, loop = stage
    dashboard = read(own, HALF_A_SECOND)
    for number in range(4):
        send(own, "AB"[number % 2], Soc=number)
    loop.elapse()
    assert told(dashboard) == [("A", 4, {"Soc": 2}), ("B", 4, {"Soc": 3})]


def test_after_an_interval_the_next_one_begins_with_the_next_message(stage: tuple[Hub, FakeLoop]) -> None:
    own, loop = stage
    dashboard = read(own, HALF_A_SECOND)
    for number in (1, 2):
        send(own, Soc=number)
        loop.elapse()
    assert loop.elapse() == []
    assert told(dashboard) == [(VIN, 1, {"Soc": 1}), (VIN, 2, {"Soc": 2})]


def test_other_kinds_are_not_held_back(stage: tuple[Hub, FakeLoop]) -> None:
    own, loop = stage
    dashboard = read(own, HALF_A_SECOND)
    send(own, Soc=1)
    report = records.connectivity(VIN, True, "c1", "wifi", CREATED_NS)
    publish(own, report, lambda: dict(report.body))
    loop.settle()
    assert [message["type"] for message in dashboard.messages()] == ["connectivity"]
    loop.elapse()
    assert [message["seq"] for message in dashboard.messages()] == [2, 2]


def test_different_intervals_do_not_disturb_each_other(stage: tuple[Hub, FakeLoop]) -> None:
    own, loop = stage
    slow, fast = read(own, ViewKey(interval_ms=10_000)), read(own, ViewKey(interval_ms=100))
    send(own, Soc=1)
    assert sorted(loop.elapse()) == [0.1, 10.0]
    assert told(slow) == told(fast) == [(VIN, 1, {"Soc": 1})]


def test_merging_changes_neither_the_log_nor_what_is_remembered(stage: tuple[Hub, FakeLoop]) -> None:
    own, loop = stage
    flat = Dashboard()
    own.log.subscribe(flat.reader)
    read(own, HALF_A_SECOND)
    send(own, Soc=1)
    send(own, Odometer=2)
    loop.elapse()
    assert told(flat) == [(VIN, 1, {"Soc": 1}), (VIN, 2, {"Odometer": 2})]


def test_a_view_whose_last_reader_has_gone_is_forgotten_and_begins_anew(stage: tuple[Hub, FakeLoop]) -> None:
    own, loop = stage
    dashboard = read(own, HALF_A_SECOND)
    send(own, Soc=1)
    leave(own, HALF_A_SECOND, dashboard)
    assert not own.views.active
    loop.elapse()
    again = read(own, HALF_A_SECOND)
    send(own, Soc=2)
    loop.elapse()
    assert told(again) == [(VIN, 2, {"Soc": 2})]


def test_what_is_merged_leaves_before_its_time_when_it_grows_too_large() -> None:
    own, loop = make_hub()
    dashboard = read(own, HALF_A_SECOND)
    half = "x" * (MERGED_AT_MOST // 2)
    send(own, "A", None, One=half)
    send(own, "B", Soc=1)
    send(own, "A", None, Two=half)
    loop.settle()
    assert [(vin, seq, set(data)) for vin, seq, data in told(dashboard)] == [("A", 2, {"One"})]
    loop.elapse()
    assert [(vin, set(data)) for vin, _, data in told(dashboard)[1:]] == [("A", {"Two"}), ("B", {"Soc"})]


def test_a_message_that_alone_is_too_large_to_merge_leaves_at_once_and_after_what_came_before_it() -> None:
    own, loop = make_hub()
    dashboard = read(own, HALF_A_SECOND)
    send(own, "A", One=1)
    send(own, "A", Two="x" * MERGED_AT_MOST)
    send(own, "A", Three=3)
    loop.settle()
    assert [(seq, set(data)) for _, seq, data in told(dashboard)] == [(1, {"One"}), (2, {"Two"})]
    loop.elapse()
    assert [(seq, set(data)) for _, seq, data in told(dashboard)[2:]] == [(3, {"Three"})]
    assert own.views.missing == 0


def test_a_record_of_more_signals_than_any_car_has_is_not_made_in_the_fleet_shape() -> None:
    own, loop = make_hub()
    fleet = read(own, ViewKey("fleet"))
    made: list[str] = []
    for number, count in enumerate((FLEET_SIGNALS_AT_MOST, FLEET_SIGNALS_AT_MOST + 1)):
        send(own, f"{number}", made, **{f"Field_{name}": 0 for name in range(count)})
    loop.settle()
    assert [message["vin"] for message in fleet.messages()] == made == ["0"]
    assert own.views.missing == 1


def test_an_event_that_is_larger_than_a_views_ring_costs_no_other_vehicle_its_own() -> None:
    own, loop = make_hub()
    fleet = read(own, ViewKey("fleet"))
    publish(own, Report("data", {"vin": "A", "data": {}}), lambda: {"vin": "A", "data": "x" * (5 << 20)})
    send(own, "B", Soc=1)
    loop.settle()
    assert [(message["vin"], message["seq"]) for message in fleet.messages()] == [("B", 2)]
