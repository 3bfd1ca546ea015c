"""The runner when its output fails: sent again, with a back-off, said once; and what the ring overtakes meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from teslafast.backoff import FIRST_S, LIMIT_S
from teslafast.errors import Undelivered, Unheard, Unreachable
from teslafast.outputs.runner_options import ATTEMPT_S

from tests.support.outputs import Broker, OutputStage, TellingBroker, now, overtake, play

# ---- failures


def test_a_batch_that_failed_is_sent_again_whole_before_anything_else() -> None:
    async def scene() -> None:
        stage = OutputStage(Broker(None, OSError("no room"), None, OSError("no room")))
        stage.publish(3)
        stage.runner.start()
        await stage.until(lambda: bool(stage.broker.tried))
        stage.publish(2)
        await stage.until(lambda: stage.runner.sent == 5)
        assert stage.broker.tried == [[1, 2, 3], [1, 2, 3], [1, 2, 3], [4, 5]]
        assert stage.notes == [3, 5]
        assert stage.runner.retried == 6
        await stage.end()

    play(scene())


@pytest.mark.parametrize(
    ("trouble", "state"),
    [
        (Unreachable("no route"), "connecting"),
        (ConnectionRefusedError("refused"), "connecting"),
        (Undelivered("wrong password"), "failing"),
        (PermissionError("denied"), "failing"),
        (RuntimeError("a fault of ours"), "failing"),
    ],
)
def test_a_broker_that_is_away_at_the_start_is_tried_with_a_back_off_and_said_once(
    trouble: Exception, state: str, lines: Callable[[], list[str]]
) -> None:
    async def scene() -> None:
        stage = OutputStage(Broker(*[trouble] * 8))
        stage.runner.start()
        stage.publish()
        await stage.until(lambda: len(stage.broker.connected_at) == 8)
        assert stage.runner.state == state
        await stage.until(lambda: stage.runner.sent == 1)
        assert stage.runner.state == "up"
        waits = [
            later - earlier for earlier, later in zip(stage.broker.connected_at, stage.broker.connected_at[1:], strict=False)
        ]
        assert waits == pytest.approx([FIRST_S * 2**n for n in range(6)] + [LIMIT_S] * 2)
        assert stage.broker.closed == 8
        await stage.end()

    play(scene())
    assert lines() == [f"output_{state}", "output_up"]


def test_the_back_off_is_jittered() -> None:
    async def scene() -> None:
        stage = OutputStage(Broker(Unreachable("away")), luck=0.0)
        stage.runner.start()
        await stage.until(lambda: len(stage.broker.connected_at) == 2)
        assert stage.broker.connected_at == pytest.approx([0.0, FIRST_S / 2], abs=0.01)
        await stage.end()

    play(scene())


def test_a_connection_that_breaks_after_a_success_is_tried_again_soon_and_said_once_each_time(
    lines: Callable[[], list[str]],
) -> None:
    async def scene() -> None:
        stage = OutputStage(Broker(*[Unreachable("away")] * 6))
        stage.publish()
        stage.runner.start()
        await stage.until(lambda: stage.runner.sent == 1)
        stage.broker.troubles = [ConnectionResetError("reset")]
        broken_at = now()
        stage.publish()
        await stage.until(lambda: stage.runner.sent == 2)
        assert now() - broken_at < 2 * FIRST_S
        await stage.end()

    play(scene())
    assert lines() == ["output_connecting", "output_up", "output_connecting", "output_up"]


def test_a_connection_that_stood_for_long_without_an_event_is_tried_again_soon() -> None:
    async def scene() -> None:
        stage = OutputStage(Broker(*[Unreachable("away")] * 6))
        stage.runner.start()
        await asyncio.sleep(10 * LIMIT_S)
        stage.broker.troubles = [ConnectionResetError("reset")]
        broken_at = now()
        stage.publish()
        await stage.until(lambda: stage.runner.sent == 1)
        assert now() - broken_at < 2 * FIRST_S
        await stage.end()

    play(scene())


def test_an_output_that_connects_and_refuses_every_batch_stays_failing_and_is_said_once(lines: Callable[[], list[str]]) -> None:
    async def scene() -> None:
        refusals = [trouble for _ in range(5) for trouble in (None, Undelivered("not allowed"))]
        stage = OutputStage(Broker(*refusals))
        stage.publish()
        stage.runner.start()
        await stage.until(lambda: len(stage.broker.tried) == 4)
        assert stage.runner.state == "failing"
        await stage.until(lambda: stage.runner.sent == 1)
        await stage.end()

    play(scene())
    assert lines() == ["output_up", "output_failing", "output_up"]


def test_a_send_that_never_returns_counts_as_failed(lines: Callable[[], list[str]]) -> None:
    async def scene() -> None:
        stage = OutputStage(Broker())
        stage.broker.hold = asyncio.Event().wait
        stage.publish()
        stage.runner.start()
        await asyncio.sleep(ATTEMPT_S + 0.1)
        assert stage.runner.state == "failing"
        stage.broker.hold = None
        await stage.until(lambda: stage.runner.sent == 1)
        await stage.end()

    play(scene())
    assert lines() == ["output_up", "output_failing", "output_up"]


# ---- overtaken


def test_what_the_ring_overtook_is_counted_and_told_between_what_was_taken_before_and_what_comes_after() -> None:
    async def scene() -> None:
        broker = TellingBroker(None, Unreachable("away"))
        stage = OutputStage(broker)
        stage.publish(2)
        stage.runner.start()
        await stage.until(lambda: broker.tried == [[1, 2]])
        oldest = overtake(stage)
        newest = stage.log.seq
        await stage.until(lambda: stage.runner.gauges().lag_events == 0)
        assert broker.order[:2] == [[1, 2], (3, oldest - 1)]
        assert broker.seqs == [1, 2, *range(oldest, newest + 1)]
        assert stage.dropped == {"overtaken": oldest - 3}
        assert stage.notes[1] == oldest - 1
        await stage.end()

    play(scene())


def test_a_gap_that_could_not_be_told_is_told_again() -> None:
    async def scene() -> None:
        broker = TellingBroker(None, Unreachable("away"))
        stage = OutputStage(broker)
        oldest = overtake(stage)
        stage.runner.start()
        await stage.until(lambda: stage.runner.gauges().lag_events == 0)
        assert broker.order[0] == (1, oldest - 1)
        assert stage.dropped == {"overtaken": oldest - 1}
        await stage.end()

    play(scene())


def test_an_output_that_cannot_tell_of_a_gap_goes_on_after_it(lines: Callable[[], list[str]]) -> None:
    async def scene() -> None:
        stage = OutputStage(Broker())
        oldest = overtake(stage)
        stage.runner.start()
        await stage.until(lambda: stage.runner.gauges().lag_events == 0)
        assert stage.broker.seqs[0] == oldest
        await stage.end()

    play(scene())
    assert "output_overtaken" in lines()


def test_at_the_end_nobody_is_waited_for_who_might_listen() -> None:
    async def scene() -> None:
        stage = OutputStage(Broker(*[Unheard("nobody") for _ in range(100)]))
        stage.publish()
        stage.runner.start()
        await stage.until(lambda: len(stage.broker.connected_at) > 2)
        began_s = now()
        await stage.runner.finish(1000.0)
        assert now() - began_s < 100
        assert stage.broker.seqs == stage.notes == []

    play(scene())
