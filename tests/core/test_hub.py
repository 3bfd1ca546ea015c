"""What a record changes when it is submitted: the log, its views, the last values and the registry, all under one seq."""

from __future__ import annotations

from typing import Any

import pytest
from teslafast.core import records
from teslafast.core.hub import Hub, MakeFleet
from teslafast.core.records import OwnBytes, Record, Report
from teslafast.core.views import ViewKey
from teslafast.errors import Malformed

from tests.support.fake_log import Dashboard
from tests.support.fake_loop import CREATED_NS, RECEIVED_NS, VIN, Submission, data, make_hub, publish, submission


def reader(of: Hub, after: int | None = None) -> Dashboard:
    dashboard = Dashboard()
    of.log.subscribe(dashboard.reader, after=after)
    return dashboard


def test_a_submitted_record_is_in_the_log_at_once_and_with_its_readers_after_the_turn() -> None:
    hub, loop = make_hub()
    dashboard = reader(hub)
    assert publish(hub, data()) == 1
    assert dashboard.messages() == []
    loop.settle()
    assert dashboard.messages() == [{"type": "data", "seq": 1, **data().body}]


def test_the_seqs_of_successive_records_rise_by_one() -> None:
    hub, _ = make_hub()
    assert [publish(hub, data(number)) for number in range(5)] == [1, 2, 3, 4, 5]


def test_a_record_with_a_txid_is_counted_for_its_vehicle() -> None:
    hub, _ = make_hub()
    for _ in range(2):
        hub.submit(*submission(data(), txid=b"tx-1"))
    entry = hub.registry.get(VIN)
    assert entry is not None
    assert (entry.counts, entry.duplicates, entry.heard_ns, entry.signals) == ({"data": 2}, 1, RECEIVED_NS, 2)


def test_a_record_that_the_server_made_itself_is_told_but_counted_for_no_vehicle() -> None:
    hub, _ = make_hub()
    hub.submit(*submission(records.connectivity(VIN, True, "c1", "wifi", CREATED_NS), txid=None))
    assert hub.log.seq == 1
    assert hub.registry.get(VIN) is None


def test_begin_drain_shuts_the_door() -> None:
    hub, _ = make_hub()
    assert not hub.draining
    hub.begin_drain()
    assert hub.draining


# ---- last values


def test_data_is_remembered_field_by_field_and_other_kinds_are_not() -> None:
    hub, _ = make_hub()
    publish(hub, data(1, Soc=50, Gear="ShiftStateP"))
    publish(hub, data(2, Soc=51))
    publish(hub, records.connectivity("other", True, "c1", "wifi", CREATED_NS))
    vehicle = hub.last_values.get(VIN)
    assert vehicle is not None
    assert vehicle.values == {"Soc": 51, "Gear": "ShiftStateP"}
    assert hub.last_values.get("other") is None


def test_a_value_without_a_time_of_the_vehicles_has_the_time_of_receipt_in_whole_milliseconds() -> None:
    hub, _ = make_hub()
    hub.submit(*submission(Report("data", data().body), now_ns=RECEIVED_NS + 999_999))
    vehicle = hub.last_values.get(VIN)
    assert vehicle is not None
    assert vehicle.newest_ns == RECEIVED_NS


# ---- a log that several nodes share


class FakeBackplane:
    def __init__(self) -> None:
        self.taken: list[Submission] = []

    def submit(self, vin: str, record: Record, fleet: MakeFleet, txid: bytes | None, now_ns: int, own: OwnBytes | None) -> None:
        self.taken.append(Submission(vin, record, fleet, txid, now_ns, own))


def test_with_a_backplane_a_record_changes_nothing_until_it_comes_back_and_then_has_the_seq_it_was_given() -> None:
    backplane = FakeBackplane()
    hub, loop = make_hub(backplane=backplane)
    dashboard = reader(hub)
    hub.submit(*submission(data()))
    loop.settle()
    assert (hub.log.seq, hub.last_values.get(VIN), hub.registry.get(VIN)) == (0, None, None)
    (taken,) = backplane.taken
    assert hub.apply(*taken, seq=7) == 7
    loop.settle()
    assert dashboard.seqs() == [7]
    assert hub.last_values.get(VIN) is not None
    assert hub.registry.get(VIN) is not None


# ---- what cannot be kept


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", [nested(300), 1 << 70, "x" * (5 << 20), "\ud800"], ids=["deep", "huge", "long", "surrogate"])
def test_a_value_that_json_or_the_ring_cannot_hold_is_malformed_and_leaves_no_trace(value: object) -> None:
    hub, loop = make_hub()
    dashboard = reader(hub)
    with pytest.raises(Malformed):
        publish(hub, data(1, Soc=value))
    assert (hub.log.seq, hub.last_values.get(VIN), hub.registry.get(VIN)) == (0, None, None)
    assert publish(hub, data(2)) == 1
    loop.settle()
    assert dashboard.seqs() == [1]


def test_numbers_that_json_does_not_have_are_null() -> None:
    hub, loop = make_hub()
    dashboard = reader(hub)
    publish(hub, data(1, Soc=float("nan"), Odometer=float("inf")))
    loop.settle()
    assert dashboard.messages()[0]["data"] == {"Soc": None, "Odometer": None}


def test_a_record_that_no_view_can_hold_is_in_the_log_all_the_same() -> None:
    hub, loop = make_hub()
    flat, fleet = reader(hub), Dashboard()
    hub.views.log_for(ViewKey("fleet"), hub.log).subscribe(fleet.reader)
    assert publish(hub, data(1), lambda: {"data": "x" * (5 << 20)}) == 1
    publish(hub, data(2))
    loop.settle()
    assert flat.seqs() == [1, 2]
    assert [message["seq"] for message in fleet.messages()] == [2]
