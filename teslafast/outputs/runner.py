"""
What all outputs have in common: batches, retries, the cursor, lag, counters, the end.

    connecting ──connect returned──▶ up ──send failed──▶ failing (or connecting, if it was Unreachable)
        ▲                                                   │
        └──────────── close, back-off, connect ◀────────────┘    and up again once what failed has been sent

    A batch is taken from the log only when the one before it has arrived, and is sent again until it has: at least once, in
    order. The cursor moves when `send` has returned. What the ring overtakes meanwhile is counted, and told where the output can.
    Unwanted ends all of that: what follows is only counted as dropped, so that a start later on does not send it.
    Memory: one batch. The log is the queue.

Time comes from the event loop, luck and the wall clock are arguments. One task an output, so that a fault of one is no other's.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..backoff import LIMIT_S, delay_s
from ..config import MIB
from ..core.tail import Event, Tail, TailedLog
from ..errors import Undelivered, Unreachable, Unwanted
from ..logs import fields, log
from . import Confirmations, GapTeller, Output, OutputGauges

BATCH_EVENTS = 512  # at most at once, unless the output's row says less: what a broker confirms within a moment
BATCH_BYTES = MIB  # or so many bytes of their texts; a larger event goes alone
BATCH_LINGER_S = 0.1  # from one batch to the next: some events share the cost of a batch; the first after a pause goes at once
LINGER_ACKS_S = 0.02  # the same where vehicles' acks wait for it
ATTEMPT_S = 60.0  # a connect or a send that takes longer counts as failed: no broker keeps a confirmation back for that long
CLOSE_S = 1.0  # an output that does not let go of its connection is not waited for

CONNECTING, UP, FAILING = "connecting", "up", "failing"
OVERTAKEN = "overtaken"  # why events were dropped: they left the ring before they could be sent
UNWANTED = "unwanted"  # the receiver said that it wants no more
WAIT_AT_MOST_S = 3600.0  # a receiver that asks for a longer pause is tried once an hour: a clock of it may be wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerOptions:
    """
    kinds      the events that the output gets, None = all
    acks       whom to tell what has arrived
    given_up   the Context's: seqs of a batch's events that the output did not deliver
    """

    kinds: frozenset[int] | None = None
    batch_events: int = BATCH_EVENTS
    acks: Confirmations | None = None
    given_up: list[int] = field(default_factory=list)


class Runner:
    """
    Runs one output. `note(seq)` is called when everything up to `seq` has arrived: it keeps the cursor for a restart.
    `wake` when there may be events; `finish` ends it cleanly, `cancel` at once.
    """

    def __init__(
        self,
        name: str,
        output: Output,
        tail: Tail,
        log: TailedLog,
        dropped: Counter[str],
        note: Callable[[int], object] = lambda seq: None,
        luck: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
        options: RunnerOptions | None = None,
    ) -> None:
        self.name = name
        self.state = CONNECTING
        self.sent = 0
        self.retried = 0
        self._output = output
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
        self._attempts = 0  # in a row, without anything sent
        self._connected_s: float | None = None  # since when there is a connection
        self._fresh = True  # the batch has not been tried yet
        self._awake = asyncio.Event()
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # ---- from outside

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"output {self.name}")

    def wake(self) -> None:
        self._awake.set()

    @property
    def arrived(self) -> int:
        """The output has everything up to this seq, but for what has been counted as dropped."""
        return self._arrived

    def gauges(self) -> OutputGauges:
        behind = self._log.seq - self._arrived
        oldest_ms = self._batch[0].time_ms if self._batch else self._log.time_of(self._arrived + 1)
        return OutputGauges(
            state=self.state,
            lag_events=behind,
            lag_seconds=max(0.0, self._wall() - oldest_ms / 1000) if behind else 0.0,
            sent=self.sent,
            retried=self.retried,
            dropped=dict(self._dropped),
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
        if behind:
            log.warning("output_left_behind", extra=fields(output=self.name, events=behind, after=self._arrived))

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

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
                self._failed(error)
            finally:
                await self._close()
            if unwanted is not None:
                await self._stop(unwanted)
                return
            await self._pause(max(asked_s, delay_s(self._attempts, self._luck())))
            self._attempts += 1

    async def _live(self) -> None:
        """Connects and sends, until something fails; returns when it has been told to end and everything has arrived."""
        async with asyncio.timeout(ATTEMPT_S):
            await self._output.connect()
        self._connected_s = asyncio.get_running_loop().time()
        if not self._batch and self._gap is None:
            self._become(UP)
        while True:
            began_s = asyncio.get_running_loop().time()
            self._awake.clear()
            if await self._send_next():
                await self._linger(began_s + (BATCH_LINGER_S if self._acks is None else LINGER_ACKS_S))
            elif self._ending.is_set():
                return
            else:
                await self._awake.wait()

    async def _send_next(self) -> bool:
        """One gap and one batch; False if there was nothing in the log."""
        if not self._batch and not self._take() and self._gap is None:
            return False
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
        self._attempts = 0
        self._become(UP)
        return True

    def _take(self) -> bool:
        """The next batch from the log; False if nothing was there, True even if nothing of it is for the output."""
        self._look_for_gap()
        taken = self._tail.take(self._options.batch_events, BATCH_BYTES)
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

    def _look_for_gap(self) -> None:
        if self._gap is None:
            self._gap = self._tail.missed()
            if self._gap is not None:
                first, last = self._gap
                self._dropped[OVERTAKEN] += last + 1 - first
                log.warning("output_overtaken", extra=fields(output=self.name, first=first, last=last, cause=OVERTAKEN))

    def _has_arrived(self, seq: int, lost_from: int | None = None) -> None:
        """Everything up to `seq`; `lost_from`: some events from there on never will, and nobody may be told that they have."""
        self._arrived = seq
        self._note(seq)
        if self._acks is not None:
            if lost_from is not None:
                self._acks.lose(lost_from, seq)
            self._acks.confirm(self.name, seq)

    # ---- failing, waiting, ending

    def _failed(self, error: Exception) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._connected_s is not None and now_s - self._connected_s > LIMIT_S:
            self._attempts = 0  # the connection stood for long, even if nothing was sent: this is a new trouble
        self._connected_s = None
        reason = str(error) or (f"no answer within {ATTEMPT_S:g} s" if isinstance(error, TimeoutError) else type(error).__name__)
        away = isinstance(error, Unreachable | ConnectionError)
        self._become(CONNECTING if away else FAILING, reason, error)

    def _become(self, state: str, reason: str = "", error: Exception | None = None) -> None:
        """One line a change; the first trouble of a connection that never stood is one, too."""
        if state == self.state and (state == UP or self._attempts):
            return
        self.state = state
        if state == UP:
            log.info("output_up", extra=fields(output=self.name, behind=self._log.seq - self._arrived))
            return
        expected = isinstance(error, OSError | Undelivered | TimeoutError)
        log.warning(f"output_{state}", extra=fields(output=self.name, reason=reason), exc_info=None if expected else error)

    async def _stop(self, error: Unwanted) -> None:
        """From now on events are only counted, until the end. Acks that wait for this output go on waiting."""
        self.state = FAILING
        remedy = "take the output out of the settings, or restart the server to try it again"
        log.error("output_stopped", extra=fields(output=self.name, reason=str(error), remedy=remedy))
        self._acks, self._gap = None, None
        while True:
            self._awake.clear()
            if self._batch or self._take():
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
            await self._pause(until_s - asyncio.get_running_loop().time(), ending=True)

    async def _pause(self, seconds: float, ending: bool = False) -> None:
        """Shorter if its end is wanted meanwhile: then it is tried once more at once. `ending`: no pause at all in that case."""
        if seconds <= 0 or (ending and self._ending.is_set()):
            return
        if self._ending.is_set():
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        except TimeoutError:
            return
