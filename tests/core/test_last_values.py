"""The last known value of each field, held against the rule that it was made from, and against what follows from the rule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.core import last_values
from teslafast.core.last_values import FARTHEST_NS, FIELDS_AT_MOST, VALUE_BYTES_AT_MOST, LastValues, VehicleValues, cost

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
VIN = "5YJ3E1EA7KF000001"


class Message(NamedTuple):
    """What a vehicle sends, and by whose clock. `created`: the vehicle's; `now`: ours; `again`: it is a re-send."""

    created: int
    data: dict[str, Any]
    now: int = NOW
    again: bool = False


def known(messages: Iterable[Message]) -> dict[str, Any]:
    """The values after these messages, in this order."""
    state = LastValues()
    for message in messages:
        state.merge(VIN, message.data, message.created, message.now, message.again)
    vehicle = state.get(VIN)
    return dict(vehicle.values) if vehicle else {}


def in_whole_ms(time_ns: int) -> int:
    """Times are as precise as the events are."""
    return max(time_ns, -FARTHEST_NS) // 1_000_000 * 1_000_000


DATA = st.dictionaries(st.sampled_from("ABCDE"), st.integers(0, 9), max_size=4)
SOME_DATA = DATA.filter(bool)
SANE = st.integers(NOW - 3600 * SECOND, NOW).map(in_whole_ms)
ANY_TIME = st.integers(-(1 << 65), 1 << 65)


@given(
    st.lists(st.builds(Message, SANE, DATA, st.just(NOW)), unique_by=lambda message: message.created).flatmap(
        lambda messages: st.tuples(st.just(messages), st.permutations(messages))
    )
)
def test_in_whatever_order_messages_come_each_field_ends_with_its_newest_value(both: tuple[list[Message], list[Message]]) -> None:
    messages, shuffled = both
    newest: dict[str, Any] = {}
    for message in sorted(messages):
        newest |= message.data
    assert known(shuffled) == newest


# Our own clock goes on, or is set, either way.
OUR_TIMES = st.sampled_from((NOW - 1000 * SECOND, NOW - SECOND, NOW, NOW + 1, NOW + SECOND, NOW + 1000 * SECOND))


@given(st.lists(st.builds(Message, SANE | ANY_TIME, DATA, OUR_TIMES, st.booleans())))
def test_every_field_follows_the_rule(messages: list[Message]) -> None:
    values: dict[str, tuple[int, bool, Any]] = {}
    for created, data, now, again in messages:
        if data:
            values = {
                name: (in_whole_ms(now), True, value) if time > now else (time, ahead, value)
                for name, (time, ahead, value) in values.items()
            }
        for name, value in data.items():
            time, ahead, _ = values.get(name, (created, False, None))
            time_ns = in_whole_ms(min(created, now))
            if name not in values or time_ns >= time or (ahead and not again):
                values[name] = time_ns, created > now, value
    assert known(messages) == {name: value for name, (_, _, value) in values.items()}


@given(st.lists(st.builds(Message, SANE | ANY_TIME, SOME_DATA, OUR_TIMES), min_size=1))
def test_values_and_times_have_the_same_fields_and_the_newest_time_is_known(messages: list[Message]) -> None:
    state = LastValues()
    for message in messages:
        state.merge(VIN, message.data, message.created, message.now)
    vehicle = state.get(VIN)
    assert vehicle is not None
    assert vehicle.values.keys() == vehicle.times.keys()
    assert vehicle.newest_ns == max(vehicle.times.values())
    assert vehicle.newest_ns <= messages[-1].now


def test_a_late_message_never_steps_back() -> None:
    assert known([Message(NOW, {"Soc": 50}), Message(NOW - SECOND, {"Soc": 51, "Odometer": 7})]) == {"Soc": 50, "Odometer": 7}


def test_of_two_messages_of_the_same_time_the_one_that_came_last_counts() -> None:
    assert known([Message(NOW, {"Soc": 50}), Message(NOW, {"Soc": 51})]) == {"Soc": 51}


def test_a_time_ahead_of_receipt_counts_as_receipt_and_whatever_comes_later_wins_unless_it_is_a_resend() -> None:
    ahead = Message(NOW + 1000 * SECOND, {"Soc": 1, "Odometer": 2})
    assert known([ahead]) == {"Soc": 1, "Odometer": 2}
    assert known([ahead, Message(NOW - SECOND, {"Soc": 50})]) == {"Soc": 50, "Odometer": 2}
    assert known([ahead, Message(NOW - SECOND, {"Soc": 50}, again=True)]) == {"Soc": 1, "Odometer": 2}
    assert known([ahead, Message(NOW, {"Soc": 50}), Message(NOW - SECOND, {"Soc": 49})]) == {"Soc": 50, "Odometer": 2}


@pytest.mark.parametrize("years", [1 / 31_536_000, 1 / 365, 4])
def test_what_was_told_while_our_own_clock_was_ahead_does_not_outrank_what_comes_once_it_is_set_right(years: float) -> None:
    then = NOW + int(years * 31_536_000) * SECOND
    early = [Message(then, {"Soc": 1, "Odometer": 2, "Gear": "P"}, then), Message(then + SECOND, {"Odometer": 3}, then)]
    assert known([*early, Message(NOW - 2 * SECOND, {"Soc": 50}, NOW)]) == {"Soc": 50, "Odometer": 3, "Gear": "P"}
    assert known([*early, Message(NOW - 2 * SECOND, {"Soc": 50}, NOW, again=True)]) == {"Soc": 1, "Odometer": 3, "Gear": "P"}
    after = [Message(NOW, {"Gear": "D"}, NOW), Message(NOW - SECOND, {"Soc": 50, "Gear": "R"}, NOW)]
    assert known([*early, *after]) == {"Soc": 50, "Odometer": 3, "Gear": "D"}, "of what came after it, the vehicle's order holds"


def test_no_time_that_is_told_is_later_than_the_moment_at_which_it_is_told() -> None:
    state = LastValues()
    state.merge(VIN, {"Soc": 1}, NOW - SECOND, NOW)
    state.merge(VIN, {"Odometer": 2}, NOW + 1000 * SECOND, NOW + 1000 * SECOND)
    vehicle = state.get(VIN)
    assert vehicle is not None
    assert (vehicle.newest_at(NOW + 1), vehicle.newest_at(NOW + 2000 * SECOND)) == (NOW, NOW + 1000 * SECOND)
    assert vehicle.times_at(NOW + 1) == {"Soc": NOW - SECOND, "Odometer": NOW}
    assert vehicle.report(NOW + 1)["data"]["Odometer"] == {"value": 2, "time_ns": NOW}
    assert vehicle.report(NOW + 1)["times"]["Odometer"] == "2027-01-15T08:00:00.000Z"


def test_values_beyond_the_bound_in_bytes_are_not_kept_and_counted_and_smaller_ones_still_are() -> None:
    state = LastValues()
    long = "x" * (VALUE_BYTES_AT_MOST // 2)
    for number, value in enumerate((long, long, 7)):
        state.merge(VIN, {f"F{number}": value}, NOW + number - 10, NOW, size=len(long) + 10)
    vehicle = state.get(VIN)
    assert vehicle is not None
    assert vehicle.values == {"F0": long, "F2": 7}
    assert (vehicle.not_kept, state.not_kept) == (1, 1)
    state.merge(VIN, {"F0": 1}, NOW, NOW, size=10)
    state.merge(VIN, {"F1": long}, NOW, NOW, size=len(long) + 10)
    assert set(vehicle.values) == {"F0", "F1", "F2"}, "there is room again"


def test_a_message_without_a_time_counts_as_of_now() -> None:
    state = LastValues()
    state.merge(VIN, {"Soc": 1}, None, NOW)
    state.merge(VIN, {"Soc": 2}, NOW - 1, NOW)
    vehicle = state.get(VIN)
    assert vehicle is not None
    assert vehicle.report(NOW) == {
        "data": {"Soc": {"value": 1, "time_ns": NOW}},
        "times": {"Soc": "2027-01-15T08:00:00.000Z"},
    }


def test_a_null_is_a_value() -> None:
    assert known([Message(NOW, {"Soc": 50}), Message(NOW + 1, {"Soc": None})]) == {"Soc": None}


def test_a_vehicle_keeps_a_bounded_number_of_fields_and_goes_on_with_those_that_it_has() -> None:
    messages = [Message(NOW + number, {f"Field_{number}": 0}) for number in range(FIELDS_AT_MOST + 10)]
    messages += [Message(NOW + 2 * FIELDS_AT_MOST, {"Field_0": 1, "Field_new": 1})]
    values = known(messages)
    assert len(values) == FIELDS_AT_MOST
    assert values["Field_0"] == 1
    assert "Field_new" not in values


def test_one_message_cannot_bring_more_than_the_bound_either() -> None:
    assert len(known([Message(NOW, {f"Field_{number}": 0 for number in range(3 * FIELDS_AT_MOST)})])) == FIELDS_AT_MOST


def test_a_message_without_fields_says_nothing_of_how_old_the_values_are() -> None:
    state = LastValues()
    state.merge(VIN, {}, NOW, NOW)
    assert state.get(VIN) is None, "nothing is known yet"
    state.merge(VIN, {"Soc": 50}, NOW, NOW)
    state.merge(VIN, {}, NOW + 60 * SECOND, NOW + 60 * SECOND)
    vehicle = state.get(VIN)
    assert vehicle is not None
    assert vehicle.newest_ns == NOW
    state.merge(VIN, {"Soc": 51}, NOW + SECOND, NOW + 60 * SECOND)
    assert (vehicle.values, vehicle.newest_ns) == ({"Soc": 51}, NOW + SECOND)


def test_vehicles_do_not_mix() -> None:
    state = LastValues()
    state.merge("A", {"Soc": 1}, NOW, NOW)
    state.merge("B", {"Soc": 2}, NOW, NOW)
    assert [(vin, vehicle.values) for vin in state.vins() if (vehicle := state.get(vin))] == [
        ("A", {"Soc": 1}),
        ("B", {"Soc": 2}),
    ]
    assert state.get("C") is None


def test_vehicles_may_come_while_they_are_gone_through() -> None:
    state = LastValues()
    state.merge("A", {"Soc": 1}, NOW, NOW)
    for vin in state.vins():
        state.merge(vin + "'", {"Soc": 1}, NOW, NOW)
    assert list(state.vins()) == ["A", "A'"]


def test_of_tens_of_thousands_of_fields_those_that_are_known_count_and_the_rest_is_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vehicle = VehicleValues()
    vehicle.merge({f"Field_{number}": 0.0 for number in range(FIELDS_AT_MOST - 1)} | {"Soc": 1.0}, None, NOW, False, 20_000)
    counted: list[str] = []

    def counting(name: str, value: object) -> int:
        counted.append(name)
        return cost(name, value)

    many = {f"Other_{number}": 0.0 for number in range(60_000)} | {"Soc": 2.0}
    vehicle.merge(many, None, NOW + SECOND, False, 0)
    monkeypatch.setattr(last_values, "cost", counting)
    vehicle.merge(many | {"Soc": 3.0}, None, NOW + 2 * SECOND, False, 1_000_000)
    assert (vehicle.values["Soc"], len(vehicle.values), vehicle.not_kept) == (3.0, FIELDS_AT_MOST, 2 * 60_000)
    assert len(counted) < 2 * FIELDS_AT_MOST


NAMES = st.integers(0, 1500).map("Field_{}".format)
SIZED_VALUES = st.one_of(st.floats(), st.integers(0, 3000).map("x".__mul__), st.fixed_dictionaries({"a": st.text(max_size=300)}))


@given(st.lists(st.dictionaries(NAMES, SIZED_VALUES, min_size=1, max_size=40), max_size=60))
def test_whatever_comes_the_bytes_and_fields_kept_stay_within_their_bounds(messages: list[dict[str, Any]]) -> None:
    vehicle = VehicleValues()
    for number, data in enumerate(messages):
        size = sum(cost(*field) for field in data.items())
        vehicle.merge(data, None, NOW + number * 1_000_000, False, size)
        kept = sum(cost(*field) for field in vehicle.values.items())
        assert kept <= VALUE_BYTES_AT_MOST
        assert len(vehicle.values) <= FIELDS_AT_MOST
        assert vehicle.values.keys() == vehicle.times.keys()


def test_a_vehicle_that_is_full_costs_as_much_work_as_its_message_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    vehicle = VehicleValues()
    vehicle.merge({f"Field_{number}": 0.0 for number in range(4000)}, None, NOW, False, 80_000)
    counted: list[str] = []

    def counting(name: str, value: object) -> int:
        counted.append(name)
        return cost(name, value)

    monkeypatch.setattr(last_values, "cost", counting)
    for _ in range(100):
        vehicle.merge({"One": 1.0}, None, NOW, False, 100)
    assert len(counted) <= 2 * 100
