"""When fields were heard: those that somebody asks about, by vehicle."""

from __future__ import annotations

from teslafast.core.field_times import FieldTimes


def test_a_field_was_heard_when_it_came_last() -> None:
    times = FieldTimes(["Soc", "Gear"])
    times.heard("one", {"Soc": 1, "Gear": 2}, 10)
    times.heard("one", {"Soc": 1}, 20)
    times.heard("other", ["Gear"], 30)
    assert (times.of("one", 30), times.of("other", 30), times.of("nobody", 30)) == ({"Soc": 20, "Gear": 10}, {"Gear": 30}, {})


def test_names_that_nobody_asks_about_take_no_room() -> None:
    times = FieldTimes(["Soc"])
    times.heard("one", [f"Name{number}" for number in range(1000)], 10)
    assert times.of("one", 10) == {}


def test_what_was_heard_while_our_clock_was_ahead_grows_old_from_now_on() -> None:
    times = FieldTimes(["Soc"])
    times.heard("one", ["Soc"], 1000)
    assert times.of("one", 50) == {"Soc": 50}
    assert times.of("one", 90) == {"Soc": 50}
