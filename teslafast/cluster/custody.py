"""
Which node works which output: every node that has outputs set decides for itself, from what it reads in the log.

The holder of an output writes down how far that has come after each batch, and sends the next one only when this is in the log:
so what is sent again after a death is one batch at most. It sends as long as its own run is proven to live, for less than what
it takes others to declare it dead; after that it has to stop, whatever it believes (`is_proven`). Who was only asleep is refused
by compare-and-set from then on. An outage of the log frees nothing, because nobody is declared dead then.

An output goes to whoever claims it first. Who holds many waits longer, so they are spread; and who holds two fewer than another
asks that one for one of its. Pure.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ..event_loop import Timer
from .batch import NotABatch
from .engine import Engine, StreamMessage
from .held_output import CustodySite, HeldOutput, Workers
from .places import NOBODY, output_of, read_place
from .runs import beats_needed

WISH_EVERY_S = 2.0
MARGIN_S = 0.5  # two ticks of the node before others could declare it dead, it stops
ENDED_AT_MOST = 1000  # runs whose end is remembered


class Holding(NamedTuple):
    """Who works an output, for `/health`: `run` is b"" if nobody does, `seq` 0 if the output's place is not of this epoch."""

    run: bytes
    label: str
    seq: int
    here: bool


class Custody:
    """`label`: this node's name for people. `head`: seq of the last event that is shown here, to count what a lost log took."""

    def __init__(
        self,
        engine: Engine,
        timer: Timer,
        clock: Callable[[], float],
        luck: Callable[[], float],
        site: CustodySite,
        workers: Workers,
        outputs: Sequence[str],
        dead_s: float,
        label: str,
        head: Callable[[], int],
    ) -> None:
        self.site = site
        self.workers = workers
        self.label = label
        self.epoch = b""
        self.leaving = False
        self.begins_after = 0
        self._clock = clock
        self._luck = luck
        self._dead_s = dead_s
        self._head = head
        self._heads: dict[bytes, int] = {}
        self._own: set[bytes] = set()  # names of this process, none of which is known to have ended
        self._ended: deque[bytes] = deque(maxlen=ENDED_AT_MOST)
        # Holders of whom this node has read nothing: since when, after which beat.
        self._unheard: dict[bytes, tuple[float, int]] = {}
        self._wished_s = clock()
        self._outputs = {name: HeldOutput(name, engine, timer, clock, luck, self) for name in outputs}

    # ---- what is read

    def on_place(self, message: StreamMessage) -> None:
        output = self._outputs.get(output_of(message.subject))
        if output is not None:
            output.subject.read(message)
            try:
                place = read_place(
                    message.payload
                )  # this one: the subject may know a newer one, and what that passes over is not read
            except NotABatch:
                return
            if place.epoch == self.epoch:
                if place.lost_upto:
                    self.workers.lose(output.name, place.lost_from, place.lost_upto)
                self.workers.confirm(output.name, place.seq)

    def on_ended(self, run: bytes) -> None:
        """It has left, or its obituary has been read."""
        self._ended.append(run)
        self._own.discard(run)
        self._consider_all()

    def on_lost(self) -> None:
        """The log is not known any more."""
        self._unheard.clear()
        for output in self._outputs.values():
            output.forget()

    def on_epoch(self, epoch: bytes) -> None:
        """The events of this epoch follow; those of the one before it are still shown."""
        if epoch != self.epoch:
            if self.epoch:
                self._heads[self.epoch] = self._head()
            self.on_lost()
            self.epoch = epoch

    def on_joined(self) -> None:
        """A new output begins with the first event that this node can have taken in."""
        self.begins_after = self.site.read_seq
        self._consider_all()

    def tick(self) -> None:
        """A few times a second."""
        self._consider_all()
        if self.may_take and self._clock() - self._wished_s >= WISH_EVERY_S:
            self._wished_s = self._clock()
            self._wish()

    def _consider_all(self) -> None:
        for output in self._outputs.values():
            output.consider()

    # ---- the workers

    def note(self, output: str, seq: int, lost: tuple[int, int] | None = None) -> None:
        """The output has everything up to `seq`, but for some from the first to the last of `lost`."""
        self._outputs[output].note(seq, lost)

    def may_send(self, output: str) -> bool:
        """Whether a batch may be sent now."""
        return self._outputs[output].may_send

    def is_yielding(self, output: str) -> bool:
        return self._outputs[output].is_yielding

    def yielded(self, output: str) -> None:
        """The worker has ended, after `hand_over`."""
        self._outputs[output].yielded()

    def leave(self) -> None:
        """Everything is handed over, and nothing claimed any more."""
        self.leaving = True
        self._consider_all()

    # ---- what holds now

    def holding(self, output: str) -> Holding:
        one = self._outputs[output]
        place = one.subject.place
        if place is None:
            return Holding(b"", "", self.site.read_seq, False)
        seq = place.seq if place.epoch == self.epoch else 0
        if place.holder == NOBODY or place.holder in self._ended:
            return Holding(b"", "", seq, False)
        return Holding(place.holder, place.label, seq, one.working)

    @property
    def held(self) -> int:
        return sum(output.is_held for output in self._outputs.values())

    @property
    def runs_besides(self) -> int:
        """How many other nodes there are."""
        return sum(not self.is_own(run.name) for run in self.site.runs)

    @property
    def heads(self) -> Mapping[bytes, int]:
        return self._heads

    @property
    def is_proven(self) -> bool:
        return self._clock() - self.site.proven_s < self._dead_s - MARGIN_S

    @property
    def may_take(self) -> bool:
        return self.site.is_well and self.is_proven and not self.leaving

    def is_own(self, run: bytes) -> bool:
        self._own.add(self.site.run)
        return run in self._own and run not in self._ended

    def is_free(self, holder: bytes) -> bool:
        if holder == NOBODY or holder in self._ended:
            return True
        if self.site.runs.get(holder) is not None or self.is_own(holder):
            self._unheard.pop(holder, None)
            return False
        since_s, beats = self._unheard.setdefault(holder, (self._clock(), self.site.beats))
        return self._clock() - since_s >= self._dead_s and self.site.beats - beats >= beats_needed(self._dead_s)

    # ---- balance

    def _wish(self) -> None:
        """Asks whoever works at least two more than this node for one of its."""
        run = self.site.run
        places = [(output, output.subject.place) for output in self._outputs.values() if output.subject.place is not None]
        if any(place.wanted == run for _, place in places):
            return
        counts = Counter(place.holder for _, place in places if self.site.runs.get(place.holder) is not None)
        holder, most = max(counts.items(), key=lambda item: item[1], default=(run, 0))
        if most >= counts[run] + 2:
            theirs = [output for output, place in places if place.holder == holder]
            theirs[int(self._luck() * len(theirs)) % len(theirs)].ask_for()
