"""What a runner passes over, whom it tells of what has arrived, and how it ends an output whose receiver wants no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from teslafast.core.tail import Event
from teslafast.errors import Undelivered, Unwanted
from teslafast.outputs.runner_options import UNWANTED, WAIT_AT_MOST_S

from tests.support.outputs import Broker, OutputStage, TellingBroker, now, overtake, play

ALERTS = frozenset({1})


class Acks:
    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def confirm(self, output: str, seq: int) -> None:
        self.told.append((output, seq))

    def lose(self, first: int, last: int) -> None:
        self.told.append(("lost", first, last))

    def stop(self) -> None:
        self.told.append(("stopped",))


# ---- kinds


def test_events_of_other_kinds_are_passed_over_and_the_cursor_moves_beyond_them() -> None:
    async def scene() -> None:
        stage = OutputStage(Broker(), kinds=ALERTS)
        stage.runner.start()
        stage.publish(3)
        stage.publish(1, kind=1)
        stage.publish(2)
        await stage.until(lambda: stage.runner.arrived == 6)
        assert stage.broker.batches == [[4]]
        assert stage.notes[-1] == 6
        assert (stage.runner.sent, stage.runner.gauges().lag_events) == (1, 0)
        await stage.end()

    play(scene())


def test_a_log_of_other_kinds_alone_sends_nothing() -> None:
    async def scene() -> None:
        stage = OutputStage(Broker(), kinds=ALERTS)
        stage.publish(700)
        stage.runner.start()
        await stage.until(lambda: stage.runner.arrived == 700)
        assert stage.broker.tried == []
        await stage.end()

    play(scene())


def test_the_cursor_stays_before_the_chosen_event_while_it_fails() -> None:
    async def scene() -> None:
        stage = OutputStage(Broker(None, OSError("no")), kinds=ALERTS)
        stage.publish(2)
        stage.publish(1, kind=1)
        stage.publish(2)
        stage.runner.start()
        await stage.until(lambda: len(stage.broker.tried) == 1)
        assert (stage.runner.arrived, stage.notes) == (0, [])
        await stage.until(lambda: stage.runner.arrived == 5)
        assert stage.broker.tried == [[3], [3]]
        await stage.end()

    play(scene())


def test_a_row_s_own_batch_is_not_exceeded_and_does_not_wait_while_more_is_there() -> None:
    async def scene() -> None:
        stage = OutputStage(Broker(), batch_events=4)
        stage.publish(12)
        stage.runner.start()
        await stage.until(lambda: stage.runner.arrived == 12)
        assert [len(batch) for batch in stage.broker.batches] == [4, 4, 4]
        assert stage.broker.arrived_at[-1] - stage.broker.arrived_at[0] < 0.01
        await stage.end()

    play(scene())


# ---- acks


def test_what_has_arrived_is_confirmed_batch_by_batch() -> None:
    async def scene() -> None:
        acks = Acks()
        stage = OutputStage(Broker(None, OSError("no")), acks=acks)
        stage.publish(3)
        stage.runner.start()
        await stage.until(lambda: stage.runner.arrived == 3)
        assert acks.told == [("broker", 3)]
        await stage.end()

    play(scene())


def test_what_the_ring_overtook_is_lost_before_it_is_confirmed() -> None:
    async def scene() -> None:
        acks = Acks()
        stage = OutputStage(TellingBroker(OSError("no")), acks=acks)
        stage.publish()
        oldest = overtake(stage)
        stage.runner.start()
        await stage.until(lambda: stage.runner.arrived == stage.log.seq)
        assert acks.told[:2] == [("lost", 1, oldest - 1), ("broker", oldest - 1)]
        await stage.end()

    play(scene())


def test_an_event_that_the_output_gives_up_is_lost_even_if_the_batch_fails_afterwards() -> None:
    async def scene() -> None:
        given_up: list[int] = []
        acks = Acks()

        class Picky(Broker):
            async def send(self, events: Sequence[Event]) -> None:
                if not given_up:
                    given_up.append(2)
                    raise OSError("no")
                await super().send(events)

        stage = OutputStage(Picky(), acks=acks, given_up=given_up)
        stage.publish(3)
        stage.runner.start()
        await stage.until(lambda: stage.runner.arrived == 3)
        assert acks.told == [("lost", 2, 3), ("broker", 3)]
        assert (stage.runner.sent, given_up) == (2, [])
        stage.publish()
        await stage.until(lambda: stage.runner.arrived == 4)
        await stage.end()

    play(scene())


# ---- the receiver's wishes


def asked(seconds: float) -> Undelivered:
    error = Undelivered("too many")
    error.retry_after_s = seconds
    return error


def test_a_receiver_that_asks_for_time_is_given_it_and_not_more_than_an_hour() -> None:
    async def scene() -> None:
        for seconds, expected in ((77.0, 77.0), (1e9, WAIT_AT_MOST_S)):
            stage = OutputStage(Broker(None, asked(seconds)))
            stage.publish()
            stage.runner.start()
            began_s = now()
            await stage.until(lambda stage=stage: stage.runner.arrived == 1, looking_every_s=0.5)  # type: ignore[misc]
            assert expected <= now() - began_s < expected + 1
            await stage.end()

    play(scene())


def test_an_output_whose_receiver_wants_no_more_stops_and_counts_what_it_is_not_given(lines: Callable[[], list[str]]) -> None:
    async def scene() -> None:
        acks = Acks()
        stage = OutputStage(Broker(None, None, Unwanted("410")), acks=acks)
        stage.publish(2)
        stage.runner.start()
        await stage.until(lambda: stage.runner.arrived == 2)
        stage.publish(3)
        await stage.until(lambda: stage.runner.arrived == 5)
        stage.publish(600)
        await stage.until(lambda: stage.runner.arrived == 605)
        assert (stage.broker.batches, stage.runner.state) == ([[1, 2]], "failing")
        assert stage.dropped[UNWANTED] == 603
        assert acks.told == [("broker", 2), ("stopped",)], "nobody is told that what follows has arrived"
        assert stage.broker.closed == 1
        await stage.end()

    play(scene())
    assert lines().count("output_stopped") == 1
