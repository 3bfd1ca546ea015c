"""
The log against its promise.

The machine below does to a small log whatever a server's day may bring, in any order: events of every kind and size, readers
of everything or of some, coming at any place, resubscribing, stalling, drained by bits, failing, closing one another from within
a write. After every step, what was written is held against the promise (tests/support/log_model.py); and whenever the log has not
asked for a flush, every reader that could have been written to must have had all that was promised.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule
from teslafast._fanout import ALL_KINDS

from tests.support.fake_log import CHUNK, Stage, note
from tests.support.log_model import Event, History, Promise, Subscription, Witness

VINS = ("A", "B", "C")
NEVER = "never published"


SUBSCRIPTIONS = st.builds(
    Subscription,
    st.none() | st.frozensets(st.sampled_from([*VINS, NEVER]), max_size=3),
    st.just(ALL_KINDS) | st.integers(0, ALL_KINDS),
)
SMALL = st.integers(0, 150)
PADS = SMALL | SMALL | st.sampled_from([60_000, CHUNK, 200_000])
BESIDE = st.none() | st.lists(st.binary(max_size=80), max_size=4).map(tuple) | st.sampled_from([(b"x" * 70_000, b"y")])
ROOMS = st.none() | st.integers(0, 300) | st.integers(100_000, 300_000)
AFTER = st.none() | st.just(-1) | st.floats(0, 1.1)  # a share of the newest seq: beyond 1 it has not been yet


class LogKeepsItsPromise(RuleBasedStateMachine):
    witnesses: Bundle[Witness] = Bundle("witnesses")

    @initialize(ring_bytes=st.sampled_from([300, 1024, 5000, 1 << 18, 1 << 20]))
    def open_log(self, ring_bytes: int) -> None:
        self.stage = Stage(ring_bytes)
        self.history = History(ring_bytes)
        self.present: list[Witness] = []

    # ---- vehicles

    def add(self, vin: str, kind: int, pad: int, seq: int = 0, beside: tuple[bytes, ...] | None = None) -> None:
        event = Event.of(len(self.history.events), seq or self.stage.log.seq + 1, vin, kind, pad, beside)
        event = event.fitting(self.stage.log.capacity)
        if event.size > self.stage.log.capacity:
            with pytest.raises(ValueError, match="larger than the ring"):
                self.stage.publish(vin, kind, pad, seq, beside)
            return
        assert self.stage.publish(vin, kind, pad, seq, beside) == event.seq
        self.history.add(event)
        for witness in self.present:
            witness.published(event)

    @rule(vin=st.sampled_from(VINS), kind=st.integers(0, 3), pad=PADS, beside=BESIDE)
    def publish(self, vin: str, kind: int, pad: int, beside: tuple[bytes, ...] | None) -> None:
        self.add(vin, kind, pad, 0, beside)

    @rule(count=st.integers(2, 20) | st.sampled_from([258, 600]), pad=SMALL, stride=st.integers(1, 5), beside=BESIDE)
    def publish_many(self, count: int, pad: int, stride: int, beside: tuple[bytes, ...] | None) -> None:
        for number in range(count):
            self.add(VINS[number // stride % 3], number % 7 % 4, pad, 0, beside if number % 3 else None)

    @rule(vin=st.sampled_from(VINS), jump=st.integers(0, 1000))
    def publish_under_a_seq_of_its_own(self, vin: str, jump: int) -> None:
        self.add(vin, 0, 0, self.stage.log.seq + jump)

    @precondition(lambda self: self.stage.log.seq > 1)
    @rule(back=st.integers(1, 5))
    def publish_what_is_too_late(self, back: int) -> None:
        seq = self.stage.log.seq
        with pytest.raises(ValueError, match="after"):
            self.stage.publish(seq=max(1, seq - back))

    # ---- dashboards

    def let_in(self, subscription: Subscription, after: int | None) -> Witness:
        witness = Witness(self.stage, self.history)
        witness.subscribe(subscription, after)
        self.present.append(witness)
        return witness

    def place(self, after: float | None) -> int | None:
        return None if after is None else -1 if after < 0 else int(after * self.stage.log.seq)

    @rule(target=witnesses, subscription=SUBSCRIPTIONS, after=AFTER)
    def join(self, subscription: Subscription, after: float | None) -> Witness:
        return self.let_in(subscription, self.place(after))

    @rule(target=witnesses, old=witnesses)
    def reconnect_where_it_left(self, old: Witness) -> Witness:
        """What the old connection was given, and then the new one, is the whole."""
        self.leave(old)
        return self.let_in(old.promise.subscription, old.promise.seen)

    @rule(witness=witnesses)
    def leave(self, witness: Witness) -> None:
        self.stage.log.unsubscribe(witness.reader)
        if witness in self.present:
            witness.check()
            self.present.remove(witness)

    @rule(witness=witnesses, subscription=SUBSCRIPTIONS, after=AFTER)
    def come_back(self, witness: Witness, subscription: Subscription, after: float | None) -> None:
        if witness in self.present:
            with pytest.raises(ValueError, match="a log already"):
                self.stage.log.subscribe(witness.reader)
        elif not witness.faults:  # what it was being told when it failed is lost with it
            witness.check()  # the write in which it left, if it was one of its own
            witness.subscribe(subscription, self.place(after))
            self.present.append(witness)

    @rule(witness=witnesses, subscription=SUBSCRIPTIONS)
    def resubscribe(self, witness: Witness, subscription: Subscription) -> None:
        log, promise = self.stage.log, witness.promise
        if witness not in self.present:
            with pytest.raises(ValueError, match="not one of this log"):
                log.resubscribe(witness.reader, subscription.vins, subscription.kinds)
            return
        coming = self.history.events[len(self.history.events) - witness.reader.behind :]
        seen = log.seq if not coming and promise.seen >= 0 else promise.seen
        log.resubscribe(witness.reader, subscription.vins, subscription.kinds)
        witness.promise = Promise(subscription, (), seen)
        witness.promise.owed.extend(event for event in coming if subscription.covers(event))
        witness.came_late = True  # what it may have lost is what it wanted before

    @rule(witness=witnesses)
    def stall(self, witness: Witness) -> None:
        witness.reader.block()

    @rule(witness=witnesses, room=ROOMS)
    def drain(self, witness: Witness, room: int | None) -> None:
        witness.wire.drain(room)

    @rule(witness=witnesses, count=st.integers(1, 4), pad=PADS)
    def say(self, witness: Witness, count: int, pad: int) -> None:
        witness.say([note(f"{number}" + "n" * pad) for number in range(count)])

    # ---- from within a write

    def at_its_next_write(self, witness: Witness, act: Callable[[], object]) -> None:
        def once() -> None:
            witness.wire.on_write = None
            act()

        witness.wire.on_write = once

    @rule(witness=witnesses, victim=witnesses)
    def let_its_next_write_close_one(self, witness: Witness, victim: Witness) -> None:
        self.at_its_next_write(witness, lambda: self.leave(victim))

    @rule(witness=witnesses, subscription=SUBSCRIPTIONS)
    def let_its_next_write_let_one_in(self, witness: Witness, subscription: Subscription) -> None:
        self.at_its_next_write(witness, lambda: self.let_in(subscription, 0))

    @rule(witness=witnesses)
    def let_its_next_write_fail(self, witness: Witness) -> None:
        def fail() -> None:
            self.present.remove(witness)
            raise BrokenPipeError

        self.at_its_next_write(witness, fail)

    # ---- the event loop

    @rule()
    def turn(self) -> None:
        self.stage.turn()

    @rule()
    def settle(self) -> None:
        self.stage.settle()

    # ---- the law

    @invariant()
    def everything_written_was_promised(self) -> None:
        for witness in self.present:
            witness.check()

    @invariant()
    def nobody_waits_for_a_flush_that_was_not_asked_for(self) -> None:
        assert self.stage.owed or not any(witness.waits for witness in self.present)

    @invariant()
    def how_far_behind_it_is_is_no_guess(self) -> None:
        for witness in self.present:
            owed, behind = witness.promise.owed, witness.reader.behind
            if not witness.came_late:
                assert not owed or owed[0].number >= len(self.history.events) - behind
                assert not witness.promise.subscription.is_for_all or behind == len(owed)

    @invariant()
    def the_log_has_as_much_as_fits(self) -> None:
        log = self.stage.log
        assert log.readers == len(self.present)
        if self.history.kept:
            assert log.seq == self.history.kept[-1].seq
            assert log.oldest == self.history.kept[0].seq
            assert log.replay(log.seq) is not None
            assert log.kept_bytes == sum(event.span for event in self.history.kept)

    def teardown(self) -> None:
        """In the end everyone is drained, and has had everything; and what was kept beside the events is still there."""
        kept = [(text, beside) for _, _, _, text, _, beside in self.stage.log.events_after(0, 1 << 30, beside=True)]
        assert kept == [(event.text, event.beside or None) for event in self.history.kept]
        for witness in list(self.present):
            witness.wire.drain()
        self.stage.settle()
        self.everything_written_was_promised()
        assert all(not witness.waits and witness.reader.behind == 0 for witness in self.present)


TestTheLogKeepsItsPromise = LogKeepsItsPromise.TestCase
TestTheLogKeepsItsPromise.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
