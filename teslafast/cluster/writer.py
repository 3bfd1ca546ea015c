"""
What this node writes into the stream: one batch at a time, stop and wait.

    submit ──▶ queue ──▶ flight: compare-and-set on our run's subject ──▶ proven ──▶ it comes back among what is read
                           │ no answer: the very same bytes again                      (its events are applied then)

The expectation is fixed when a batch takes off, so it is stored once however often it is sent: a retry carries the expectation
that its batch took off with, and its answer counts for that batch alone. A batch is proven by the engine's answer or by coming
back, whichever is first. While a flight is under way the queue grows; the next batch takes it all, so batches grow with the load.

    Bound: UNSTORED_AT_MOST bytes; beyond it `full` asks that vehicles are not read from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

from ..event_loop import Timer
from .batch import BATCH_BYTES_AT_MOST, BEAT, ROSTER, RUN_HELLO, RUN_LEAVE, BatchHead, Entry, packed
from .engine import Engine, Failed, Later, NoStream, Published, Stored, WrongLast

UNSTORED_AT_MOST = 4 * 1024 * 1024  # bytes: what one node may owe its vehicles while the log is away
ENTRIES_AT_MOST = 4096  # in one batch: what a reader decodes at a time, some 15 ms
RETRY_S = (0.25, 0.5, 1.0)  # until the first, the second, and each further retry of a batch that is not answered
STEADY_RETRY_S = 1.0


class Item(NamedTuple):
    """`number`: how many submissions there had been with this one, 0 if the node itself makes the event; `handle`: the hub's."""

    entry: Entry
    handle: Any
    number: int


class Known(NamedTuple):
    """What a batch says about the log. See batch.BatchHead."""

    epoch: bytes
    epoch_at: int
    stream: int
    event: int


class Site(Protocol):
    """What the writer asks of its node, and tells it."""

    def known(self) -> Known: ...
    def roster(self) -> list[Entry]:
        """Every vehicle that is connected to this node now."""

    def on_stored(self, upto: int) -> None:
        """All submissions up to this number are in the log."""

    def on_lost_last(self, last: int, expected: int) -> None:
        """The subject's last message is an earlier one than ours: the log has lost its end, or its limits took our message."""

    def on_trouble(self, reason: str) -> None: ...


class Flight:
    __slots__ = ("attempts", "began_s", "expected", "flags", "items", "number", "payload")

    def __init__(self, flags: int, number: int, payload: bytes, expected: int, items: list[Item], began_s: float) -> None:
        self.flags = flags
        self.number = number
        self.payload = payload
        self.expected = expected
        self.items = items
        self.began_s = began_s
        self.attempts = 0


class Writer:
    """
    run       this life's name
    beats     how many times a second or more lay between two stored batches: how long the log has taken what we write
    proven_s  when the newest batch that is stored took off: others have heard of us since
    """

    def __init__(
        self, engine: Engine, timer: Timer, clock: Callable[[], float], make_name: Callable[[], bytes], site: Site
    ) -> None:
        self._engine = engine
        self._timer = timer
        self._clock = clock
        self._make_name = make_name
        self._site = site
        self._queue: deque[Item] = deque()
        self._flight: Flight | None = None
        self._coming: deque[Flight] = deque()  # proven, and not read yet
        self._open = False
        self._expected = 0
        self._number = 0
        self._owed = 0  # flags of batches that are to be written even if there is no event
        self._roster: deque[Entry] = deque()
        self._beat_s = clock()
        self.run = make_name()
        self.beats = 0
        self.proven_s = float("-inf")
        self.submitted = self.stored = self.unstored_bytes = 0
        self.batches = self.events = self.retries = 0
        self.deferred = 0  # retries that a server asked for: it was not so far yet (10164), or had no leader
        self.round_trips_s = 0.0  # of all batches together, from taking off to being proven
        self.left = False

    # ---- what is to be written

    def submit(self, entry: Entry, handle: Any) -> None:
        """A record, which its vehicle wants to be acknowledged."""
        self.submitted += 1
        self._queue.append(Item(entry, handle, self.submitted))
        self.unstored_bytes += entry.size
        self._take_off()

    def tell(self, entry: Entry) -> None:
        """An event of connectivity: nobody waits for it, and another run says anew what holds then."""
        self._queue.append(Item(entry, None, 0))
        self.unstored_bytes += entry.size
        self._take_off()

    @property
    def full(self) -> bool:
        return self.unstored_bytes > UNSTORED_AT_MOST

    @property
    def idle(self) -> bool:
        return not self._queue and self._flight is None and not self._owed and not self._roster

    @property
    def settled(self) -> bool:
        """Nothing is to be written, and everything that was has been read again."""
        return self.idle and not self._coming

    @property
    def waiting_s(self) -> float:
        """For how long the oldest batch has been under way."""
        return 0.0 if self._flight is None else self._clock() - self._flight.began_s

    def beat(self) -> None:
        """Once a second: a node with nothing to say says that it lives."""
        if self._flight is None and not self._queue and self._clock() - self._beat_s >= 1.0:
            self._owe(BEAT)

    def restate(self) -> None:
        """Somebody is new: tells who is connected here."""
        self._roster = deque(self._site.roster())
        self._take_off()

    def leave(self) -> None:
        """After everything that has been submitted: the last batch of this run."""
        self._owe(RUN_LEAVE)

    def _owe(self, flag: int) -> None:
        self._owed |= flag
        self._take_off()

    # ---- a run's life

    def open(self) -> None:
        """The log is read up to its end: from now on there is something to expect. Says hello."""
        self._open = True
        self._owe(RUN_HELLO)

    def close(self) -> None:
        """The log is not known any more: nothing takes off until `open`."""
        self._open = False

    def begin_run(self, restated: list[Entry], *, unread: bool) -> None:
        """
        Another life: what was under way takes off again under the new name, after what holds now of our vehicles.

        What our events of connectivity said in the old life has been answered by its obituary. `unread`: what is proven and has
        not come back is written again, too, because the log that had it is gone.
        """
        flights = [*self._coming] if unread else []
        if self._flight is not None:
            flights.append(self._flight)
            self._owed |= self._flight.flags & RUN_LEAVE
        again = [item for flight in flights for item in flight.items]
        told = [Item(entry, None, 0) for entry in restated]
        self._queue = deque([*told, *(item for item in (*again, *self._queue) if item.number)])
        self.unstored_bytes = sum(item.entry.size for item in self._queue)
        self._flight = None
        self._coming.clear()
        self._roster.clear()
        self.run = self._make_name()
        self._expected = 0
        self._number = 0
        if self._open:
            self._owe(RUN_HELLO)

    # ---- batches

    def _take_off(self) -> None:
        if self._flight is not None or not self._open or self.left:
            return
        if self._roster and not self._owed & RUN_HELLO:
            self._fly(ROSTER, [Item(entry, None, 0) for entry in self._drawn_roster()])
            return
        flags, self._owed, items = self._owed, 0, self._drawn()
        if flags & RUN_LEAVE and self._queue:  # it is the last: what is left comes first
            flags, self._owed = flags & ~RUN_LEAVE, RUN_LEAVE
        if flags or items:
            self._fly(flags, items)

    def _drawn(self) -> list[Item]:
        items: list[Item] = []
        size = 0
        while self._queue and len(items) < ENTRIES_AT_MOST:
            size += self._queue[0].entry.size
            if items and size > BATCH_BYTES_AT_MOST:
                break
            items.append(self._queue.popleft())
        return items

    def _drawn_roster(self) -> list[Entry]:
        """The next part; who has left since it was begun is left out."""
        here = {entry.vin for entry in self._site.roster()}
        part: list[Entry] = []
        size = 0
        while self._roster and len(part) < ENTRIES_AT_MOST and size < BATCH_BYTES_AT_MOST:
            entry = self._roster.popleft()
            if entry.vin in here:
                part.append(entry)
                size += entry.size
        return part

    def _fly(self, flags: int, items: list[Item]) -> None:
        self._number += 1
        known = self._site.known()
        head = BatchHead(flags, known.epoch, known.epoch_at, self.run, self._number, known.stream, known.event, len(items))
        payload = packed(head, [item.entry for item in items])
        counted = [] if flags & ROSTER else items
        self._flight = Flight(flags, self._number, payload, self._expected, counted, self._clock())
        self._send(self._flight)

    def _send(self, flight: Flight) -> None:
        wait_s = RETRY_S[flight.attempts] if flight.attempts < len(RETRY_S) else STEADY_RETRY_S
        flight.attempts += 1
        self._timer.call_later(wait_s, partial(self._again, flight, flight.attempts))
        self._engine.publish(self.run.hex(), flight.payload, flight.expected, partial(self._answered, flight))

    def _again(self, flight: Flight, attempts: int) -> None:
        """Nothing has been heard of this attempt."""
        if flight is self._flight and flight.attempts == attempts:
            self.retries += 1
            self._send(flight)

    def _answered(self, flight: Flight, how: Published) -> None:
        if flight is not self._flight:  # an answer to a batch of which we know already
            return
        match how:
            case Stored(number):
                self._prove(flight, number)
            case WrongLast(last) if last < flight.expected:
                self._site.on_lost_last(last, flight.expected)
            case WrongLast():  # it is stored, or our obituary is: the stream will tell; or neither is any more: sent again
                pass
            case Later(after_s):
                self.retries, self.deferred = self.retries + 1, self.deferred + 1
                self._timer.call_later(after_s, partial(self._again, flight, flight.attempts))
            case Failed(reason):
                self._site.on_trouble(reason)
            case NoStream():
                self._site.on_trouble("there is no stream")

    def _prove(self, flight: Flight, number: int) -> None:
        self._flight = None
        self.proven_s = flight.began_s
        self.left = bool(flight.flags & RUN_LEAVE)
        self._expected = number
        self._coming.append(flight)
        self.batches += 1
        self.events += len(flight.items)
        self.unstored_bytes -= sum(item.entry.size for item in flight.items)
        now_s = self._clock()
        self.round_trips_s += now_s - flight.began_s
        if now_s - self._beat_s >= 1.0:
            self._beat_s = now_s
            self.beats += 1
        upto = max((item.number for item in flight.items), default=0)
        if upto > self.stored:
            self.stored = upto
            self._site.on_stored(upto)
        self._take_off()

    def returned(self, number: int, stream_number: int) -> list[Item] | None:
        """Our run's batch `number` has been read from the stream: its items; None if they are not known here."""
        flight = self._flight
        if flight is not None and flight.number == number:
            self._prove(flight, stream_number)
        while self._coming and self._coming[0].number < number:
            self._coming.popleft()
        if self._coming and self._coming[0].number == number:
            return self._coming.popleft().items
        return None
