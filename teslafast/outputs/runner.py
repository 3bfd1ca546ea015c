"""
What all outputs have in common: batches, retries, the cursor, lag, counters, the end.

    connecting ──connect returned──▶ up ──send failed──▶ failing (or connecting, if it was Unreachable)
        ▲                                                   │
        └──────────── close, back-off, connect ◀────────────┘    and up again once what failed has been sent

    A batch is taken from the log only when the one before it has arrived, and is sent again until it has: at least once, in
    order. The cursor moves when `send` has returned. What the ring overtakes meanwhile is counted, and told where the output can.
    Unwanted ends all of that: what follows is only counted as dropped, so that a start later on does not send it.

    Memory: one batch. The log is the queue. What an output holds back of it (Attentive) counts as not arrived.

Time comes from the event loop, luck and the wall clock are arguments. One task an output, so that a fault of one is no other's.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence

from ..backoff import delay_s
from ..core.tail import Event, Tail, TailedLog
from ..errors import Unheard, Unwanted
from ..logs import fields, log
from . import Attentive, GapTeller, Output, OutputGauges
from .deep_tail import DeepTail
from .output_state import OutputState
from .runner_options import (
    ATTEMPT_S,
    BATCH_BYTES,
    CLOSE_S,
    LINGER_ACKS_S,
    OVERTAKEN,
    UNWANTED,
    WAIT_AT_MOST_S,
    RunnerOptions,
)
from .waiting import first_of, pause


class Runner:
    """
    Runs one output. `note(seq)` is called when everything up to `seq` has arrived: it keeps the cursor for a restart.
    `wake` when there may be events; `finish` ends it cleanly, `cancel` at once.
    """

    def __init__(
        self,
        name: str,
        output: Output,
        tail: Tail | DeepTail,
        log: TailedLog,
        dropped: Counter[str],
        note: Callable[[int], object] = lambda seq: None,
        luck: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
        options: RunnerOptions | None = None,
    ) -> None:
        self.name = name
        self._state = OutputState(name)
        self.sent = self.retried = 0
        self._output = output
        self._attentive = output if isinstance(output, Attentive) else None
        self._tail = tail
        self._log = log
        self._dropped = dropped
        dropped[OVERTAKEN] += 0  # a counter is there before it counts
        self._note = note
        self._luck = luck
        self._wall = wall
        self._options = options or RunnerOptions()
        self._acks = self._options.acks
        self._arrived = tail.next - 1  # the cursor: everything up to this seq has arrived, or is counted as lost
        self._batch: Sequence[Event] = ()  # taken, and not arrived yet; of kinds that the output gets
        self._batch_end = 0  # seq of the last event that was taken with it
        self._gap: tuple[int, int] | None = None  # goes before the batch
        self._fresh = True  # the batch has not been tried yet
        self._awake = asyncio.Event()
        self._ending = self._options.ending
        self._task: asyncio.Task[None] | None = None

    # ---- from outside

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"output {self.name}")

    def wake(self) -> None:
        self._awake.set()

    @property
    def state(self) -> str:
        return self._state.now

    @property
    def arrived(self) -> int:
        """The output has everything up to this seq, but for what has been counted as dropped."""
        return self._arrived

    def gauges(self) -> OutputGauges:
        behind, shaper = max(0, self._log.seq - self._arrived), self._options.shaper
        oldest_ms = self._batch[0].time_ms if self._batch else self._log.time_of(self._arrived + 1)
        return OutputGauges(
            state=self.state,
            lag_events=behind,
            lag_seconds=max(0.0, self._wall() - oldest_ms / 1000) if behind else 0.0,
            sent=self.sent,
            retried=self.retried,
            dropped=dict(self._dropped),
            rebuilt=shaper.rebuilt if shaper is not None else 0,
        )

    async def finish(self, seconds: float) -> None:
        """Sends what is in the log, in so many seconds at most; nothing may be published any more."""
        self._ending.set()
        self._awake.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)
            self.cancel()
            await asyncio.wait([self._task], timeout=CLOSE_S)
        behind = self._log.seq - self._arrived
        if behind > 0:
            log.warning("output_left_behind", extra=fields(output=self.name, events=behind, after=self._arrived))

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def when_done(self, callback: Callable[[], object]) -> None:
        """Calls it when the output has been let go of."""
        if self._task is not None:
            self._task.add_done_callback(lambda task: callback())

    # ---- its task

    async def _run(self) -> None:
        unwanted: Unwanted | None = None
        while True:
            try:
                await self._live()
                return
            except Unwanted as error:
                unwanted = error
            except Exception as error:
                asked_s = min(getattr(error, "retry_after_s", 0.0), WAIT_AT_MOST_S)
                self._state.failed(error, asyncio.get_running_loop().time())
                if self._ending.is_set() and isinstance(error, Unheard):
                    return
            finally:
                await self._close()
            if unwanted is not None:
                await self._stop(unwanted)
                return
            await pause(max(asked_s, delay_s(self._state.attempts, self._luck())), self._ending)
            self._state.attempts += 1

    async def _live(self) -> None:
        """Connects and sends, until something fails; returns when it has been told to end and everything has arrived."""
        if not await self._permitted():
            return
        async with asyncio.timeout(ATTEMPT_S):
            await self._output.connect()
        self._state.connected(asyncio.get_running_loop().time())
        if not self._batch and self._gap is None:
            self._delivers()
        while True:
            if not await self._permitted():
                await self._flush(everything=True)
                return
            began_s = asyncio.get_running_loop().time()
            self._awake.clear()
            if await self._send_next():
                await self._linger(began_s + (self._options.linger_s if self._acks is None else LINGER_ACKS_S))
                continue
            ending = self._ending.is_set()
            await self._flush(ending)
            if ending:
                return
            await self._wait()

    async def _permitted(self) -> bool:
        return self._options.permit is None or await self._options.permit()

    def _delivers(self) -> None:
        self._state.delivers(max(0, self._log.seq - self._arrived))

    async def _send_next(self) -> bool:
        """One gap and one batch; False if there was nothing in the log."""
        if not self._batch and not await self._take() and self._gap is None:
            return False
        if self._options.shaper is not None:
            self._batch = await self._options.shaper.shape_all(self._batch)
        async with asyncio.timeout(ATTEMPT_S):
            if self._gap is not None and isinstance(self._output, GapTeller):
                await self._output.gap(*self._gap)
            if self._gap is not None:
                self._has_arrived(self._gap[1], lost_from=self._gap[0])
                self._gap = None
            if self._batch:
                await self._send_batch()
        if self._batch_end > self._arrived:
            self._has_arrived(self._batch_end)
        self._state.attempts = 0
        self._delivers()
        return True

    async def _take(self) -> bool:
        """The next batch from the log; False if nothing was there, True even if nothing of it is for the output."""
        self._look_for_gap()
        if isinstance(self._tail, Tail):
            taken = self._tail.take(self._options.batch_events, BATCH_BYTES)
        else:
            taken = await self._tail.take(self._options.batch_events, BATCH_BYTES)
            self._look_for_gap()
        if not taken:
            return False
        self._batch_end = taken[-1].seq
        self._batch = taken if self._options.kinds is None else [event for event in taken if event.kind in self._options.kinds]
        self._fresh = True
        return True

    async def _send_batch(self) -> None:
        self.retried += 0 if self._fresh else len(self._batch)
        self._fresh = False
        await self._output.send(self._batch)
        self.sent += len(self._batch) - len(self._options.given_up)
        lost_from = min(self._options.given_up, default=None)
        self._batch = ()
        self._options.given_up.clear()
        self._has_arrived(self._batch_end, lost_from)

    async def _flush(self, everything: bool) -> None:
        """With nothing left in the log, what the output still holds is what has not arrived."""
        if self._attentive is not None:
            async with asyncio.timeout(ATTEMPT_S):
                await self._attentive.flush(everything)
            self._has_arrived(self._tail.next - 1)

    async def _wait(self) -> None:
        """Until there may be events, or the output wants to do something."""
        if self._attentive is None:
            await self._awake.wait()
        else:
            await first_of(self._awake.wait(), self._attentive.attend())

    def _look_for_gap(self) -> None:
        if self._gap is None:
            self._gap = self._tail.missed()
            if self._gap is not None:
                first, last = self._gap
                self._dropped[OVERTAKEN] += last + 1 - first
                log.warning("output_overtaken", extra=fields(output=self.name, first=first, last=last, cause=OVERTAKEN))

    def _has_arrived(self, seq: int, lost_from: int | None = None) -> None:
        """Everything up to `seq`, but for what the output holds back. `lost_from`: some events from there on never will."""
        held = self._attentive.held_from() if self._attentive is not None else None
        reached = seq if held is None else min(seq, held - 1)
        if self._acks is not None and lost_from is not None:
            self._acks.lose(lost_from, seq)
        if reached > self._arrived:
            self._arrived = reached
            self._note(reached)
            if self._acks is not None:
                self._acks.confirm(self.name, reached)

    # ---- ending

    async def _stop(self, error: Unwanted) -> None:
        """From now on events are only counted, until the end. Acks that wait for this output go on waiting."""
        self._state.stopped(str(error))
        if self._acks is not None:
            self._acks.stop()
        self._acks, self._gap = None, None
        while await self._permitted():
            self._awake.clear()
            if self._batch or await self._take():
                self._dropped[UNWANTED] += len(self._batch)
                self._batch = ()
                self._has_arrived(self._batch_end)
                await asyncio.sleep(0)  # a long log in pieces
            elif self._ending.is_set():
                return
            else:
                await self._awake.wait()

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._output.close()
        except Exception as error:
            log.debug("output_close_failed", extra=fields(output=self.name, reason=str(error) or type(error).__name__))

    async def _linger(self, until_s: float) -> None:
        """Until then, unless a whole batch waits already or its end is wanted."""
        if self._log.seq + 1 - self._tail.next < self._options.batch_events:
            await pause(until_s - asyncio.get_running_loop().time(), self._ending, ending=True)
