"""
What stands in the stream and not in the ring any more: for dashboards that were away for long.

    after SEQ ──▶ bisect: the last message whose sender knew no more ──▶ from there on, PAST_WINDOW messages at a time ──▶ events

Nothing is kept: a replay asks the engine for messages by their numbers, and for the next ones when its reader has taken what it
was given. What the log's limits have dropped cannot be had: then it fails, or begins with what there is if it is `patient`. It
fails, too, if the log begins anew. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice

from ..core.hub import PastEvent
from ..event_loop import Timer
from .batch import EPOCH, BatchHead
from .engine import Engine, Got, StreamMessage
from .finder import head_of
from .follower import Follower

PAST_WINDOW = 64  # messages that are asked for at once …
PAST_WINDOW_BYTES = 2 * 1024 * 1024  # … fewer if they are large
PAST_EVENTS = 256  # shown at once: one or two ms of work
PAST_ANSWER_S = 2.0
TRIES = 5

Show = Callable[[int, StreamMessage], Iterable[PastEvent]]  # seq of its first event, and the message


class Replay:
    """
    One reader's way through the past: `take(events)`, once after each `more`; or `fail()`, once.

    `patient`: an engine that does not answer is asked for as long as it takes, and what has been dropped is passed over: then the
    first event that is taken is a later one than was asked for. It fails only if nothing is left, or the log begins anew.
    """

    def __init__(
        self,
        engine: Engine,
        timer: Timer,
        follower: Follower,
        show: Show,
        after: int,
        take: Callable[[list[PastEvent]], object],
        fail: Callable[[], object],
        patient: bool = False,
    ) -> None:
        self._engine = engine
        self._timer = timer
        self._follower = follower
        self._show = show
        self._after = after
        self._take = take
        self._fail = fail
        self._patient = patient
        self.missed: tuple[int, int] | None = None  # seqs that come before what is taken next, and cannot be had
        self._late = False  # its place is gone: a later one is looked for
        self._epoch = follower.epoch
        self._low, self._high = follower.epoch_at, follower.number  # `low`: its sender knew no more than the reader has
        self._half = 0
        self._next = 0  # number of the message that comes next; 0 while its place is looked for
        self._seq = 0  # of the last event before it
        self._window: dict[int, StreamMessage] = {}  # what has come of that which was asked for
        self._come: deque[StreamMessage] = deque()  # all of that, and not shown yet
        self._showing: Iterator[PastEvent] = iter(())  # the rest of one of them
        self._left = False  # whether there may be such a rest
        self._size = 1  # bytes of one message, as they have been lately
        self._asked: set[int] = set()
        self._tries = self._step = 0

    def more(self) -> None:
        if not self._next:
            self._half = (self._low + self._high) // 2 if self._high - self._low > 1 else self._low
            self._ask_for([self._high if self._late else self._half])
            return
        if self._come or self._left or self._next > self._follower.number:
            self._step += 1
            self._timer.call_later(0.0, partial(self._give, self._step))  # others have their turn between
            return
        count = min(PAST_WINDOW, max(1, PAST_WINDOW_BYTES // self._size))
        self._ask_for(range(self._next, min(self._next + count, self._follower.number + 1)))

    def end(self) -> None:
        self._step += 1
        self._asked.clear()
        self._come.clear()

    # ---- questions

    def _ask_for(self, numbers: Iterable[int]) -> None:
        self._asked = set(numbers)
        self._step += 1
        self._timer.call_later(PAST_ANSWER_S, partial(self._again, self._step))
        for number in sorted(self._asked):
            self._engine.get(number, partial(self._answered, self._step, number))

    def _again(self, step: int) -> None:
        if step == self._step and self._asked:
            self._tries += 1
            if self._tries > TRIES and not self._patient:
                self._give_up()
            else:
                self._ask_for(self._asked)

    def _answered(self, step: int, number: int, got: Got) -> None:
        if step != self._step or number not in self._asked or not (got is None or isinstance(got, StreamMessage)):
            return  # what was no answer is asked for again in a while
        self._asked.discard(number)
        if self._follower.epoch != self._epoch:
            self._give_up()
        elif self._late:
            self._begin_late(number, got)
        elif not self._next:
            self._halve(number, got)
        elif got is None:
            self._look_anew(number)
        else:
            self._window[number] = got
            if not self._asked:
                self._tries = 0
                self._come.extend(one for _, one in sorted(self._window.items()))
                self._size = max(1, sum(len(one.payload) for one in self._come) // len(self._come))
                self._window.clear()
                self._give(self._step)

    def _give_up(self) -> None:
        self.end()
        self._fail()

    # ---- the place

    def _halve(self, number: int, message: StreamMessage | None) -> None:
        head = head_of(message) if message is not None else None
        tells = head is not None and head.epoch == self._epoch
        if self._high - self._low <= 1:
            if head is not None and tells:
                self._begin_at(number, head)
            else:
                self._be_late(number)
        elif message is None or (head is not None and tells and head.known_event <= self._after):
            self._low = number  # what has been dropped is old
            self.more()
        elif tells:
            self._high = min(self._half, number)
            self.more()
        elif number + 1 < self._high:  # who wrote this did not know our epoch yet: the next one may tell
            self._ask_for([number + 1])
        else:
            self._high = self._half
            self.more()

    def _look_anew(self, gone: int) -> None:
        """The log's limits were faster than our reader."""
        if not self._patient:
            self._give_up()
            return
        self._window.clear()
        self._after = max(self._after, self._seq)
        self._low, self._high, self._next = gone, self._follower.number, 0
        self.more()

    def _be_late(self, gone: int) -> None:
        """What was to come after this message, the newest of those that have been dropped, cannot be had."""
        if not self._patient:
            self._give_up()
            return
        self._late = True
        self._low, self._high = gone, gone + 1
        self.more()

    def _begin_late(self, number: int, message: StreamMessage | None) -> None:
        """The first message whose sender knew one that is still there tells where to go on."""
        head = head_of(message) if message is not None else None
        if head is not None and head.epoch == self._epoch and (head.flags & EPOCH or head.known_stream > self._low):
            self._late = False
            self._begin_at(number, head)
        elif number >= self._follower.number:
            self._give_up()
        else:
            self._low = number if message is None else self._low
            self._high = number + 1
            self.more()

    def _begin_at(self, number: int, head: BatchHead) -> None:
        founding = bool(head.flags & EPOCH)
        self._next = number if founding else head.known_stream + 1
        self._seq = 0 if founding else head.known_event
        self.missed = (self._after + 1, self._seq) if self._seq > self._after else None
        self.more()

    # ---- messages

    def _give(self, step: int) -> None:
        if step != self._step:
            return
        events: list[PastEvent] = []
        while len(events) < PAST_EVENTS and (self._left or self._come):
            if not self._left:
                self._open(self._come.popleft())
            events += islice(self._showing, PAST_EVENTS - len(events))
            self._left = len(events) >= PAST_EVENTS
        if events or self.missed or (self._next > self._follower.number and not self._come):
            self._take(events)
            self.missed = None
        else:
            self.more()

    def _open(self, message: StreamMessage) -> None:
        """What of its events the reader lacks is shown next."""
        head = head_of(message)
        self._next = message.number + 1
        self._showing = iter(())
        if head is not None and head.counted and not head.flags & EPOCH:
            if self._seq + head.counted > self._after:
                shown, after = self._show(self._seq + 1, message), self._after
                self._showing = (one for one in shown if one[0] > after)
            self._seq += head.counted
