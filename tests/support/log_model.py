"""
What the log promises, as a model: every event that a reader wants is given to it, in order and once, or lies in a gap that it is
told of. `Witness` holds every byte that it is given against that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from teslafast._fanout import KINDS
from websockets.frames import Frame, Opcode

from tests.support.fake_log import CHUNK, Dashboard, Stage, body, frames_in, gap_frame


@dataclass(frozen=True)
class Event:
    number: int
    seq: int
    vin: str
    kind: int
    text: bytes
    size: int  # of its frame
    beside: tuple[bytes, ...] | None = None

    @property
    def span(self) -> int:
        """Bytes of the ring that it takes."""
        return self.size + sum(4 + len(part) for part in self.beside or ())

    def fitting(self, ring_bytes: int) -> Event:
        """As the ring keeps it: without what is beside it, if there is no room for both."""
        return replace(self, beside=None) if self.span > ring_bytes else self

    @classmethod
    def of(cls, number: int, seq: int, vin: str, kind: int, pad: int, beside: tuple[bytes, ...] | None = None) -> Event:
        text = b'{"type":"%s","seq":%d,' % (KINDS[kind].encode(), seq) + body(vin, pad)[1:]
        return cls(number, seq, vin, kind, text, len(Frame(Opcode.TEXT, text).serialize(mask=False)), beside)


class History:
    """All events there have been, and which of them a ring of so many bytes still has."""

    def __init__(self, ring_bytes: int) -> None:
        self.events: list[Event] = []
        self.kept: deque[Event] = deque()
        self.repeats = False  # two events share a seq, as they may in a view: a gap's ends may then be lost in part
        self.room = ring_bytes
        self.slots = 1
        while 128 * self.slots < ring_bytes:
            self.slots *= 2

    def add(self, event: Event) -> None:
        self.repeats |= bool(self.events) and event.seq == self.events[-1].seq
        self.events.append(event)
        self.kept.append(event)
        self.room -= event.span
        while self.room < 0 or len(self.kept) > self.slots:
            self.room += self.kept.popleft().span


@dataclass
class Subscription:
    vins: frozenset[str] | None
    kinds: int

    def covers(self, event: Event) -> bool:
        return (self.vins is None or event.vin in self.vins) and bool(self.kinds >> event.kind & 1)

    @property
    def is_for_all(self) -> bool:
        return self.vins is None and self.kinds & 15 == 15


class Promise:
    """`owed`: what a reader wants, was not given and was not told lost. `seen`: the seq up to which it is served, -1 unknown."""

    def __init__(self, subscription: Subscription, events: Iterable[Event], seen: int) -> None:
        self.subscription = subscription
        self.seen = seen
        self.owed = deque(event for event in events if subscription.covers(event) and event.seq > seen)

    def published(self, event: Event) -> None:
        if self.subscription.covers(event):
            self.owed.append(event)

    def given(self, text: bytes) -> None:
        assert self.seen >= 0, "its place was not known, and no gap was told"
        event = self.owed.popleft()
        assert text == event.text
        self.seen = event.seq

    def told(self, first: int, last: int, history: History) -> None:
        slack = int(history.repeats)
        assert first == 0 if self.seen < 0 else first > self.seen - 2 * slack
        assert first <= last + slack or (first, last) == (0, 0)
        assert not self.owed or first <= self.owed[0].seq
        while self.owed and self.owed[0].number < history.kept[0].number:
            assert self.owed.popleft().seq <= last
        self.seen = last - slack


class Witness(Dashboard):
    """A dashboard that holds every frame against the promise made to it."""

    def __init__(self, stage: Stage, history: History) -> None:
        super().__init__()
        self.stage = stage
        self.history = history
        self.said: deque[bytes] = deque()
        self.largest = CHUNK  # bytes that it may be given at once
        self.read = 0  # of the wire's writes

    def subscribe(self, subscription: Subscription, after: int | None) -> None:
        newest = self.stage.log.seq
        self.stage.log.subscribe(self.reader, subscription.vins, subscription.kinds, after)
        known = after is None or 0 <= after <= newest
        self.promise = Promise(subscription, self.history.events, (newest if after is None else after) if known else -1)
        self.came_late = after is not None  # a first gap may be told although it turns out that nothing was in it
        self.largest = max(self.largest, *(event.size for event in self.history.kept), 0)

    def published(self, event: Event) -> None:
        self.promise.published(event)
        self.largest = max(self.largest, event.size)

    def on_gap(self, first: int, last: int) -> Iterator[bytes]:
        self.check()
        assert last == self.stage.log.oldest - 1 + self.history.repeats
        oldest = self.history.kept[0].number if self.history.kept else 0
        assert self.came_late or any(event.seq >= first for event in self.history.events[:oldest]), "a gap with nothing in it"
        self.came_late = False
        self.promise.told(first, last, self.history)
        self.said.append(gap_frame(first, last))
        return iter([gap_frame(first, last)])

    def say(self, frames: list[bytes]) -> None:
        self.check()
        self.said += frames
        self.largest = max(self.largest, *map(len, frames))
        self.reader.say(iter(frames))

    def check(self) -> None:
        """Reads what was written since the last time: whole frames, a chunk at most or one frame at a time."""
        fresh = self.wire.writes[self.read :]
        self.read += len(fresh)
        for one in frames_in(b"".join(fresh)):
            assert one.opcode is Opcode.TEXT
            assert one.fin
            if self.said:
                assert one.serialize(mask=False) == self.said.popleft()
            else:
                self.promise.given(bytes(one.data))
        assert all(len(data) <= self.largest for data in fresh)
        assert self.wire.backlog <= self.largest

    @property
    def waits(self) -> bool:
        """It could take something, and there is something for it."""
        return not self.reader.blocked and bool(self.promise.owed or self.said or self.promise.seen < 0)
