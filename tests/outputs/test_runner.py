"""The runner: batches in order, the cursor after them, the lag, and an end that waits no longer than it may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from teslafast.errors import Unreachable
from teslafast.outputs.runner_options import BATCH_EVENTS, BATCH_LINGER_S, CLOSE_S

from tests.support.outputs import Broker, OutputStage, now, play

# ---- batches


def test_events_arrive_in_order_and_the_cursor_follows(lines: Callable[[], list[str]]) -> None:
    async def scene() -> None:
        stage = OutputStage(Broker())
        stage.publish(3)
        stage.runner.start()
        await stage.until(lambda: stage.notes == [3])
        stage.publish()
        await stage.until(lambda: stage.notes == [3, 4])
        await stage.end()
        assert stage.broker.batches == [[1, 2, 3], [4]]
        assert (stage.runner.sent, stage.runner.retried, stage.broker.closed) == (4, 0, 1)

    play(scene())
    assert lines() == ["output_up"]


def test_the_first_event_after_a_pause_goes_at_once_and_those_soon_after_it_together() -> None:
    async def scene() -> None:
        stage = OutputStage(Broker())
        stage.runner.start()
        await asyncio.sleep(1)
        stage.publish()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert stage.broker.arrived_at == [1.0]
        stage.publish()
        stage.publish()
        await stage.until(lambda: len(stage.broker.batches) == 2)
        assert stage.broker.batches == [[1], [2, 3]]
        assert stage.broker.arrived_at[1] == pytest.approx(1.0 + BATCH_LINGER_S)
        await stage.end()

    play(scene())


def test_a_backlog_goes_in_full_batches_without_a_pause_between_them() -> None:
    async def scene() -> None:
        stage = OutputStage(Broker())
        stage.publish(2 * BATCH_EVENTS + 1)
        stage.runner.start()
        await stage.until(lambda: stage.runner.sent == 2 * BATCH_EVENTS)
        assert [len(batch) for batch in stage.broker.batches] == [BATCH_EVENTS, BATCH_EVENTS]
        assert stage.broker.arrived_at == [0.0, 0.0]
        await stage.end()
        assert stage.broker.seqs == list(range(1, 2 * BATCH_EVENTS + 2))

    play(scene())


def test_while_a_batch_is_on_its_way_no_other_is_and_the_cursor_stays() -> None:
    async def scene() -> None:
        stage = OutputStage(Broker())
        confirmed = asyncio.Event()
        stage.broker.hold = confirmed.wait
        stage.publish()
        stage.runner.start()
        await stage.until(lambda: stage.broker.tried == [[1]])
        stage.publish(5)
        await asyncio.sleep(5)
        assert (stage.broker.tried, stage.notes, stage.runner.gauges().lag_events) == ([[1]], [], 6)
        confirmed.set()
        await stage.until(lambda: stage.notes == [1, 6])
        await stage.end()

    play(scene())


# ---- the lag


def test_the_lag_is_the_age_of_the_oldest_event_that_has_not_arrived() -> None:
    async def scene() -> None:
        stage = OutputStage(Broker(*[Unreachable("away")] * 3))
        assert (stage.runner.gauges().lag_events, stage.runner.gauges().lag_seconds) == (0, 0.0)
        stage.publish(2)
        stage.wall_s += 7
        stage.runner.start()
        await asyncio.sleep(0.1)
        assert (stage.runner.gauges().lag_events, stage.runner.gauges().lag_seconds) == (2, 7.0)
        await stage.until(lambda: stage.runner.sent == 2)
        assert (stage.runner.gauges().lag_events, stage.runner.gauges().lag_seconds) == (0, 0.0)
        assert stage.runner.gauges().dropped == {"overtaken": 0}
        await stage.end()

    play(scene())


# ---- the end


def test_at_the_end_everything_that_is_in_the_log_is_sent_first() -> None:
    async def scene() -> None:
        stage = OutputStage(Broker())
        stage.runner.start()
        stage.publish(3 * BATCH_EVENTS)
        await stage.runner.finish(10.0)
        assert stage.broker.seqs == list(range(1, 3 * BATCH_EVENTS + 1))
        assert stage.broker.closed == 1

    play(scene())


def test_an_output_in_its_back_off_is_tried_once_more_as_soon_as_the_end_comes() -> None:
    async def scene() -> None:
        stage = OutputStage(Broker(*[Unreachable("away")] * 7))
        stage.publish()
        stage.runner.start()
        await stage.until(lambda: len(stage.broker.connected_at) == 7)
        began_s = now()
        await stage.runner.finish(10.0)
        assert (stage.runner.sent, now()) == (1, began_s)

    play(scene())


def test_an_output_that_stays_away_is_given_up_at_the_deadline_and_what_is_left_is_said(lines: Callable[[], list[str]]) -> None:
    async def scene() -> None:
        stage = OutputStage(Broker(*[Unreachable("away")] * 1000))
        stage.publish(4)
        stage.runner.start()
        await stage.runner.finish(3.0)
        assert now() == pytest.approx(3.0)
        assert stage.notes == []

    play(scene())
    assert lines() == ["output_connecting", "output_left_behind"]


def test_an_output_that_does_not_let_go_is_not_waited_for() -> None:
    async def scene() -> None:
        stage = OutputStage(Broker())
        stage.broker.close = asyncio.Event().wait  # type: ignore[assignment,method-assign]
        stage.runner.start()
        await asyncio.sleep(1)
        await stage.runner.finish(5.0)
        assert now() <= 1 + CLOSE_S

    play(scene())
