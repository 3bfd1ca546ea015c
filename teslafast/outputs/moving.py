"""
The outputs of one node of several: each is worked by one node at a time, and moves when that one ends.

    custody: begin ──▶ a new Runner from the place that the cluster knows ──▶ note, after each batch ──▶ custody
             hand_over ──▶ the batch that is under way arrives, then it ends ──▶ yielded
             end ──▶ cancelled: another node has the output, or may have it

A runner sends its next batch when the cluster knows of the last one. What its output held goes with it: only the counters stay.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from ..core.shared_reliable_acks import SharedReliableAcks
from ..core.tail import Tail
from ..errors import Misconfigured
from ..logs import fields, log
from . import Context, Moving, OutputGauges
from .deep_tail import DeepTail, OpenPastOfEvents
from .group import WatchedHub, runner_options, told_values
from .moving_custody import OutputNode, OutputsCustody
from .runner import Runner
from .runner_options import CLOSE_S, UP
from .settings import OutputPlan

MAKE_AGAIN_S = 10.0
WORKED_ELSEWHERE, WORKED_NOWHERE = "elsewhere", "waiting"
LOST_WITH_THE_LOG = "lost_with_the_log"  # why events were dropped: the cluster's log was lost before they could be sent


class _Work:
    """One output while it is worked here."""

    def __init__(self, output: str, context: Context, tail: DeepTail) -> None:
        self.output = output
        self.context = context
        self.tail = tail
        self.changed = asyncio.Event()
        self.losses = _Losses(tail.next - 1)
        self.runner: Runner


class _Losses:
    """What an output did not deliver and never will, since its place was noted last: the nodes that wait for it are told so."""

    def __init__(self, noted: int) -> None:
        self._noted = noted
        self._lost: tuple[int, int] | None = None
        self._stopped = False

    def confirm(self, output: str, seq: int) -> None:
        """Its place in the cluster's log does that."""

    def lose(self, first: int, last: int) -> None:
        before = self._lost or (first, last)
        self._lost = min(first, before[0]), max(last, before[1])

    def stop(self) -> None:
        self._stopped = True

    def told_with(self, seq: int) -> tuple[int, int] | None:
        """With the note that the output has everything up to `seq`."""
        if self._stopped:
            self.lose(self._noted + 1, seq)
        lost, self._lost, self._noted = self._lost, None, seq
        return lost


class MovingOutputs:
    """
    The outputs of `plans`. A held_output.Workers: custody tells what to work.

    moving      what each output has to know about it
    open_past   reads the shared log
    """

    def __init__(self, plans: Sequence[OutputPlan], hub: WatchedHub, moving: Moving, open_past: OpenPastOfEvents) -> None:
        """Raises Misconfigured if a package that one of them needs is not installed."""
        self._hub = hub
        self._moving = moving
        self._open_past = open_past
        self._plans = {plan.cursor: plan for plan in plans}
        self._work: dict[str, _Work] = {}
        self._ended: dict[str, OutputGauges] = {}  # the sums of what former runners have counted
        self._closing: set[_Work] = set()
        self._finishing = self._handed_on = self._stopped = False
        self._seen = hub.log.seq
        self._reliable = {plan.cursor: plan.name for plan in plans if plan.reliable}
        stored, names = hub.turn.hold, self._reliable.values()
        self.acks = SharedReliableAcks(hub.log, names, stored) if names and stored is not None else None
        self.custody: OutputsCustody
        for plan in plans:  # made anew for each runner: this one only tells whether it can be
            plan.make(self._context(plan, hub.epoch))

    @property
    def names(self) -> list[str]:
        """Their cursors'."""
        return list(self._plans)

    # ---- held_output.Workers

    def begin(self, output: str, epoch: bytes, seq: int, lost: int) -> None:
        if self._stopped:
            return
        plan = self._plans[output]
        context = self._context(plan, epoch.hex())
        if lost:
            context.dropped[LOST_WITH_THE_LOG] += lost
            log.warning("output_lost_with_the_log", extra=fields(output=plan.name, events=lost, cause=LOST_WITH_THE_LOG))
        tail = DeepTail(Tail(self._hub.log, seq + 1, plan.wants_own_bytes), self._hub.log, self._open_past)
        work = self._work[output] = _Work(output, context, tail)
        try:
            work.runner = self._runner(plan, work)
        except Misconfigured as error:  # a file of its settings has gone since the start
            del self._work[output]
            log.error("output_not_made", extra=fields(output=plan.name, reason=str(error)))
            asyncio.get_running_loop().call_later(MAKE_AGAIN_S, self.custody.yielded, output)
            return
        log.info("output_taken", extra=fields(output=plan.name, after=seq, behind=max(0, self._hub.log.seq - seq)))
        work.runner.start()
        work.runner.when_done(partial(self._done, work))

    def _context(self, plan: OutputPlan, epoch: str) -> Context:
        return Context(
            epoch, Counter(), plan.shared, last_values=partial(told_values, self._hub), shape=plan.shape, moving=self._moving
        )

    def _runner(self, plan: OutputPlan, work: _Work) -> Runner:
        context = work.context
        losses = work.losses if plan.reliable else None
        options = replace(runner_options(plan, context, losses), permit=partial(self._permit, work))
        return Runner(
            plan.name, plan.make(context), work.tail, self._hub.log, context.dropped, partial(self._note, work), options=options
        )

    def _is_mine(self, work: _Work) -> bool:
        return self._work.get(work.output) is work

    def _note(self, work: _Work, seq: int) -> None:
        if self._is_mine(work):
            self.custody.note(work.output, seq, work.losses.told_with(seq))

    async def _permit(self, work: _Work) -> bool:
        """Until a batch may be sent; False: none may any more."""
        while self._is_mine(work) and not self.custody.is_yielding(work.output):
            if self.custody.may_send(work.output):
                return True
            work.changed.clear()
            await work.changed.wait()
        return False

    def hand_over(self, output: str) -> None:
        work = self._work.get(output)
        if work is not None:
            work.context.moved.set()
            if work.runner.state != UP:  # nothing arrives at the moment: what is under way may as well be sent by the next one
                work.runner.cancel()
            self.go_on(output)

    def end(self, output: str) -> None:
        work = self._work.pop(output, None)
        if work is not None:
            work.context.moved.set()
            self._closing.add(work)
            work.runner.cancel()
            meaning = "another node has it, or may take this one for dead; it goes on from where the cluster knows it to be"
            log.warning("output_suspended", extra=fields(output=self._plans[output].name, meaning=meaning))

    def go_on(self, output: str) -> None:
        work = self._work.get(output)
        if work is not None:
            work.changed.set()
            if self.custody.is_yielding(output):
                work.runner.wake()

    def confirm(self, output: str, seq: int) -> None:
        if self.acks is not None and output in self._reliable:
            self.acks.confirm(self._reliable[output], seq)

    def lose(self, output: str, first: int, last: int) -> None:
        if self.acks is not None and output in self._reliable:
            self.acks.lose(first, last)

    def _done(self, work: _Work) -> None:
        """Its runner has ended, and let go of its connection."""
        work.tail.close()
        self._closing.discard(work)
        self._ended[work.output] = work.runner.gauges().after(self._ended.get(work.output))
        if self._is_mine(work):
            del self._work[work.output]
            if self._finishing:
                return
            log.info("output_handed_over", extra=fields(output=self._plans[work.output].name, after=work.runner.arrived))
            self.custody.yielded(work.output)

    # ---- its life

    def start(self) -> None:
        if self.acks is not None:
            self._hub.turn.hold_replies_by(self.acks)
        self._hub.turn.watch(self._wake)

    def _wake(self) -> None:
        if self._seen != self._hub.log.seq:
            self._seen = self._hub.log.seq
            for work in self._work.values():
                work.runner.wake()

    def hand_on(self) -> None:
        """The server ends: other nodes go on at once, if there are any."""
        if self.custody.runs_besides:
            self._handed_on = True
            self.custody.leave()

    async def finish(self, seconds: float) -> None:
        """What no other node takes sends what is left in the log, and its place is written: nothing may be published any more."""
        self._hub.turn.unwatch(self._wake)
        until_s = asyncio.get_running_loop().time() + seconds
        if not self._handed_on:
            await self._finish_here(max(0.1, seconds - CLOSE_S))
        self.custody.leave()
        await self._until(until_s, lambda: not self._work)
        for work in list(self._work.values()):  # a receiver that does not answer is not waited for
            work.runner.cancel()
        await self._until(until_s + CLOSE_S, lambda: not self.custody.held)

    async def _finish_here(self, seconds: float) -> None:
        self._finishing = True
        works = list(self._work.values())
        for work in works:
            work.context.moved.clear()
        await asyncio.gather(*(work.runner.finish(seconds) for work in works))
        self._finishing = False
        self.custody.leave()
        for work in works:
            self.custody.yielded(work.output)

    async def _until(self, until_s: float, reached: Callable[[], bool]) -> None:
        while not reached() and asyncio.get_running_loop().time() < until_s:  # noqa: ASYNC110 — it has no event of its own
            await asyncio.sleep(0.02)

    def stop(self) -> None:
        self._stopped = True
        for work in (*self._work.values(), *self._closing):
            work.runner.cancel()

    def close(self) -> None:
        """Nothing is kept on this node's disk."""

    # ---- how they are

    def _state(self, output: str) -> str:
        work = self._work.get(output)
        if work is not None:
            return work.runner.state
        return WORKED_ELSEWHERE if self.custody.holding(output).run else WORKED_NOWHERE

    def states(self) -> dict[str, str]:
        return {plan.name: self._state(output) for output, plan in self._plans.items()}

    def nodes(self) -> dict[str, OutputNode]:
        """By name: which node works which."""
        found = {}
        for output, plan in self._plans.items():
            held = self.custody.holding(output)
            lag = max(0, self._hub.log.seq - held.seq)
            found[plan.name] = OutputNode(held.label, held.run.hex(), held.here, lag)
        return found

    def gauges(self) -> dict[str, OutputGauges]:
        return {plan.name: self._gauges(output) for output, plan in self._plans.items()}

    def _gauges(self, output: str) -> OutputGauges:
        """Of an output that is worked elsewhere: how far the cluster knows it to be, and what was counted here."""
        work, ended = self._work.get(output), self._ended.get(output)
        if work is not None:
            return replace(work.runner.gauges(), here=True).after(ended)
        seq, ring = self.custody.holding(output).seq, self._hub.log
        behind = max(0, ring.seq - seq)
        age_s = max(0.0, time.time() - ring.time_of(seq + 1) / 1000) if behind else 0.0
        state = self._state(output)
        now = OutputGauges(state=state, lag_events=behind, lag_seconds=age_s, sent=0, retried=0, dropped={}, here=False)
        return now.after(ended)
