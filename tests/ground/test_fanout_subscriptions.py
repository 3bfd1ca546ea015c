"""Readers come and go: what stays behind of them, and what a subscription may not do."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from teslafast._fanout import Fanout

from tests.support.fake_log import Dashboard, Stage


def knows(log: Fanout, vin: str) -> bool:
    """Whether one of its tables names the vehicle: the only way to see from outside that one does not grow."""
    return any(vin in table for table in gc.get_referents(log) if isinstance(table, dict))


def test_a_reader_that_has_gone_leaves_nothing_behind() -> None:
    stage = Stage()
    dashboards = [stage.join(), stage.join({"A", "B"}), stage.join(kinds=1), stage.join({"A"}, 1)]
    for dashboard in dashboards:
        stage.publish()
        stage.log.unsubscribe(dashboard.reader)
        stage.log.unsubscribe(dashboard.reader)
    stage.settle()
    asked = stage.asked
    stage.publish()
    assert stage.log.readers == 0
    assert stage.asked == asked
    assert [dashboard.seqs() for dashboard in dashboards] == [[], [], [], []]


def test_a_vehicle_that_nobody_reads_any_more_and_that_never_spoke_is_forgotten() -> None:
    stage = Stage()
    one, two = stage.join({"Z"}), stage.join({"Z"})
    stage.log.unsubscribe(one.reader)
    assert knows(stage.log, "Z")
    stage.log.unsubscribe(two.reader)
    assert not knows(stage.log, "Z")


def test_a_reader_that_leaves_a_vehicle_leaves_the_others_of_it_there() -> None:
    stage = Stage()
    goes, stays = stage.join({"A", "B"}), stage.join({"B"})
    stage.log.unsubscribe(goes.reader)
    stage.publish("A")
    stage.publish("B")
    stage.settle()
    assert (goes.seqs(), stays.seqs()) == ([], [2])


def test_a_reader_has_one_log_at_a_time_and_may_go_from_one_to_another() -> None:
    here, there = Stage(), Stage()
    here.publish()
    there.publish()
    dashboard = here.join({"A"}, after=0)
    with pytest.raises(ValueError, match="a log already"):
        there.log.subscribe(dashboard.reader)
    there.log.unsubscribe(dashboard.reader)
    assert here.log.readers == 1
    here.log.unsubscribe(dashboard.reader)
    there.log.subscribe(dashboard.reader, {"A"}, after=0)
    there.settle()
    assert dashboard.seqs() == [1]
    there.publish()
    here.settle()
    there.settle()
    assert dashboard.seqs() == [1, 2]


def test_a_reader_without_a_log_cannot_resubscribe() -> None:
    stage = Stage()
    dashboard = stage.join({"A"})
    stage.log.unsubscribe(dashboard.reader)
    with pytest.raises(ValueError, match="not one of this log"):
        stage.log.resubscribe(dashboard.reader, {"B"})
    assert stage.log.readers == 0


def test_vins_that_are_not_hashable_are_a_type_error_and_change_nothing() -> None:
    stage = Stage()
    dashboard, other = stage.join(), Dashboard()
    nonsense: Any = [["A"]]
    with pytest.raises(TypeError):
        stage.log.subscribe(other.reader, nonsense)
    with pytest.raises(TypeError):
        stage.log.resubscribe(dashboard.reader, nonsense)
    stage.log.subscribe(other.reader)
    stage.publish()
    stage.settle()
    assert dashboard.seqs() == other.seqs() == [1]
