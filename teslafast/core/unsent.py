"""
What dashboards' connections hold because their clients do not read: bounded for all of them together.

A client that reads nothing costs one write, 128 KiB as a rule, or one event as large as a vehicle's message; after twice
PING_INTERVAL it is shown out. Hundreds of them would be the memory of a small machine before that. So beyond a bound those
who have not read for longest are ended at once; they may come back and go on with `since`.

One token may ask for every view, and read none. So what the views' rings take is taken off: dashboards cost what their
connections cost, and ALL_UNSENT_AT_MOST besides. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

ALL_UNSENT_AT_MOST = 32 * 1024 * 1024  # some 240 clients that read nothing; Fly's smallest machine has 512 MB
UNSENT_AT_LEAST = 16 * 1024 * 1024  # whatever the views take: with large messages (MAX_FRAME_BYTES) that may be more


class Sheddable(Protocol):
    def shed(self) -> None:
        """Ends at once, and gives back what is unsent."""


class Unsent:
    """`taken()`: bytes of `most` that something else takes."""

    def __init__(self, most: int = ALL_UNSENT_AT_MOST, taken: Callable[[], int] = lambda: 0) -> None:
        self._most = most
        self._taken = taken
        self._held: OrderedDict[Sheddable, int] = OrderedDict()  # bytes, since when it is not read: the longest first
        self.total = 0

    def hold(self, connection: Sheddable, size: int) -> None:
        """Its client does not read: so many bytes wait for it, by now."""
        self.total += size - self._held.get(connection, 0)
        self._held[connection] = size  # one that is here already keeps its place
        while self.total > max(self._most - self._taken(), min(self._most, UNSENT_AT_LEAST)):
            longest = next(iter(self._held))
            self.drop(longest)
            longest.shed()

    def drop(self, connection: Sheddable) -> None:
        """Everything has left, or the connection is over."""
        self.total -= self._held.pop(connection, 0)
