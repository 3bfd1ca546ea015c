"""
One output, as a node that has it set decides about it: to claim it, to work it, to hand it over, to stop.

    free ──claim, compare-and-set──▶ held by a run ──note, note, …──▶ held, further on
     ▲                                  │     └──wish of another node's──▶ the holder's batch ends, held by that one
     └── release · its leave · its obituary · a run that nobody has heard of for as long

The log decides who holds it: only what has been read there counts. The worker is a consequence, and stops at once when it is
not certain any more that this node holds the output. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ..event_loop import Timer
from .engine import Engine
from .places import NOBODY, OutputPlace, PlaceSite, PlaceSubject
from .runs import Runs

CLAIM_STEP_S = 0.05  # for each output that this node holds already: who has fewer comes first
CLAIM_LUCK_S = 0.02
REFRESH_S = 10.0  # the log's limits must not drop the newest word about an output
STALE_S = 15.0  # its holder has not refreshed it for longer: what `look` has told may have been an old answer


class Workers(Protocol):
    """Who works the outputs of this node."""

    def begin(self, output: str, epoch: bytes, seq: int, lost: int) -> None:
        """From the event after `seq` on. `lost`: how many events before that were gone with a former epoch."""

    def hand_over(self, output: str) -> None:
        """Ends after the batch that is under way, and says so by `Custody.yielded`."""

    def end(self, output: str) -> None:
        """At once: it is somebody else's, or may be. Nothing more may be sent."""

    def go_on(self, output: str) -> None:
        """What `Custody.may_send` says may have changed."""

    def confirm(self, output: str, seq: int) -> None:
        """Whoever works it, the output has everything up to `seq`."""

    def lose(self, output: str, first: int, last: int) -> None:
        """But for some of these, which it will never have. Comes before the `confirm` that passes them."""


class CustodySite(PlaceSite, Protocol):
    """What is asked of the node."""

    @property
    def runs(self) -> Runs: ...
    @property
    def is_well(self) -> bool:
        """It has joined, and the log answers."""

    @property
    def proven_s(self) -> float:
        """When the newest batch of ours that is in the log was sent."""

    @property
    def beats(self) -> int: ...
    @property
    def read_seq(self) -> int:
        """Of the last event that has been read."""


class Circumstances(Protocol):
    """
    What holds for all outputs of this node: `custody.Custody`.

    begins_after  the seq after which an output begins that is new
    heads         former epochs that were lost under our eyes, and the last seq that was shown of each
    held          how many outputs this node holds or is about to
    is_proven     this node cannot have been declared dead
    may_take      it is well, besides, and stays
    """

    @property
    def site(self) -> CustodySite: ...
    @property
    def workers(self) -> Workers: ...
    @property
    def epoch(self) -> bytes: ...
    @property
    def begins_after(self) -> int: ...
    @property
    def heads(self) -> Mapping[bytes, int]: ...
    @property
    def label(self) -> str: ...
    @property
    def held(self) -> int: ...
    @property
    def leaving(self) -> bool: ...
    @property
    def is_proven(self) -> bool: ...
    @property
    def may_take(self) -> bool: ...
    def is_own(self, run: bytes) -> bool:
        """This node's, in its present name or in a former one that nobody has declared dead."""

    def is_free(self, holder: bytes) -> bool: ...


class HeldOutput:
    """
    subject   the output's place in the log
    working   `Workers.begin` has been called, and `end` or `yielded` has not
    noted     the worker has delivered everything up to this seq, but for some of the stretch `losing`
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        timer: Timer,
        clock: Callable[[], float],
        luck: Callable[[], float],
        all_of_it: Circumstances,
    ) -> None:
        self.name = name
        self._timer = timer
        self._clock = clock
        self._luck = luck
        self._all = all_of_it
        self.subject = PlaceSubject(engine, timer, name, all_of_it.site, self.consider)
        self.working = False
        self._yielding = False
        self._noted = 0
        self._free_s: float | None = None  # since when it has been seen to be free
        self._written_s = 0.0
        self._heard: tuple[int | None, float] = (None, 0.0)  # the subject's newest message, and since when it is that
        self._lost = 0
        self._losing: tuple[int, int] | None = None

    # ---- what holds now

    @property
    def is_ours(self) -> bool:
        place = self.subject.place
        return place is not None and self._all.is_own(place.holder)

    @property
    def is_held(self) -> bool:
        return self.is_ours or self.subject.flight is not None

    @property
    def may_send(self) -> bool:
        """Whether a batch may be sent now: everything that has been sent is in the log as such."""
        place = self.subject.place
        if not self.working or self._yielding or self._all.leaving or not self._all.site.is_well or not self._all.is_proven:
            return False
        return self.subject.flight is None and place is not None and place.seq >= self._noted

    @property
    def is_yielding(self) -> bool:
        return self._yielding

    # ---- what happens

    def note(self, seq: int, lost: tuple[int, int] | None = None) -> None:
        """The output has everything up to `seq`, but for some of `lost`."""
        self._noted = max(self._noted, seq)
        if lost is not None:
            self._lose(*lost)
        self._save()

    def _lose(self, first: int, last: int) -> None:
        least, most = self._losing or (first, last)
        self._losing = min(first, least), max(last, most)

    def yielded(self) -> None:
        """As `hand_over` asked: the worker has ended."""
        self.working = False
        self.consider()

    def forget(self) -> None:
        """The log is not known any more."""
        self.subject.forget()
        self._end()
        self._free_s = None

    def consider(self) -> None:
        """What there is to do, with what is known by now."""
        subject, site = self.subject, self._all.site
        if self.working and not (self.is_ours and self._all.is_proven):
            self._end()
        if not site.is_well or subject.flight is not None:
            return
        place = subject.place
        if place is None or not self.is_ours or (place.lost_from, place.lost_upto) == self._losing:
            self._losing = None
        if subject.number is None:
            subject.look()
        elif place is not None and self.is_ours:
            self._keep(place)
        elif place is None or self._all.is_free(place.holder):
            self._claim()
        else:
            self._doubt()

    def _doubt(self) -> None:
        """Another has it. Or a server that lags has said so, and it was handed over to us: then nobody would work it."""
        number, since_s = self._heard
        if number != self.subject.number:
            self._heard = self.subject.number, self._clock()
        elif self._clock() - since_s > STALE_S:
            self._heard = number, self._clock()
            self.subject.look()

    def _end(self) -> None:
        if not self.is_ours:
            self._noted = 0
        if self.working:
            self.working = self._yielding = False
            self._all.workers.end(self.name)

    # ---- while it is ours

    def _keep(self, place: OutputPlace) -> None:
        self._free_s = None
        if place.holder != self._all.site.run or place.epoch != self._all.epoch:
            if self._all.is_proven:
                self._take()
        elif not self.working:
            self._resume(place)
        elif self._is_to_go(place) and not self._yielding:
            self._yielding = True
            self._all.workers.hand_over(self.name)
        elif self._noted > place.seq or self._clock() - self._written_s > REFRESH_S:
            self._save()
        else:
            self._all.workers.go_on(self.name)

    def _resume(self, place: OutputPlace) -> None:
        """It is ours, and nobody works it: after a claim, after a while without proof of our life, or to be handed over."""
        self._yielding = False
        if self._is_to_go(place):
            to = NOBODY if self._all.leaving else place.wanted
            self._write(OutputPlace(to, place.epoch, max(self._noted, place.seq)))
        elif self._noted > place.seq:
            self._save()
        elif self._all.may_take and self._all.site.read_upto >= (self.subject.number or 0):
            self.working = True
            self._noted = place.seq
            lost, self._lost = self._lost, 0
            self._all.workers.begin(self.name, place.epoch, place.seq, lost)

    def _is_to_go(self, place: OutputPlace) -> bool:
        site = self._all.site
        return self._all.leaving or (place.wanted not in (NOBODY, site.run) and site.runs.get(place.wanted) is not None)

    def _save(self) -> None:
        subject, place = self.subject, self.subject.place
        if subject.flight is None and subject.number is not None and place is not None and self.is_ours:
            self._write(place._replace(seq=max(self._noted, place.seq), label=self._all.label))

    # ---- while it is free

    def _claim(self) -> None:
        if not self._all.may_take:
            self._free_s = None
            return
        now_s = self._clock()
        wait_s = CLAIM_STEP_S * self._all.held + CLAIM_LUCK_S * self._luck()
        if self._free_s is None:
            self._free_s = now_s
            self._timer.call_later(wait_s, self.consider)
        elif now_s - self._free_s >= wait_s:
            self._free_s = None
            self._take()

    def _take(self) -> None:
        """Writes that the output is ours, from where it stands."""
        place = self.subject.place
        if place is not None and place.epoch == self._all.epoch:
            seq = max(place.seq, self._noted) if self.is_ours else place.seq
        elif place is not None:  # of an epoch that is over: what it had not got then is gone
            seq, self._lost = 0, max(0, self._all.heads.get(place.epoch, 0) - place.seq)
        else:  # new; unless what was known of it went with a former epoch
            seq = 0 if self._all.heads else self._all.begins_after
            if seq:  # other nodes may wait for what was before it
                self._lose(1, seq)
        self._noted = seq
        self._write(OutputPlace(self._all.site.run, self._all.epoch, seq, NOBODY, self._all.label))

    def ask_for(self) -> bool:
        """Asks its holder to hand it over; False if that cannot be asked just now."""
        subject, place = self.subject, self.subject.place
        if place is None or place.wanted != NOBODY or subject.flight is not None or subject.number is None:
            return False
        self._write(place._replace(wanted=self._all.site.run))
        return True

    def _write(self, place: OutputPlace) -> None:
        self._written_s = self._clock()
        lost_from, lost_upto = self._losing or (0, 0)
        self.subject.write(place._replace(lost_from=lost_from, lost_upto=lost_upto))
