"""
Reads the log that all nodes share, in its order: counts it, and notices when it is another one.

    begin ──▶ a batch tells a seq: placed ──▶ at the end of what stood there ──▶ what comes
                                                                                   │ silence, a hole, old messages
                                                                                   └──▶ Finder: is it the same log still?

Batches that come before we are placed are held back, and told then. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from ..event_loop import Timer
from .batch import EPOCH, BatchHead
from .counting import Counting
from .engine import Engine, StreamMessage
from .finder import Beginning, Finder, head_of

SILENT_S = 2.5  # the engine's reader gives a sign of life each second
UNPLACED_S = 3.0  # at the end of the log without having been told a seq: nobody is there who knows it
STRAYS_AT_MOST = 100  # old messages in a row: the engine's reader has begun again somewhere

FORMER_AT_MOST = 1000  # epochs; one that is forgotten is looked into again


class Listener(Protocol):
    def on_begin(self, epoch: bytes, seq: int) -> None:
        """The batches of this epoch follow; `seq`: of the last event before them."""

    def on_batch(self, message: StreamMessage, head: BatchHead, first: int) -> None:
        """`first`: seq of its first event."""

    def on_several(self, messages: list[StreamMessage], place: int, counting: Counting) -> int:
        """
        Counts and takes the batches from `place` on that tell nothing but events of others, whose seqs are known.

        Returns the place of the first one that has to be taken by itself.
        """

    def on_end(self) -> None:
        """All that stood in the log when we began has been read: told once for each beginning."""

    def on_lost(self, reason: str, rolled_back: bool) -> None:
        """What was read cannot be continued. `rolled_back`: what we wrote last may be gone."""

    def on_trouble(self, reason: str) -> None: ...
    def kept_number(self, epoch: bytes, last: int) -> int:
        """See finder.LogReader."""


class Follower:
    """
    epoch      the log's present life, and `epoch_at` the number of the message that founded it
    last_head  of the message that was read last, None if that is not a batch
    end_run    who wrote the last message that stood there when we began, b"" if that is not known
    foreign    messages that no node writes: they are not batches, or say what a batch of their version must not
    """

    def __init__(
        self,
        engine: Engine,
        timer: Timer,
        clock: Callable[[], float],
        make_name: Callable[[], bytes],
        fill_bytes: int,
        listener: Listener,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._listener = listener
        self._finder = Finder(engine, timer, clock, make_name, fill_bytes, self)
        self._counting: Counting | None = None  # None: nothing is read
        self._held_back: list[tuple[int, StreamMessage, BatchHead]] = []
        self._former: set[bytes] = set()  # epochs in which others may still believe, or say so
        self._doubted = 0  # number of a message that tells of another log
        self._began_at = self._target = 0  # the first and the last message that must be read before we are at the end
        self._at_end_s: float | None = None
        self._strays = 0
        self._stopped = False
        self.epoch = b""
        self.epoch_at = 0
        self.last_head: BatchHead | None = None
        self.end_run = b""
        self.readers = self.holes = self.foreign = self.disagreed = 0

    # ---- what holds now

    @property
    def next(self) -> int | None:
        """Number of the message that is to come; None while nothing is read."""
        return self._counting.next if self._counting is not None else None

    @property
    def placed(self) -> bool:
        return self._counting is not None and self._counting.base is not None

    @property
    def number(self) -> int:
        """Of the last message that has been read."""
        return self._counting.next - 1 if self._counting is not None else 0

    @property
    def seq(self) -> int:
        """Of the last event that has been read, 0 if that is not known."""
        return self._counting.seq if self._counting is not None and self._counting.base is not None else 0

    @property
    def behind(self) -> int:
        """Messages until the end, as it was when we began."""
        return max(0, self._target - self.number) if self._counting is not None else 0

    @property
    def progress(self) -> float:
        """Of reading up to there: 0 to 1."""
        length = self._target - self._began_at + 1
        return 0.0 if self._counting is None or length <= 0 else min(1.0, (self._counting.next - self._began_at) / length)

    @property
    def silent_s(self) -> float:
        """For how long the engine has told nothing of what is to be read, if that is longer than usual; else 0."""
        if self._counting is None:
            return 0.0
        silent_s = self._clock() - self._engine.heard_s()
        return silent_s if silent_s > SILENT_S or not self._engine.connected else 0.0

    # ---- its life

    def look(self) -> None:
        """At the start, and when the engine has a connection again: what was asked may be lost, and the log another one."""
        self._finder.look()

    def check(self) -> None:
        """A few times a second, while the engine is connected."""
        if self._finder.looking or self._stopped:
            return
        if self.silent_s:
            self._finder.look()
        elif self._at_end_s is not None and not self.placed and self._clock() - self._at_end_s > UNPLACED_S:
            self._finder.found(self.number)

    def suspect(self, number: int, run: bytes, evicted: Callable[[], None]) -> None:
        """See Finder.suspect."""
        self._finder.suspect(number, run, evicted)

    def stop(self) -> None:
        self._stopped = True
        self._finder.stop()

    # ---- what the finder tells

    def begin(self, place: Beginning) -> None:
        self.epoch, self.epoch_at, self.end_run = place.epoch, place.epoch_at, place.run
        self._counting = Counting(place.start)
        self._began_at, self._target = place.start, place.target
        self._at_end_s = None
        self._held_back.clear()
        self.last_head = None
        self.go_on()

    def go_on(self) -> None:
        self._strays = 0
        counting = self._counting
        if counting is not None:
            self.readers += 1
            self._engine.read(counting.next, partial(self._take, counting), partial(self._take_several, counting))
            self._check_end()

    def lose(self, reason: str, rolled_back: bool) -> None:
        self._counting = None
        self._listener.on_lost(reason, rolled_back)

    def on_founded(self) -> None:
        if not self.placed:
            self._counting = None

    def on_trouble(self, reason: str) -> None:
        self._listener.on_trouble(reason)

    def kept_number(self, epoch: bytes, last: int) -> int:
        return self._listener.kept_number(epoch, last)

    # ---- reading

    def _take_several(self, counting: Counting, messages: list[StreamMessage], place: int) -> int:
        if counting is not self._counting or self._stopped or counting.base is None:
            return place
        after = self._listener.on_several(messages, place, counting)
        if after > place:
            self._strays = 0
            self.last_head = head_of(messages[after - 1])
            self._check_end()
        return after

    def _take(self, counting: Counting, message: StreamMessage) -> None:
        if counting is not self._counting or self._stopped:
            return
        if message.number != counting.next:
            self._out_of_order(counting, message)
            return
        self._strays = 0
        head = head_of(message)
        if (
            head is not None
            and self._is_of_another_log(head, message.number)
            and not self._has_been_doubted(head, message.number)
        ):
            return
        self.last_head = head
        if head is None:
            self.foreign += 1
            counting.count(None)
        elif head.flags & EPOCH:
            self._begin_epoch(counting, message, head)
        else:
            self._take_batch(counting, message, head)
        self._check_end()

    def _out_of_order(self, counting: Counting, message: StreamMessage) -> None:
        if message.number > counting.next:
            self.holes += 1
            wrong = True
        else:
            self._strays += 1
            wrong = self._strays > STRAYS_AT_MOST
        if wrong and not self._finder.looking:
            self._finder.look()

    def _is_of_another_log(self, head: BatchHead, number: int) -> bool:
        """Its sender knows an epoch that was founded where we have read something else."""
        if head.flags & EPOCH or not self.epoch or head.epoch == self.epoch or head.epoch in self._former:
            return False
        return self.epoch_at <= head.epoch_at < number

    def _has_been_doubted(self, head: BatchHead, number: int) -> bool:
        """The finder looks whether it is the log that we read; if it is, the message comes again, and is forged."""
        if number != self._doubted:
            if not self._finder.looking:
                self._doubted = number
                self._finder.look()
            return False
        self.foreign += 1
        if len(self._former) >= FORMER_AT_MOST:
            self._former.clear()
        self._former.add(head.epoch)
        return True

    def _begin_epoch(self, counting: Counting, message: StreamMessage, head: BatchHead) -> None:
        if self.epoch and self.epoch != head.epoch:
            self._former.add(self.epoch)
        self.epoch, self.epoch_at = head.epoch, message.number
        counting.count(head)
        self._held_back.clear()
        self._listener.on_begin(self.epoch, 0)

    def _take_batch(self, counting: Counting, message: StreamMessage, head: BatchHead) -> None:
        if not self.epoch:
            self.epoch, self.epoch_at = head.epoch, head.epoch_at
        if head.epoch == self.epoch:
            if counting.place(head):
                self._tell_held_back(counting.base or 0)
            self.disagreed += counting.disagreed
            counting.disagreed = 0
        self.foreign += head.ignored
        before = counting.count(head)
        if counting.base is None:
            self._held_back.append((before, message, head))
        else:
            self._listener.on_batch(message, head, counting.base + before + 1)

    def _tell_held_back(self, base: int) -> None:
        held_back, self._held_back = self._held_back, []
        self._listener.on_begin(self.epoch, base)
        for before, message, head in held_back:
            self._listener.on_batch(message, head, base + before + 1)

    def _check_end(self) -> None:
        counting = self._counting
        if counting is None or counting.next <= self._target:
            return
        if self._at_end_s is None:
            self._at_end_s = self._clock()
        if counting.base is not None and not counting.ended:
            counting.ended = True
            self._listener.on_end()
