"""
How far an output has come, and which node works it: the newest message of the output's own subject in the log.

    head     a batch's, with the flag PLACE and without events; its run and number tell who wrote it
    body     holder, epoch, seq, wanted, lost_from, lost_upto | the holder's name for people

    holder   the run that works the output; NOBODY: whoever wants may
    epoch, seq   the output has everything of this epoch up to this seq
    wanted   a run that asks the holder to hand it over; NOBODY: none does
    lost_from, lost_upto   some events of this stretch will never be delivered; 0: there is none such since the message before

A message replaces the one before it by compare-and-set, so of two writers one is refused, whatever either believes. Here is what
one node knows of one output's subject, and its own writing there: one message at a time. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

from ..event_loop import Timer
from .batch import HEAD_BYTES, PLACE, BatchHead, NotABatch, packed
from .engine import Engine, Failed, Got, Later, Looked, Published, Stored, StreamInfo, StreamMessage, WrongLast
from .writer import RETRY_S, STEADY_RETRY_S, Known

NOBODY = bytes(8)
NODE_LABEL_AT_MOST = 64  # characters of a node's name for people
LOOK_ANSWER_S = 1.0
UNREAD_S = 3.0  # what was stored is read at once, but for a reader who is behind
_BODY = struct.Struct("<8s8sQ8sQQ")


class OutputPlace(NamedTuple):
    holder: bytes
    epoch: bytes
    seq: int
    wanted: bytes = NOBODY
    label: str = ""
    lost_from: int = 0
    lost_upto: int = 0


def subject_of(output: str) -> str:
    return f"output-{output}"


def output_of(subject: str) -> str:
    """Of a message's whole subject; "" if it is not an output's."""
    kind, _, output = subject.rpartition(".")[2].partition("-")
    return output if kind == "output" else ""


def packed_place(head: BatchHead, place: OutputPlace) -> bytes:
    body = _BODY.pack(place.holder, place.epoch, place.seq, place.wanted, place.lost_from, place.lost_upto)
    return packed(head, ()) + body + place.label[:NODE_LABEL_AT_MOST].encode()


def read_place(payload: bytes) -> OutputPlace:
    """Raises NotABatch."""
    if len(payload) < HEAD_BYTES + _BODY.size:
        raise NotABatch("no place")
    holder, epoch, seq, wanted, lost_from, lost_upto = _BODY.unpack_from(payload, HEAD_BYTES)
    label = payload[HEAD_BYTES + _BODY.size :][: 4 * NODE_LABEL_AT_MOST].decode("utf-8", "replace")
    return OutputPlace(holder, epoch, seq, wanted, label[:NODE_LABEL_AT_MOST], lost_from, lost_upto)


class PlaceSite(Protocol):
    """What a subject's writer asks of its node."""

    @property
    def run(self) -> bytes: ...
    @property
    def read_upto(self) -> int:
        """Number of the last message of the stream that has been read."""

    def known(self) -> Known: ...
    def on_trouble(self, reason: str) -> None: ...


class PlaceWrite:
    """`steps`: how often it was sent, or said to be stored: only the newest counts. It is over when it has been read."""

    __slots__ = ("expected", "payload", "place", "steps")

    def __init__(self, place: OutputPlace, payload: bytes, expected: int) -> None:
        self.place = place
        self.payload = payload
        self.expected = expected
        self.steps = 0


class PlaceSubject:
    """
    place    as the log's newest message of this subject says that has been read; None: there is none
    number   of the newest message of the subject that is known; None: `look` has to ask for it
    flight   what is being written
    """

    def __init__(
        self,
        engine: Engine,
        timer: Timer,
        output: str,
        site: PlaceSite,
        changed: Callable[[], object],
    ) -> None:
        self._engine = engine
        self._timer = timer
        self._subject = subject_of(output)
        self._site = site
        self._changed = changed
        self._writes = 0
        self._looks = 0
        self._looking = False
        self._read_number = 0
        self.place: OutputPlace | None = None
        self.number: int | None = None
        self.flight: PlaceWrite | None = None

    def forget(self) -> None:
        """The log is another one, or not known any more."""
        self.place = self.number = self.flight = None
        self._read_number = 0
        self._looks += 1
        self._looking = False

    # ---- what stands there

    def look(self) -> None:
        """Asks for the newest message, which may be older than what this node has read."""
        if not self._looking:
            self._looks += 1
            self._looking = True
            self._timer.call_later(LOOK_ANSWER_S, partial(self._stop_looking, self._looks))
            self._engine.get_last(self._subject, partial(self._looked, self._looks))

    def _stop_looking(self, look: int) -> None:
        if look == self._looks:
            self._looking = False

    def _looked(self, look: int, got: Got) -> None:
        if look != self._looks or not self._looking or isinstance(got, Later | Failed):
            return
        self._looking = False
        if got is None:
            self.number = self.number or 0
        else:
            self._take(got)
        self._changed()

    def read(self, message: StreamMessage) -> None:
        """The stream's next message of this subject."""
        self._take(message)
        self._changed()

    def _take(self, message: StreamMessage) -> None:
        if message.number <= self._read_number:
            return
        self._read_number = message.number
        self.number = max(self.number or 0, message.number)
        try:
            self.place = read_place(message.payload)
        except NotABatch:
            self.place = None
        if self.flight is not None and message.number > self.flight.expected:
            self.flight = None  # it is this one, or has lost against it

    # ---- what is written there

    def write(self, place: OutputPlace) -> None:
        """Only if nothing is being written. Whether it got there is what is read next."""
        self._writes += 1
        known = self._site.known()
        head = BatchHead(PLACE, known.epoch, known.epoch_at, self._site.run, self._writes, known.stream, known.event, 0)
        flight = self.flight = PlaceWrite(place, packed_place(head, place), self.number or 0)
        self._send(flight)

    def _send(self, flight: PlaceWrite) -> None:
        wait_s = RETRY_S[flight.steps] if flight.steps < len(RETRY_S) else STEADY_RETRY_S
        flight.steps += 1
        self._timer.call_later(wait_s, partial(self._again, flight, flight.steps))
        self._engine.publish(self._subject, flight.payload, flight.expected, partial(self._answered, flight, flight.steps))

    def _again(self, flight: PlaceWrite, step: int) -> None:
        if flight is self.flight and flight.steps == step:
            self._send(flight)

    def _answered(self, flight: PlaceWrite, step: int, how: Published) -> None:
        if flight is not self.flight:
            return
        match how:
            case Stored():
                # A log that lost its end may have lost this. If it stands there and is read late, the compare-and-set is refused.
                flight.steps += 1
                self._timer.call_later(UNREAD_S, partial(self._again, flight, flight.steps))
            case WrongLast(last) if last > flight.expected:
                self._refused(last)
            case WrongLast(0):  # the limits took our last message, or the log has lost its end: that, the node finds out
                self._engine.look(partial(self._evicted, flight))
            case Later(after_s):
                self._timer.call_later(after_s, partial(self._again, flight, step))
            case Failed(reason):
                self._site.on_trouble(reason)

    def _refused(self, last: int) -> None:
        """Somebody was before us, or it was we ourselves: what is read from the stream will tell, unless it had come before."""
        if last <= self._site.read_upto and last > self._read_number:
            self.flight = self.number = None
            self._changed()

    def _evicted(self, flight: PlaceWrite, found: Looked) -> None:
        if flight is self.flight and isinstance(found, StreamInfo) and found.first > flight.expected:
            self.flight = None
            self.number = self._read_number = 0
            self.write(flight.place)
