"""
Which log is there: asks the engine, and decides whether to go on, to begin to read, or to found an epoch.

    look ──▶ no stream: make it ──▶ empty, or its end is lost: found an epoch ──┐
      │ ──▶ we read it: is our last message still the one that it was? go on    ├──▶ look
      └───▶ we do not: the last message tells the epoch, and where to begin     │
                                                                                │
    Founding is compare-and-set on the whole stream: of rivals one wins, and the others read what it wrote.

One question at a time; one that is not answered for LOG_ANSWER_S is asked again from the beginning, and late answers count for
nothing. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

from ..event_loop import Timer
from .batch import EPOCH, OBITUARY, PLACE, BatchHead, NotABatch, packed, read_head
from .engine import Engine, Failed, Got, Later, Looked, NoStream, Published, StreamInfo, StreamMessage

LOG_ANSWER_S = 1.0
FILLS_AT_MOST = 4  # of what is read by who begins, to go on where a checkpoint ends: beyond it a peer's values come sooner
ASK_AGAIN_S = 0.25  # before a question that got no useful answer is asked again
MISSING_S = 1.0  # a stream that we know must have been missing so long before it is made anew: servers that recover say so, too
SURE_S = 5.0
EPOCH_SUBJECT = "epoch"


class Beginning(NamedTuple):
    """Where to begin: numbers of the first message to read and of the last; the last one's epoch and writer, b"" if not known."""

    start: int
    target: int
    epoch: bytes
    epoch_at: int
    run: bytes = b""


class LogReader(Protocol):
    """What the finder asks of who reads the log, and tells it."""

    @property
    def next(self) -> int | None:
        """Number of the message that is to come; None: nothing is being read."""

    @property
    def last_head(self) -> BatchHead | None: ...
    @property
    def epoch(self) -> bytes: ...
    def begin(self, place: Beginning) -> None: ...
    def go_on(self) -> None:
        """The log is the one that it was."""

    def lose(self, reason: str, rolled_back: bool) -> None: ...
    def kept_number(self, epoch: bytes, last: int) -> int:
        """The message up to which a checkpoint has this epoch, 0 if there is none; `last`: where the log ends."""

    def on_founded(self) -> None:
        """There is a new epoch, ours or another's."""

    def on_trouble(self, reason: str) -> None: ...


class Finder:
    """`looking`: a question is under way. `fill_bytes`: how much of the stream is to be read by who begins."""

    def __init__(
        self,
        engine: Engine,
        timer: Timer,
        clock: Callable[[], float],
        make_name: Callable[[], bytes],
        fill_bytes: int,
        reading: LogReader,
    ) -> None:
        self._engine = engine
        self._timer = timer
        self._clock = clock
        self._make_name = make_name
        self._fill_bytes = fill_bytes
        self._reading = reading
        self._lost_epoch = b""  # of a log that has lost its end: nothing may be added to it
        self._created = ""
        self._missing_since: float | None = None
        self._asked_next = 0  # what was to come when we asked: more may have come before the answer does
        self._doubted_s: float | None = None
        self._step = 0
        self._stopped = False
        self.looking = False

    def stop(self) -> None:
        self._stopped = True
        self._step += 1

    # ---- one question at a time

    def _ask(self) -> Callable[[Callable[[], None]], None]:
        """Begins a step: returns what runs an answer's consequence if this step is still the one under way."""
        self.looking = True
        self._step += 1
        step = self._step

        def only_now(consequence: Callable[[], None]) -> None:
            if step == self._step:
                self._step += 1
                consequence()

        self._timer.call_later(LOG_ANSWER_S, lambda: only_now(self.look))
        return only_now

    def _look_after(self, seconds: float) -> None:
        self.looking = True
        self._step += 1
        step = self._step
        self._timer.call_later(seconds, lambda: self.look() if step == self._step else None)

    def look(self) -> None:
        if not self._stopped:
            answered = self._ask()
            self._asked_next = self._reading.next or 0
            self._engine.look(lambda found: answered(partial(self._looked, found)))

    def _looked(self, found: Looked) -> None:
        if not isinstance(found, NoStream):
            self._missing_since = None
        match found:
            case StreamInfo():
                self._compare(found)
            case Later(after_s):
                self._look_after(after_s)
            case Failed(reason):
                self._reading.on_trouble(reason)
                self._look_after(LOG_ANSWER_S)
            case NoStream():
                self._miss()

    def _miss(self) -> None:
        """There is no stream. It is made anew only if that has been so for a while."""
        now_s = self._clock()
        self._missing_since = now_s if self._missing_since is None else self._missing_since
        if self._created and now_s - self._missing_since < MISSING_S:
            self._look_after(ASK_AGAIN_S)
            return
        answered = self._ask()
        self._engine.make_stream(lambda made: answered(partial(self._looked, made)))

    # ---- the log that we read

    def _compare(self, info: StreamInfo) -> None:
        """Is it the log that we know? Then go on where we were; else from the beginning."""
        reading = self._reading
        if reading.next is not None:
            if info.created != self._created:
                self._lose("the stream is another one")
            elif info.last < self._asked_next - 1:
                if not self._sure():
                    self._look_after(ASK_AGAIN_S)
                    return
                self._lose("the stream has lost its end")
            elif info.first > reading.next:
                reading.lose("the stream has dropped what this node has not read", False)
        self._created = info.created
        if reading.next is not None:
            self._verify(info, reading.next - 1)
        elif info.last < info.first:
            self._found(info.last)
        else:
            answered = self._ask()
            self._engine.get(info.last, lambda got: answered(partial(self._choose, info, got)))

    def _sure(self) -> bool:
        """
        Whether the log looked as if it had lost its end a moment ago, too: a server that has just become the leader may not have
        applied everything yet.
        """
        now_s = self._clock()
        doubted_s, self._doubted_s = self._doubted_s, now_s
        return doubted_s is not None and now_s - doubted_s < SURE_S

    def _verify(self, info: StreamInfo, number: int) -> None:
        """The last message that we read must still be the one that it was."""
        if self._reading.last_head is None or number < info.first:
            self._go_on()
            return
        answered = self._ask()
        self._engine.get(number, lambda got: answered(partial(self._verified, number, got)))

    def _verified(self, number: int, got: Got) -> None:
        if self._reading.next != number + 1:  # more has come meanwhile, so it goes on
            self._go_on()
        elif not isinstance(got, StreamMessage):  # an error, or it has been dropped since we looked
            self._look_after(ASK_AGAIN_S)
        elif head_of(got) == self._reading.last_head:
            self._go_on()
        else:
            self._lose("the stream has lost its end, and gone on")
            self.look()

    def _go_on(self) -> None:
        self.looking = False
        self._reading.go_on()

    def _lose(self, reason: str) -> None:
        self._lost_epoch = self._reading.epoch
        self._reading.lose(reason, True)

    def suspect(self, number: int, run: bytes, evicted: Callable[[], None]) -> None:
        """
        The engine says that our run's message with this number is gone. `evicted` is called if the log's limits took it; if it
        is there all the same, a server did not know yet; else the log has lost its end.
        """
        answered = self._ask()
        self._asked_next = self._reading.next or 0

        def looked(found: Looked) -> None:
            if isinstance(found, StreamInfo) and self._reading.next is not None:
                if found.first > number:
                    evicted()
                elif found.last >= number:
                    again = self._ask()
                    self._engine.get(number, lambda got: again(partial(seen, found, got)))
                    return
                elif self._sure():
                    self._lose("the log's end is gone, and what we wrote with it")
            self._looked(found)

        def seen(found: StreamInfo, got: Got) -> None:
            head = head_of(got) if isinstance(got, StreamMessage) else None
            ours = head is not None and head.run == run and not head.flags & PLACE  # an output's place is of another subject
            if not isinstance(got, Later | Failed) and not ours and self._reading.next is not None:
                self._lose("the log's end is gone, and what we wrote with it")
            self._looked(found)

        self._engine.look(lambda found: answered(partial(looked, found)))

    # ---- another log

    def _choose(self, info: StreamInfo, got: Got) -> None:
        """`got`: the last message. We begin so far back that the ring is filled, and our place is told."""
        if not isinstance(got, StreamMessage):
            self._look_after(ASK_AGAIN_S)
            return
        head = head_of(got)
        if head is not None and head.epoch == self._lost_epoch:
            self._found(got.number)
            return
        fill = self._fill_bytes * (got.number - info.first + 1) // max(1, info.bytes)
        start = max(info.first, got.number - fill)
        epoch, epoch_at = b"", 0
        if head is not None and head.epoch_at <= got.number:  # a forged one may say anything
            epoch, epoch_at = head.epoch, got.number if head.flags & EPOCH else head.epoch_at
            start = max(info.first, epoch_at, min(start, head.known_stream + 1))
            kept = self._reading.kept_number(epoch, got.number)
            if kept and max(info.first, epoch_at, start - FILLS_AT_MOST * fill) <= kept + 1 < start:
                start = kept + 1
        self.looking = False
        run = head.run if head is not None and not head.flags & (EPOCH | OBITUARY) else b""
        self._reading.begin(Beginning(start, got.number, epoch, epoch_at, run))

    def found(self, last: int) -> None:
        """Nobody is there who knows the seqs of the log that ends with this message."""
        self._found(last)

    def _found(self, last: int) -> None:
        """Begins an epoch if the log's last message is still this one; somebody else's epoch is as good."""
        head = BatchHead(EPOCH, self._make_name(), last + 1, bytes(8), 0, 0, 0, 0)
        answered = self._ask()

        def consequence(how: Published) -> None:
            match how:
                case Failed(reason):
                    self._reading.on_trouble(reason)
                    self._look_after(LOG_ANSWER_S)
                case Later(after_s):
                    self._look_after(after_s)
                case _:  # it is ours, or somebody else's; or the log has gone on in the lost epoch, which is found out next
                    self._reading.on_founded()
                    self.look()

        self._engine.publish(
            EPOCH_SUBJECT, packed(head, ()), last, lambda how: answered(partial(consequence, how)), of_stream=True
        )


def head_of(message: StreamMessage) -> BatchHead | None:
    try:
        return read_head(message.payload)
    except NotABatch:
        return None
