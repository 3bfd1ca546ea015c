"""
What all connections of one server share: the log and what is made from it.

    submit ──▶ apply ──▶ log (flat), its views, last values, registry      at once: the event is in the ring when `submit` returns

A record goes in by `submit`; `apply` puts it under its seq into everything that shows it. One process applies at once. With
several nodes a `Backplane` takes the record, and each node calls `apply` when it comes back from the log that they share; replies
wait until then (`turn.ReplyHold`). No I/O here, and no clock: times are arguments.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from .._fanout import Fanout, bytes_needed
from ..config import Settings
from ..errors import Malformed
from ..event_loop import Timer
from ..metrics import Counts
from .connections import Connections
from .field_times import FieldTimes
from .last_values import LastValues
from .records import DATA, KIND_NUMBERS, OwnBytes, Record
from .registry import Registry
from .turn import Turn
from .unsent import Unsent
from .views import MakeLog, ViewKey, Views, view_ring_bytes

MakeFleet = Callable[[], dict[str, Any]]


class Backplane(Protocol):
    """The log that several nodes share: takes a submission, and has it applied on every node in the log's order."""

    def submit(
        self, vin: str, record: Record, fleet: MakeFleet, txid: bytes | None, now_ns: int, own: OwnBytes | None
    ) -> None: ...


PastEvent = tuple[int, int, str, bytes]  # seq, kind, VIN, JSON text: an event that the ring has lost


class Past(Protocol):
    """One reader's way through what the shared log still has: `take` is called once after each `more`, or `fail`."""

    def more(self) -> None: ...
    def end(self) -> None: ...


OpenPast = Callable[[int, Callable[[list[PastEvent]], object], Callable[[], object]], Past]  # after a seq; take, fail


class _Waiting:
    __slots__ = ("_callback", "ended", "seq")

    def __init__(self, seq: int, callback: Callable[[], object]) -> None:
        self.seq = seq
        self._callback = callback
        self.ended = False

    def end(self) -> None:
        if not self.ended:
            self.ended = True
            self._callback()


class Hub:
    """
    epoch      names the life of the log; `seq` counts within it
    turn       what is owed at the end of the event loop's turn
    keeps_own  records' own bytes are to be given to `submit`: an output or the backplane wants them
    """

    def __init__(
        self,
        settings: Settings,
        turn: Turn,
        log: Fanout,
        epoch: str,
        make_log: MakeLog,
        timer: Timer,
        counts: Counts,
        backplane: Backplane | None = None,
        keeps_own: bool = False,
    ) -> None:
        self.settings = settings
        self.turn = turn
        self.log = log
        self.epoch = epoch
        self.counts = counts
        self.registry = Registry()
        self.last_values = LastValues()
        self.field_times: FieldTimes | None = None  # for whoever asks when a field was heard
        self.connections = Connections(timer)
        ring_bytes = view_ring_bytes(settings.ring_bytes, settings.max_frame_bytes)
        self.views = views = Views(make_log, ring_bytes, timer, settings.max_frame_bytes)
        self.unsent = Unsent(taken=lambda: views.ring_bytes)
        self.draining = False
        self.keeps_own = keeps_own
        self._backplane = backplane
        self.timer = timer
        self.past: OpenPast | None = None  # None: there is nothing besides the ring
        self.fleet_past: OpenPast | None = None  # the same in the reference's shape
        self._waiting: list[_Waiting] = []

    @property
    def shares_log(self) -> bool:
        """Whether other nodes read the log too, and may be ahead of this one."""
        return self._backplane is not None

    @property
    def is_plain(self) -> bool:
        """Whether a record goes into nothing besides log, last values and registry just now."""
        return not self.views.active and self.field_times is None

    def wait_for(self, seq: int, most_s: float, callback: Callable[[], object]) -> None:
        """Calls `callback` once: when the log has come to `seq`, or after `most_s`."""
        waiting = _Waiting(seq, callback)
        self._waiting.append(waiting)
        self.timer.call_later(most_s, waiting.end)

    def tell_waiting(self) -> None:
        """The log has come further, or is another: for those who asked by `wait_for`."""
        if not self._waiting:
            return
        for waiting in self._waiting:
            if waiting.seq <= self.log.seq:
                waiting.end()
        self._waiting = [waiting for waiting in self._waiting if not waiting.ended]

    def share_log(self, backplane: Backplane) -> None:
        """From now on records go through the log that several nodes share. Once, before anybody is let in."""
        self._backplane = backplane

    def submit(
        self, vin: str, record: Record, fleet: MakeFleet, txid: bytes | None, now_ns: int, own: OwnBytes | None = None
    ) -> None:
        """
        Takes a record in.

        fleet    makes its other shape, if somebody reads that
        txid     names the message that it came in, b"" if it has no name; None: the server itself made the record
        now_ns   when it came in: ns since 1970, the server's clock
        own      its own bytes, if `keeps_own`
        Raises Malformed if it cannot be JSON or is larger than the ring.
        """
        if self._backplane is None:
            self.apply(vin, record, fleet, txid, now_ns, own)
        else:
            self._backplane.submit(vin, record, fleet, txid, now_ns, own)

    def apply(
        self,
        vin: str,
        record: Record,
        fleet: MakeFleet,
        txid: bytes | None,
        now_ns: int,
        own: OwnBytes | None = None,
        seq: int = 0,
    ) -> int:
        """Puts a submitted record into everything that shows it, under `seq` (0: the next); returns its seq. Raises Malformed."""
        now_ms = now_ns // 1_000_000
        kind = KIND_NUMBERS[record.kind]
        body = record.body
        try:
            text = orjson.dumps(body)
            seq = self.log.publish(kind, vin, text, now_ms, seq, own)
        except (ValueError, TypeError) as error:
            raise Malformed(f"cannot be kept: {error}") from None
        if kind == DATA:
            self.last_values.merge(vin, body["data"], record.created_ns, now_ns, record.is_resend, len(text))
            if self.field_times is not None:
                self.field_times.heard(vin, body["data"], now_ns)
        if txid is not None:
            self.registry.heard(vin, record, txid, now_ns)
        if self.views.active:
            self.views.publish(kind, vin, record, text, fleet, seq, now_ms)
        if self.turn.watched:
            self.turn.ask()
        return seq

    def log_for(self, view: ViewKey, vins: frozenset[str] | None) -> Fanout:
        """
        The log behind this view for a reader of these VINs (None = all).

        Raises OSError if the memory for its ring cannot be had.
        """
        return self.views.log_for(view, self.log, self._may_come(vins))

    def _may_come(self, vins: frozenset[str] | None) -> bool:
        """Whether any of these vehicles is one that may connect: to this server, or to another node."""
        allowed = self.settings.tesla_vin
        return vins is None or bool(vins & allowed if allowed and self._backplane is None else vins)

    def begin_at(self, epoch: str, seq: int) -> None:
        """What follows is another log than what was before, or another part of it; `seq`: of the last event before it."""
        self.epoch = epoch
        self.log.begin_at(seq)
        self.views.begin_at(seq)

    def known_vins(self) -> list[str]:
        """Every vehicle of which anything is known, each once."""
        return list(dict.fromkeys((*(entry.vin for entry in self.registry), *self.last_values.vins())))

    def begin_drain(self) -> None:
        """Nobody new is let in from now on."""
        self.draining = True


def memory_log(ring_bytes: int, prefixes: tuple[bytes, ...], schedule: Callable[[Fanout], object]) -> Fanout:
    """A ring of so many bytes in anonymous memory, which costs what is written to it. Raises OSError if there is too little."""
    return Fanout(mmap.mmap(-1, bytes_needed(ring_bytes)), ring_bytes, prefixes, schedule)
