"""
All outputs of one server: made, started, asked how they are, and ended together.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from .._fanout import KINDS
from ..core.last_values import LastValues
from ..core.reliable_acks import ReliableAcks
from ..core.tail import Tail, TailedLog
from ..core.turn import ReplyHold
from ..logs import fields, log
from . import Confirmations, Context, OutputGauges
from .runner import Runner
from .runner_options import BATCH_EVENTS, RunnerOptions
from .settings import OutputPlan
from .shapes import Shaper


class KeptCursors(Protocol):
    """Where cursors are kept for a restart: `storage.cursors.Cursors`."""

    @property
    def first(self) -> Mapping[str, int]: ...
    def put(self, output: str, seq: int) -> None: ...
    def close(self) -> None: ...


class WatchedTurn(Protocol):
    """What is used of `core.turn.Turn`: its watchers are called at the end of every turn, and `hold` keeps replies back."""

    @property
    def hold(self) -> ReplyHold | None: ...
    def hold_replies_by(self, hold: ReplyHold) -> None: ...
    def watch(self, callback: Callable[[], None]) -> None: ...
    def unwatch(self, callback: Callable[[], None]) -> None: ...


class WatchedHub(Protocol):
    """What is used of the hub: `core.hub.Hub`."""

    @property
    def log(self) -> TailedLog: ...
    @property
    def epoch(self) -> str: ...
    @property
    def turn(self) -> WatchedTurn: ...
    @property
    def last_values(self) -> LastValues: ...


def told_values(hub: WatchedHub) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What a Context says of last values."""
    return ((vin, vehicle.values) for vin, vehicle in hub.last_values.each())


def runner_options(plan: OutputPlan, context: Context, acks: Confirmations | None = None) -> RunnerOptions:
    """What a plan, and the context of the output that was made from it, say to its runner."""
    return RunnerOptions(
        kinds=plan.kinds if len(plan.kinds) < len(KINDS) else None,
        batch_events=min(plan.row.batch, BATCH_EVENTS),
        linger_s=plan.row.linger_s,
        acks=acks,
        given_up=context.given_up,
        ending=context.ending,
        shaper=Shaper(plan.name, plan.shape, context.dropped, acks) if plan.wants_own_bytes else None,
    )


class Outputs:
    """The outputs of `plans` over the hub's log. `cursors` None: each begins with the next event."""

    def __init__(self, plans: Sequence[OutputPlan], hub: WatchedHub, cursors: KeptCursors | None = None) -> None:
        """Raises Misconfigured if a package that one of them needs is not installed."""
        self._hub = hub
        self._cursors = cursors
        self._seen = hub.log.seq
        firsts = {plan.name: hub.log.seq + 1 if cursors is None else cursors.first[plan.cursor] for plan in plans}
        reliable = {plan.name: firsts[plan.name] - 1 for plan in plans if plan.reliable}
        self.acks = ReliableAcks(hub.log, reliable, hub.turn.hold) if reliable else None
        self._runners = [self._runner(plan, firsts[plan.name]) for plan in plans]

    def _runner(self, plan: OutputPlan, first: int) -> Runner:
        context = Context(self._hub.epoch, Counter(), plan.shared, last_values=partial(told_values, self._hub), shape=plan.shape)
        acks = self.acks if plan.reliable else None
        return Runner(
            plan.name,
            plan.make(context),
            Tail(self._hub.log, first, plan.wants_own_bytes),
            self._hub.log,
            context.dropped,
            partial(self._cursors.put, plan.cursor) if self._cursors is not None else lambda seq: None,
            options=runner_options(plan, context, acks),
        )

    def start(self) -> None:
        """On the running event loop, before there are vehicles."""
        if self.acks is not None:
            self._hub.turn.hold_replies_by(self.acks)
        self._hub.turn.watch(self._wake)
        for runner in self._runners:
            runner.start()

    def _wake(self) -> None:
        if self._seen == self._hub.log.seq:
            return
        self._seen = self._hub.log.seq
        for runner in self._runners:
            runner.wake()

    def gauges(self) -> dict[str, OutputGauges]:
        return {runner.name: runner.gauges() for runner in self._runners}

    def states(self) -> dict[str, str]:
        return {runner.name: runner.state for runner in self._runners}

    def nodes(self) -> None:
        """This process works them all."""

    def hand_on(self) -> None:
        """The server begins to end: there is nobody else."""

    async def finish(self, seconds: float) -> None:
        """Each sends what is left in the log, all at the same time; nothing may be published any more."""
        self._hub.turn.unwatch(self._wake)
        await asyncio.gather(*(runner.finish(seconds) for runner in self._runners))

    def stop(self) -> None:
        """Ends them at once."""
        for runner in self._runners:
            runner.cancel()

    def close(self) -> None:
        """After the end: the cursors go to the disk."""
        if self._cursors is not None:
            try:
                self._cursors.close()
            except OSError as error:
                remedy = "look at the disk: after a power cut outputs may send again what they have sent"
                log.error("output_cursors_not_synced", extra=fields(reason=str(error), remedy=remedy))
