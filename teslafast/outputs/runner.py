"""
What all outputs have in common: batches, retries, the cursor, lag, counters, the end.

    connecting ──connect returned──▶ up ──send failed──▶ failing (or connecting, if it was Unreachable)
        ▲                                                   │
        └──────────── close, back-off, connect ◀────────────┘    and up again once what failed has been sent

    A batch is taken from the log only when the one before it has arrived, and is sent again until it has: at least once, in
    order. The cursor moves when `send` has returned. What the ring overtakes meanwhile is counted, and told where the output can.

    Memory: one batch. The log is the queue. What an output holds back of it (Attentive) counts as not arrived.

Time comes from the event loop, luck and the wall clock are arguments. One task an output, so that a fault of one is no other's.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence

from ..backoff import LIMIT_S, delay_s
from ..config import MIB
from ..core.tail import Event, Tail, TailedLog
from ..errors import Undelivered, Unreachable
from ..logs import fields, log
from . import Attentive, GapTeller, Output, OutputGauges

BATCH_EVENTS = 512  # at most at once: what a broker confirms within a moment
BATCH_BYTES = MIB  # or so many bytes of their texts; a larger event goes alone
BATCH_LINGER_S = 0.1  # from one batch to the next: some events share the cost of a batch; the first after a pause goes at once
ATTEMPT_S = 60.0  # a connect or a send that takes longer counts as failed: no broker keeps a confirmation back for that long
CLOSE_S = 1.0  # an output that does not let go of its connection is not waited for

CONNECTING, UP, FAILING = "connecting", "up", "failing"
OVERTAKEN = "overtaken"  # why events were dropped: they left the ring before they could be sent


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
    ) -> None:
        self.name = name
        self.state = CONNECTING
        self.sent = 0
        self.retried = 0
        self._output = output
        self._attentive = output if isinstance(output, Attentive) else None
        self._tail = tail
        self._log = log
        self._dropped = dropped
        dropped[OVERTAKEN] += 0  # a counter is there before it counts
        self._note = note
        self._luck = luck
        self._wall = wall
        self._arrived = tail.next - 1  # the cursor: everything up to this seq has arrived, or is counted as lost
        self._batch: Sequence[Event] = ()  # taken, and not arrived yet
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
        while True:
            try:
                await self._live()
                return
            except Exception as error:
                self._failed(error)
            finally:
                await self._close()
            await self._pause(delay_s(self._attempts, self._luck()))
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
                await self._linger(began_s + BATCH_LINGER_S)
                continue
            ending = self._ending.is_set()
            await self._flush(ending)
            if ending:
                return
            await self._wait()

    async def _send_next(self) -> bool:
        """One gap and one batch; False if there was nothing to send."""
        if not self._batch:
            self._look_for_gap()
            self._batch = self._tail.take(BATCH_EVENTS, BATCH_BYTES)
            self._fresh = True
        if not self._batch and self._gap is None:
            return False
        async with asyncio.timeout(ATTEMPT_S):
            if self._gap is not None and isinstance(self._output, GapTeller):
                await self._output.gap(*self._gap)
            if self._gap is not None:
                self._has_arrived(self._gap[1])
                self._gap = None
            if self._batch:
                self.retried += 0 if self._fresh else len(self._batch)
                self._fresh = False
                await self._output.send(self._batch)
                self.sent += len(self._batch)
                self._has_arrived(self._batch[-1].seq)
                self._batch = ()
        self._attempts = 0
        self._become(UP)
        return True

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
            return
        waits = [asyncio.ensure_future(self._awake.wait()), asyncio.ensure_future(self._attentive.attend())]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            for one in waits:
                one.cancel()

    def _look_for_gap(self) -> None:
        if self._gap is None:
            self._gap = self._tail.missed()
            if self._gap is not None:
                first, last = self._gap
                self._dropped[OVERTAKEN] += last + 1 - first
                log.warning("output_overtaken", extra=fields(output=self.name, first=first, last=last, cause=OVERTAKEN))

    def _has_arrived(self, seq: int) -> None:
        held = self._attentive.held_from() if self._attentive is not None else None
        seq = seq if held is None else min(seq, held - 1)
        if seq > self._arrived:
            self._arrived = seq
            self._note(seq)

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

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._output.close()
        except Exception as error:
            log.debug("output_close_failed", extra=fields(output=self.name, reason=str(error) or type(error).__name__))

    async def _linger(self, until_s: float) -> None:
        """Until then, unless a whole batch waits already or its end is wanted."""
        if self._log.seq + 1 - self._tail.next < BATCH_EVENTS:
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
