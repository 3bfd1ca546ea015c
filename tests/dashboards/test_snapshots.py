"""What is made for a dashboard and waits for it: how much that is, is known."""

from __future__ import annotations

from tests.support.dashboard_stage import DashboardStage


def test_answers_that_a_slow_client_has_yet_to_take_are_counted_in_bytes() -> None:
    stage = filled_and_slow()
    assert stage.session.held_bytes == 0
    vins = [f"5YJ3E1EA7KF{number:06}" for number in range(100)]
    for times in (1, 2):
        stage.say({"type": "subscribe", "vins": vins})
        assert times * 100 * 17 < stage.session.held_bytes < times * 100 * 30
    stage.wire.drain()
    stage.loop.settle()
    assert stage.session.held_bytes == 0


def filled_and_slow() -> DashboardStage:
    """It has been given all that there was, and its transport has not taken the last of it."""
    stage = DashboardStage().begin(snapshot="0")
    stage.told()
    stage.wire.room = 0
    stage.session._write(b"x")
    return stage
