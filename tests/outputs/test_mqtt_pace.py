"""How often a field is published: the older value is given up, never the newest."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from teslafast.outputs.mqtt_pace import QUIET_S, Pace, Value

KEY = ("A", "Soc")


class Stage:
    """A pace, and a broker that confirms everything at once."""

    def __init__(self, interval_s: float = 1.0) -> None:
        self.pace = Pace(interval_s, {"Soc": 0.01})
        self.now_s = 100.0
        self.seq = 0

    def offer(self, value: Any, field: str = "Soc", created: str | None = None, is_resend: bool = False) -> None:
        self.seq += 1
        self.pace.offer(Value(("A", field), value, self.seq, created), is_resend, self.now_s)

    def publish(self, after_s: float = 0.0, everything: bool = False) -> list[Any]:
        self.now_s += after_s
        due = self.pace.due(self.now_s, everything)
        for value in due:
            self.pace.confirmed(value, self.now_s)
        return [value.value for value in due]


def test_the_first_value_goes_at_once_and_the_newest_of_the_next_ones_an_interval_later() -> None:
    stage = Stage()
    stage.offer(1)
    assert stage.publish() == [1]
    for value in (2, 3, 4):
        stage.offer(value)
    assert (stage.publish(0.9), stage.pace.held_from()) == ([], 4)
    assert stage.pace.due_s() == 101.0
    assert stage.publish(0.1) == [4]
    assert (stage.pace.superseded, stage.pace.held_from(), stage.pace.due_s()) == (2, None, None)


def test_what_did_not_change_is_published_again_after_a_while_and_does_not_hold_the_cursor() -> None:
    stage = Stage()
    for value in (50.0, 50.004):
        stage.offer(value)
        stage.publish()
    assert stage.pace.held_from() is None
    assert stage.publish(QUIET_S - 0.1) == []
    assert stage.publish(0.1) == [50.004]


def test_a_change_after_a_quiet_value_is_due_after_the_interval() -> None:
    stage = Stage()
    for value in (50.0, 50.0, 51.0):
        stage.offer(value)
        stage.publish()
    assert stage.publish(1.0) == [51.0]


def test_a_parked_car_that_wanders_by_a_metre_is_quiet_and_one_that_moves_is_not() -> None:
    stage = Stage()
    for latitude in (52.5, 52.50001):
        stage.offer({"latitude": latitude, "longitude": 13.4}, "Location")
        stage.publish()
    assert stage.publish(2.0) == []
    stage.offer({"latitude": 52.5001, "longitude": 13.4}, "Location")
    assert stage.publish() == [{"latitude": 52.5001, "longitude": 13.4}]


def test_values_are_due_in_the_order_of_the_log() -> None:
    stage = Stage()
    for field in ("A", "B", "C", "B"):
        stage.offer(field, field)
    assert stage.publish() == ["A", "C", "B"]


def test_at_the_end_everything_is_due() -> None:
    stage = Stage()
    for value in (1, 2):
        stage.offer(value)
        stage.publish()
    assert stage.publish(everything=True) == [2]
    assert stage.publish(100.0) == []


def test_what_was_due_and_not_confirmed_is_due_again() -> None:
    stage = Stage()
    stage.offer(1)
    assert len(stage.pace.due(stage.now_s)) == 1
    assert stage.pace.due(stage.now_s) == []
    stage.pace.again()
    assert stage.pace.held_from() == 1
    assert stage.publish() == [1]


def test_a_value_that_is_sent_again_and_is_older_than_what_is_known_is_left_out() -> None:
    stage = Stage()
    stage.offer(2, created="2026-11-26T00:00:02.000Z")
    stage.offer(1, created="2026-11-26T00:00:01.000Z", is_resend=True)
    assert (stage.publish(), stage.pace.outdated) == ([2], 1)
    stage.offer(1, created="2026-11-26T00:00:01.000Z", is_resend=True)
    stage.offer(3, created="2026-11-26T00:00:03.000Z", is_resend=True)
    assert (stage.publish(1.0), stage.pace.outdated) == ([3], 2)


def test_the_last_value_of_each_field_is_remembered() -> None:
    stage = Stage()
    for value in (1, 2):
        stage.offer(value)
        stage.publish(1.0)
    assert [value.value for value in stage.pace.published()] == [2]
    assert (stage.pace.knows(KEY), stage.pace.knows(("A", "Gear"))) == (True, False)


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 3), st.floats(0, 2)), max_size=60), st.booleans())
def test_the_newest_value_of_every_field_arrives_and_none_goes_back(steps: list[tuple[str, int, float]], fails: bool) -> None:
    stage = Stage()
    newest: dict[str, int] = {}
    arrived: dict[str, list[int]] = {}
    for field, value, pause_s in steps:
        stage.offer(value, field)
        newest[field] = stage.seq
        if fails:
            stage.pace.due(stage.now_s)  # and the connection ends
            stage.pace.again()
        stage.now_s += pause_s
        for one in stage.pace.due(stage.now_s):
            stage.pace.confirmed(one, stage.now_s)
            arrived.setdefault(one.key[1], []).append(one.seq)
    for one in stage.pace.due(stage.now_s, everything=True):
        stage.pace.confirmed(one, stage.now_s)
        arrived.setdefault(one.key[1], []).append(one.seq)
    assert {field: seqs[-1] for field, seqs in arrived.items()} == newest
    assert all(seqs == sorted(set(seqs)) for seqs in arrived.values())
