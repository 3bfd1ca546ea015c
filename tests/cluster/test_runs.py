"""Who holds which vehicle, and who is dead."""

from teslafast.cluster.runs import BEATS, Runs

A, B = b"run    A", b"run    B"
VIN = "5YJ3E1EA7KF000001"


def two() -> Runs:
    runs = Runs()
    runs.heard(A, 1, 0.0, 0)
    runs.heard(B, 2, 0.0, 0)
    return runs


def test_a_vehicle_is_connected_as_long_as_some_run_holds_it() -> None:
    runs = two()
    runs.holds(A, VIN, {"connectionId": "a"})
    runs.holds(B, VIN, {"connectionId": "b"})
    assert runs.lets_go(A, VIN) == {"connectionId": "b"}
    assert runs.connected == 1
    assert runs.lets_go(B, VIN) is None
    assert runs.connected == 0


def test_of_several_holders_the_one_that_came_last_is_told() -> None:
    runs = two()
    runs.heard(b"run    C", 3, 0.0, 0)
    for run in (A, B, b"run    C"):
        runs.holds(run, VIN, {"connectionId": run})
    runs.holds(A, VIN, {"connectionId": "again"})
    assert runs.lets_go(b"run    C", VIN) == {"connectionId": "again"}


def test_a_run_that_leaves_takes_its_vehicles_along() -> None:
    runs = two()
    runs.holds(A, VIN, {})
    runs.remove(A)
    assert runs.holders(VIN) == []
    assert [run.name for run in runs] == [B]


def test_what_a_run_says_that_nobody_knows_is_passed_over() -> None:
    runs = Runs()
    runs.holds(A, VIN, {})
    assert runs.lets_go(A, VIN) is None
    assert runs.connected == 0


def test_a_run_is_dead_if_it_was_silent_while_our_own_beats_were_stored() -> None:
    runs = two()
    runs.heard(B, 3, 100.0, BEATS)
    assert [run.name for run in runs.silent(109.0, BEATS, 10.0)] == [A]


def test_an_outage_of_the_log_buries_nobody() -> None:
    assert two().silent(1000.0, BEATS - 1, 10.0) == []


def test_beats_that_came_all_at_once_bury_nobody() -> None:
    assert two().silent(9.9, 100, 10.0) == []
