"""
A dashboard that was away for so long that its node's ring has lost what it lacks: it gets that from the log that the nodes share.

The events go straight into its transport, some at a time, and the next ones when that has taken them; with `interval` they are
merged on the way. When the ring that it reads, its view's, reaches back far enough, `arrived(seq)` is called with the last one
that it was given; or with where it stood, if the past cannot be had: then the ring's own way of telling a gap applies. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from .._fanout import Fanout, Reader
from ..core.hub import Hub, PastEvent
from .merged_resume import Merging
from .resume_place import AHEAD_S, is_ahead
from .subscription import Subscription

LOOK_AGAIN_S = 0.02  # whether the transport has taken what it was given

InFrame = Callable[[int, int, str, bytes], bytes]  # an event in the frame of the dashboard's protocol: seq, kind, VIN, JSON text


def first_given(hub: Hub, asked: Subscription, log: Fanout) -> int:
    """seq of the first event that the dashboard can be given from a ring."""
    return hub.log.oldest if asked.interval_ms else log.oldest  # who resumes merged reads the flat ring first


def reads_past(asked: Subscription, hub: Hub, log: Fanout) -> bool:
    """Whether it asks for what only the shared log has. `log`: the one that it is going to read."""
    if hub.past is None or asked.since is None or log is hub.views.nothing:
        return False
    return asked.epoch in (None, hub.epoch) and asked.since + 1 < first_given(hub, asked, log)


class Emit:
    """Past events as the dashboard gets them: each by itself."""

    def __init__(self, sees: Callable[[str], bool], kinds: int, in_frame: InFrame) -> None:
        self._sees = sees
        self._kinds = kinds
        self._in_frame = in_frame

    def frames(self, events: list[PastEvent]) -> Iterable[bytes]:
        sees, kinds, in_frame = self._sees, self._kinds, self._in_frame
        return [in_frame(*event) for event in events if kinds >> event[1] & 1 and sees(event[2])]

    def rest(self, seq: int) -> Iterable[bytes]:
        return ()


class EmitMerged(Emit):
    """The data merged to one message a vehicle, for as long as that is not too large."""

    def __init__(self, after: int, sees: Callable[[str], bool], kinds: int, in_frame: InFrame) -> None:
        super().__init__(sees, kinds, in_frame)
        self._merging = Merging(after, sees, kinds)

    def frames(self, events: list[PastEvent]) -> Iterable[bytes]:
        yield from self._merging.take((*event, 0) for event in events)
        if self._merging.full:
            yield from self._merging.told(events[-1][0])

    def rest(self, seq: int) -> Iterable[bytes]:
        return self._merging.told(seq)


def when_in_ring(
    hub: Hub,
    asked: Subscription,
    log: Fanout,
    reader: Reader,
    write: Callable[[bytes], object],
    sees: Callable[[str], bool],
    in_frame: InFrame,
    waits: Callable[[], bool],
    go_on: Callable[[int | None], object],
) -> None:
    """
    Calls `go_on(since)` when the ring is where the dashboard is: mostly at once. One that has seen more elsewhere waits until
    this node has it too; one that lacks more than the ring has is given that first.
    """
    if is_ahead(asked, hub):
        hub.wait_for(asked.since or 0, AHEAD_S, partial(go_on, asked.since))
    elif reads_past(asked, hub, log):
        kinds, after = asked.kinds, asked.since or 0
        emit = EmitMerged(after, sees, kinds, in_frame) if asked.interval_ms else Emit(sees, kinds, in_frame)
        PastEvents(hub, asked, log, reader, write, emit, waits, go_on)
    else:
        go_on(asked.since)


class PastEvents:
    """`waits()`: whether the dashboard is still there and has not begun to read the ring."""

    def __init__(
        self,
        hub: Hub,
        asked: Subscription,
        log: Fanout,
        reader: Reader,
        write: Callable[[bytes], object],
        emit: Emit,
        waits: Callable[[], bool],
        arrived: Callable[[int], object],
    ) -> None:
        self._hub = hub
        self._asked = asked
        self._log = log
        self._reader = reader
        self._write = write
        self._emit = emit
        self._waits = waits
        self._arrived = arrived
        self._after = asked.since or 0
        open_past = hub.fleet_past if asked.fleet else hub.past
        self._replay = open_past(self._after, self._take, self._stop) if open_past is not None else None
        self._more()

    def _more(self) -> None:
        if self._replay is None:
            return
        if not self._waits():
            self._replay.end()
        elif self._reader.blocked:
            self._hub.timer.call_later(LOOK_AGAIN_S, self._more)
        else:
            self._replay.more()

    def _take(self, events: list[PastEvent]) -> None:
        """No events: the log has been read up to where this node stands, and what is not among them has no such shape."""
        if not self._waits():
            return
        self._say(self._emit.frames(events) if events else ())
        self._after = events[-1][0] if events else self._hub.log.seq
        if not events or self._after + 1 >= first_given(self._hub, self._asked, self._log):
            self._stop()
        else:
            self._more()

    def _say(self, frames: Iterable[bytes]) -> None:
        joined = b"".join(frames)
        if joined:
            self._write(joined)

    def _stop(self) -> None:
        if self._replay is not None:
            self._replay.end()
        if self._waits():
            self._say(self._emit.rest(self._after))
            self._arrived(self._after)
