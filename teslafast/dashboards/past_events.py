"""
A dashboard that was away for so long that its node's ring has lost what it lacks: it gets that from the log that the nodes share.

The events go straight into its transport, some at a time, and the next ones when that has taken them. When the ring reaches back
far enough, `arrived(seq)` is called with the last one that it was given; or with where it stood, if the past cannot be had: then
the ring's own way of telling a gap applies. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .._fanout import Reader, frame
from ..core.hub import Hub, PastEvent
from ..websocket.text_frames import TEXT_OPCODE
from .resume_place import AHEAD_S, is_ahead
from .subscription import Subscription

LOOK_AGAIN_S = 0.02  # whether the transport has taken what it was given


def reads_past(asked: Subscription, hub: Hub) -> bool:
    """Whether it asks for what only the shared log has, in a shape that can be made from that."""
    if hub.past is None or asked.since is None or asked.fleet or asked.interval_ms:
        return False
    return asked.epoch in (None, hub.epoch) and asked.since + 1 < hub.log.oldest


def when_in_ring(
    hub: Hub,
    asked: Subscription,
    reader: Reader,
    write: Callable[[bytes], object],
    sees: Callable[[str], bool],
    waits: Callable[[], bool],
    go_on: Callable[[int | None], object],
) -> None:
    """
    Calls `go_on(since)` when the ring is where the dashboard is: mostly at once. One that has seen more elsewhere waits until
    this node has it too; one that lacks more than the ring has is given that first.
    """
    if is_ahead(asked, hub):
        hub.wait_for(asked.since or 0, AHEAD_S, partial(go_on, asked.since))
    elif reads_past(asked, hub):
        PastEvents(hub, asked, reader, write, sees, waits, go_on)
    else:
        go_on(asked.since)


class PastEvents:
    """`waits()`: whether the dashboard is still there and has not begun to read the ring."""

    def __init__(
        self,
        hub: Hub,
        asked: Subscription,
        reader: Reader,
        write: Callable[[bytes], object],
        sees: Callable[[str], bool],
        waits: Callable[[], bool],
        arrived: Callable[[int], object],
    ) -> None:
        self._hub = hub
        self._kinds = asked.kinds
        self._reader = reader
        self._write = write
        self._sees = sees
        self._waits = waits
        self._arrived = arrived
        self._after = asked.since or 0
        self._replay = hub.past(self._after, self._take, self._stop) if hub.past is not None else None
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
        if not self._waits():
            return
        seen = [text for _, kind, vin, text in events if self._kinds >> kind & 1 and self._sees(vin)]
        if seen:
            self._write(b"".join(frame(TEXT_OPCODE, text) for text in seen))
        if events:
            self._after = events[-1][0]
        if self._after + 1 >= self._hub.log.oldest or not events:
            self._stop()
        else:
            self._more()

    def _stop(self) -> None:
        if self._replay is not None:
            self._replay.end()
        if self._waits():
            self._arrived(self._after)
