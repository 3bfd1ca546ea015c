"""
The snapshots that a dashboard is owed, made as its transport takes them; each holds for the seq in it.

A dashboard owes its server nothing for asking again and again: what is still owed stands in one `Snapshots`, and another
subscription replaces it. At each step it is asked anew whether the dashboard may see the vehicle: a token's renewal may have
narrowed that meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

EAGER_BYTES = 32 * 1024  # of those: a client that does not read keeps them in memory
EAGER = 64  # made at once, so that they are of the very moment at which the stream begins; a millisecond: many may come at once


OBJECTS_BYTES = 320  # that an answer takes besides its text: a generator, its frame, a place in a queue


class Answers:
    """What a dashboard is answered. `unsent_bytes`: of memory, for the answers that its reader has yet to give."""

    __slots__ = ("unsent_bytes",)

    def __init__(self) -> None:
        self.unsent_bytes = 0

    def add(self, frame: bytes) -> Iterator[bytes]:
        self.unsent_bytes += len(frame) + OBJECTS_BYTES
        return self._given(frame)

    def _given(self, frame: bytes) -> Iterator[bytes]:
        self.unsent_bytes -= len(frame) + OBJECTS_BYTES
        yield frame


class Snapshots(Iterator[bytes]):
    """
    make(vin)    the snapshot as it goes out; None if nothing is known of the vehicle
    sees(vin)    whether the dashboard may see this vehicle now
    """

    def __init__(self, make: Callable[[str], bytes | None], vins: Iterable[str], sees: Callable[[str], bool]) -> None:
        self._make = make
        self._sees = sees
        self._vins = deque(dict.fromkeys(vins))
        self._ready: deque[tuple[str, bytes]] = deque()

    def make_eagerly(self) -> None:
        size = self.ready_bytes
        while self._vins and len(self._ready) < EAGER and size < EAGER_BYTES:
            vin = self._vins.popleft()
            frame = self._frame(vin)
            if frame is not None:
                self._ready.append((vin, frame))
                size += len(frame)

    def __next__(self) -> bytes:
        while self._ready or self._vins:
            if self._ready:
                vin, frame = self._ready.popleft()
                if self._sees(vin):
                    return frame
            else:
                made = self._frame(self._vins.popleft())
                if made is not None:
                    return made
        raise StopIteration

    def _frame(self, vin: str) -> bytes | None:
        return self._make(vin) if self._sees(vin) else None

    @property
    def owed(self) -> list[str]:
        """The vehicles whose snapshots have not been taken yet."""
        return [*(vin for vin, _ in self._ready), *self._vins]

    @property
    def ready_bytes(self) -> int:
        """Of those that are made and not taken yet."""
        return sum(len(frame) for _, frame in self._ready)

    def cancel(self) -> None:
        self._ready.clear()
        self._vins.clear()
