"""Metrics of several nodes as one: what is summed, what is one of all, and what others send is not believed."""

from __future__ import annotations

import orjson
import pytest
from teslafast.metrics import Counts, Durations
from teslafast.server.prometheus import TABLE, Gauges
from teslafast.server.samples import LONGEST_LABEL, ONE_OF_ALL, merged, packed, samples, unpacked

OF_EACH = {  # gauges of what each node has for itself: their sum is that of all
    "num_connections",
    "teslafast_vehicles",
    "teslafast_connections",
    "teslafast_unadmitted",
    "teslafast_readers",
    "teslafast_ring_used_bytes",
    "teslafast_ring_bytes",
    "teslafast_view_ring_bytes",
    "teslafast_readers_blocked",
    "teslafast_cluster_unstored_bytes",
    "teslafast_journal_recovered_events",  # a node of several has no journal
    "teslafast_journal_cut_events",
    "teslafast_journal_unsaved_events",
}


def counted() -> Counts:
    counts = Counts()
    counts.records.update(data=3, alerts=1)
    counts.turns.add(0.001)
    return counts


def test_every_gauge_is_either_summed_or_one_of_all() -> None:
    gauges = {row.name for row in TABLE if row.kind == "gauge"}
    assert gauges - ONE_OF_ALL.keys() == OF_EACH, "say in ONE_OF_ALL, or here, what several nodes' gauges are together"


def test_what_is_packed_comes_out_as_it_was() -> None:
    values = samples(Gauges(counts=counted(), vehicles=2, connections={("vehicle", "vehicles"): 2}, seq=9))
    back = unpacked(orjson.loads(orjson.dumps(packed(values))))
    assert back.keys() == values.keys()
    assert back["record_total"] == {"V": 3.0, "alerts": 1.0}
    assert back["teslafast_connections"] == {("vehicle", "vehicles"): 2}
    turns = back["teslafast_turn_seconds"]
    assert isinstance(turns, Durations)
    assert (sum(turns.buckets), turns.sum_s) == (1, 0.001)


def test_counters_are_summed_and_the_seq_is_the_greatest() -> None:
    one = samples(Gauges(counts=counted(), vehicles=2, connections={("vehicle", "vehicles"): 2}, seq=9))
    other = samples(Gauges(counts=counted(), vehicles=1, connections={("dashboard", "sse"): 4}, seq=7))
    found = merged([one, other])
    assert found["record_total"] == {"V": 6, "alerts": 2}
    assert (found["teslafast_vehicles"], found["teslafast_seq"]) == (3, 9)
    assert found["teslafast_connections"] == {("vehicle", "vehicles"): 2, ("dashboard", "sse"): 4}
    turns = found["teslafast_turn_seconds"]
    assert isinstance(turns, Durations)
    assert (sum(turns.buckets), turns.sum_s) == (2, 0.002)


@pytest.mark.parametrize(
    "value",
    [
        "7",
        None,
        True,
        [],
        {"by": [["a"]]},
        {"by": [["a", "b", "c", 1]]},
        {"by": [[1, 1]]},
        {"by": 3},
        {"buckets": [1], "sum": 0},
        {},
    ],
)
def test_a_metric_that_is_not_one_is_left_out(value: object) -> None:
    assert unpacked({"teslafast_seq": value, "teslafast_vehicles": 1}) == {"teslafast_vehicles": 1}


def test_a_long_label_is_cut_and_no_object_is_nothing() -> None:
    assert unpacked({"x": {"by": [["a" * 1000, 1]]}}) == {"x": {"a" * LONGEST_LABEL: 1}}
    assert unpacked([1]) == {}
