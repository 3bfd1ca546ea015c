"""
One node's part in the cluster: what it takes in goes into the shared log, and what comes out of that is applied, everywhere.

    submit ──▶ Writer ──▶ the stream ──▶ Follower ──▶ apply      the same order, and the same seqs, on every node
                 └──▶ stored: what a vehicle's ack waits for

Here is what ties the two together: joining (hello, once everything has been read), who is there (`Runs`), declaring others dead,
being declared dead, and for how long the log has been away. It decides everything and does no I/O: the engine, the clock and the
timer are arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from ..core.hub import OpenPast
from ..event_loop import Timer
from .application import Application, Applied, NoOutputs, OutputCustody
from .batch import (
    CONNECTIVITY_CODE,
    OBITUARY,
    PLACE,
    ROSTER,
    RUN_HELLO,
    RUN_LEAVE,
    VERSION,
    BatchHead,
    Entry,
    NotABatch,
    read_entries,
)
from .engine import Engine, StreamMessage
from .finder import head_of
from .follower import Follower
from .history import Replay, Show
from .obituaries import Obituaries
from .runs import Run, Runs
from .writer import Known, Writer

NODE_TICK_S = 0.25
AWAY_S = 2.0  # a batch that is not proven for so long, or a reader as silent: the log is away
HANDED_ON_S = 30.0  # away for so long: other nodes can serve those who are connected here
CONNECTED, DISCONNECTED = "CONNECTED", "DISCONNECTED"


class Node:
    """`dead_s`: NODE_DEAD_SECONDS. `fill_bytes`: how much of the stream a node that joins reads. `wall_ns`: ns since 1970."""

    def __init__(
        self,
        engine: Engine,
        application: Application,
        timer: Timer,
        clock: Callable[[], float],
        wall_ns: Callable[[], int],
        make_name: Callable[[], bytes],
        dead_s: float,
        fill_bytes: int,
    ) -> None:
        self._engine = engine
        self._application = application
        self._timer = timer
        self._clock = clock
        self.writer = Writer(engine, timer, clock, make_name, self)
        self.follower = Follower(engine, timer, clock, make_name, fill_bytes, self)
        self.runs = Runs()
        self._obituaries = Obituaries(engine, clock, wall_ns, dead_s)
        self._handed_on = False
        self._stopped = False
        self.joined = False
        self.custody: OutputCustody = NoOutputs()
        self.fences = self.losses = self.epochs = self.buried = 0

    # ---- its life

    def start(self) -> None:
        self.follower.look()
        self._timer.call_later(NODE_TICK_S, self._tick)

    def stop(self) -> None:
        """Nothing is asked, read or written any more."""
        self._stopped = True
        self.follower.stop()
        self.writer.close()

    def on_connected(self) -> None:
        """The engine has a connection again."""
        self.follower.look()

    def submit(self, entry: Entry, handle: Any) -> None:
        self.writer.submit(entry, handle)

    def tell(self, entry: Entry) -> None:
        """A vehicle has connected to this node, or left it."""
        self.writer.tell(entry)

    def leave(self) -> None:
        """Writes what is left, and that this run is over; `writer.left` tells when."""
        self.writer.leave()

    def _tick(self) -> None:
        if self._stopped:
            return
        self._timer.call_later(NODE_TICK_S, self._tick)
        self.custody.tick()
        if self._engine.connected:
            self.follower.check()
            if self.joined and not self.writer.left:
                self.writer.beat()
                self._obituaries.write(self.runs, self.writer.run, self.writer.beats, self.known())
        if self.away_s <= AWAY_S:
            self._handed_on = False
        elif self.away_s > HANDED_ON_S and not self._handed_on:
            self._handed_on = True
            self._application.hand_on()

    # ---- what holds now

    @property
    def away_s(self) -> float:
        """For how long the log has not taken what we write, or told us that it is there."""
        return max(self.writer.waiting_s, self.follower.silent_s)

    @property
    def state(self) -> str:
        if not self.joined:
            return "catching_up"
        return "degraded" if self.away_s > AWAY_S else "ok"

    @property
    def behind(self) -> int:
        return 0 if self.joined else self.follower.behind

    def replay(self, show: Show, patient: bool = False) -> OpenPast:
        """What opens the past for one reader."""
        return lambda after, take, fail: Replay(self._engine, self._timer, self.follower, show, after, take, fail, patient)

    # ---- the writer's site

    def known(self) -> Known:
        follower = self.follower
        if not follower.placed:
            return Known(follower.epoch, follower.epoch_at, 0, 0)
        return Known(follower.epoch, follower.epoch_at, follower.number, follower.seq)

    def roster(self) -> list[Entry]:
        return self._application.holds()

    def on_stored(self, upto: int) -> None:
        self._application.stored(upto)

    def on_lost_last(self, last: int, expected: int) -> None:
        self.follower.suspect(expected, self.writer.run, self._begin_run)

    def on_trouble(self, reason: str) -> None:
        self._application.trouble(reason)

    # ---- what is read

    def on_begin(self, epoch: bytes, seq: int) -> None:
        self.epochs += 1
        self.runs = Runs()  # on every node alike: who was there says so again in each epoch
        self.custody.on_epoch(epoch)
        self._application.begin(epoch, seq)
        if self.joined:
            self.writer.restate()

    def on_end(self) -> None:
        self.writer.open()

    def on_lost(self, reason: str, rolled_back: bool) -> None:
        self.losses += 1
        self.joined = False
        self.custody.on_lost()
        self.writer.close()
        if rolled_back:
            self.runs = Runs()
        self.writer.begin_run(self._application.holds(), unread=rolled_back)
        self._application.lost(reason)

    def _begin_run(self) -> None:
        self.writer.begin_run(self._application.holds(), unread=False)

    def on_batch(self, message: StreamMessage, head: BatchHead, first: int) -> None:
        if head.flags & PLACE:
            self.custody.on_place(message)
            return
        own = head.run == self.writer.run
        run = self.runs.heard(head.run, message.number, self._clock(), self.writer.beats)
        items = self.writer.returned(head.number, message.number) if own and not head.flags & OBITUARY else None
        if items is not None and not head.flags & ROSTER:
            entries, handles = [item.entry for item in items], [item.handle for item in items]
        else:
            entries, handles = _entries(message, head), None
        self._note_vehicles(head, entries)
        if head.counted:
            self._application.apply(Applied(first, message.time_ms, head.counted, entries, handles))
        if head.flags:
            self._take_flags(head, run, own)

    def _note_vehicles(self, head: BatchHead, entries: list[Entry]) -> None:
        """Who holds whom; a vehicle that has left one run and is held by another is told as connected there."""
        for place, entry in enumerate(entries):
            if entry.code == CONNECTIVITY_CODE:
                body = _body(entry)
                if body.get("status") != DISCONNECTED:
                    self.runs.holds(head.run, entry.vin, body)
                elif (elsewhere := self.runs.lets_go(head.run, entry.vin)) is not None:
                    told = orjson.dumps({**elsewhere, "createdAt": body.get("createdAt")})
                    entries[place] = entry._replace(payload=told)

    def _take_flags(self, head: BatchHead, run: Run, own: bool) -> None:
        if head.flags & (OBITUARY | RUN_LEAVE):
            self.custody.on_ended(head.run)
        if head.flags & OBITUARY:
            run.dead = bool(run.vehicles)
            if not run.dead:
                self.buried += 1
                self.runs.remove(head.run)
            if own:
                self._be_fenced()
        elif head.flags & RUN_LEAVE:
            self.runs.remove(head.run)
        elif head.flags & RUN_HELLO:
            if own:
                self._be_joined()
            elif self.joined:
                self.writer.restate()

    def _be_fenced(self) -> None:
        self.fences += 1
        self.writer.proven_s = float("-inf")
        self._begin_run()
        self._application.fenced()

    def _be_joined(self) -> None:
        if not self.joined:
            self.joined = True
            self._application.joined()


def entries_of(message: StreamMessage) -> list[Entry]:
    """Those of a batch that this version can read; none of anything else."""
    head = head_of(message)
    return [] if head is None else _entries(message, head)


def _entries(message: StreamMessage, head: BatchHead) -> list[Entry]:
    if head.version > VERSION or not head.entries:
        return []
    try:
        return read_entries(message.payload, head)
    except NotABatch:
        return []


def _body(entry: Entry) -> dict[str, Any]:
    try:
        body = orjson.loads(entry.payload)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}
