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
from ._plain import take_plain
from .application import Application, Applied, NoOutputs, OutputCustody
from .batch import CONNECTIVITY_CODE, OBITUARY, PLACE, ROSTER, RUN_HELLO, RUN_LEAVE, BatchHead, Entry
from .contents import body_of, entries_in
from .counting import Counting
from .engine import NodeEngine, StreamMessage
from .follower import Follower
from .history import Replay, Show
from .obituaries import Obituaries
from .peer_values import PART_BYTES, PeerAnswers, PeerQuestions
from .runs import Run, Runs
from .writer import Item, Known, Writer

NODE_TICK_S = 0.25
AWAY_S = 2.0  # a batch that is not proven for so long, or a reader as silent: the log is away
HANDED_ON_S = 30.0  # away for so long: other nodes can serve those who are connected here
CONNECTED, DISCONNECTED = "CONNECTED", "DISCONNECTED"


class Node:
    """
    dead_s       NODE_DEAD_SECONDS
    fill_bytes   how much of the stream a node that joins reads; `part_bytes`: how much of its values one tells another at once
    wall_ns      ns since 1970
    """

    def __init__(
        self,
        engine: NodeEngine,
        application: Application,
        timer: Timer,
        clock: Callable[[], float],
        wall_ns: Callable[[], int],
        make_name: Callable[[], bytes],
        dead_s: float,
        fill_bytes: int,
        part_bytes: int = PART_BYTES,
    ) -> None:
        self._engine = engine
        self._application = application
        self._timer = timer
        self._clock = clock
        self.writer = Writer(engine, timer, clock, make_name, self)
        self.follower = Follower(engine, timer, clock, make_name, fill_bytes, self)
        self.runs = Runs()
        self._obituaries = Obituaries(engine, clock, wall_ns, dead_s)
        values = application.values
        self.peer_values = PeerQuestions(engine, values, timer, clock, application.values_refused, self._open_if_ready)
        self._answers = PeerAnswers(values, timer, clock, lambda: self.joined, part_bytes)
        self._at_end = False  # all that stood in the log has been read, and this run has not begun
        self._handed_on = False
        self._stopped = False
        self.joined = False
        self.tells_shown = False
        self.custody: OutputCustody = NoOutputs()
        self.fences = self.losses = self.epochs = self.buried = 0

    # ---- its life

    def start(self) -> None:
        self.follower.look()
        self._engine.answer_peers(self.writer.run, self._answers.take)
        self._timer.call_later(NODE_TICK_S, self._tick)

    def stop(self) -> None:
        """Nothing is asked, read or written any more."""
        self._stopped = True
        self.follower.stop()
        self.peer_values.stop()
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

    def kept_number(self, epoch: bytes, last: int) -> int:
        return self._application.values.kept_number(epoch, last)

    def on_begin(self, epoch: bytes, seq: int) -> None:
        self.epochs += 1
        self.runs = Runs()  # on every node alike: who was there says so again in each epoch
        self.custody.on_epoch(epoch)
        self._application.values.begin(epoch, seq)
        self._application.begin(epoch, seq)
        self._application.values.applied()
        if self.joined:
            self.writer.restate()
        else:
            self.peer_values.begin()
            self.peer_values.offer([self.follower.end_run] if self.follower.end_run else ())

    def on_end(self) -> None:
        self._at_end = True
        newest_first = sorted(self.runs, key=lambda run: -run.last)
        self.peer_values.offer(run.name for run in newest_first if not run.dead)

    def _open_if_ready(self) -> None:
        """Nobody is left to be asked for values: this run begins once the log has been read, too."""
        if self._at_end and not self._stopped:
            self._at_end = False
            self.writer.open()

    def on_lost(self, reason: str, rolled_back: bool) -> None:
        self.losses += 1
        self.joined = self._at_end = False
        self.custody.on_lost()
        self.peer_values.stop()
        self.writer.close()
        if rolled_back:
            self.runs = Runs()
        self._begin_run(unread=rolled_back)
        self._application.lost(reason, rolled_back)

    def _begin_run(self, unread: bool = False) -> None:
        self.writer.begin_run(self._application.holds(), unread=unread)
        self._engine.answer_peers(self.writer.run, self._answers.take)

    def on_several(self, messages: list[StreamMessage], place: int, counting: Counting) -> int:
        first, stamp = counting.seq + 1, (self._clock(), self.writer.beats)
        place, entries, times_ms = take_plain(
            messages, place, counting, self.follower.epoch, self.writer.run, self.runs, stamp, Entry
        )
        if entries:
            self._application.apply(Applied(first, times_ms, len(entries), entries, None))
        return place

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
            entries, handles = entries_in(message, head), None
        self._note_vehicles(head, entries)
        if head.counted:
            self._application.apply(Applied(first, [message.time_ms] * len(entries), head.counted, entries, handles))
        if items and self.tells_shown:
            self._tell_shown(items)
        if head.flags:
            self._take_flags(head, run, own)

    def _tell_shown(self, items: list[Item]) -> None:
        upto = max(item.number for item in items)
        if upto:
            self._application.shown(upto)

    def _note_vehicles(self, head: BatchHead, entries: list[Entry]) -> None:
        """Who holds whom; a vehicle that has left one run and is held by another is told as connected there."""
        for place, entry in enumerate(entries):
            if entry.code == CONNECTIVITY_CODE:
                body = body_of(entry)
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
                self.peer_values.offer([head.run])  # it may know more than those who could be asked before

    def _be_fenced(self) -> None:
        self.fences += 1
        self.writer.proven_s = float("-inf")
        self._begin_run()
        self._application.fenced()

    def _be_joined(self) -> None:
        if not self.joined:
            self.joined = True
            self.custody.on_joined()
            self._application.joined()
