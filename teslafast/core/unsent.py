"""
What dashboards' connections hold because their clients do not read: bounded for all of them together.

A client that reads nothing costs one write, 128 KiB as a rule, or one event as large as a vehicle's message; after twice
PING_INTERVAL it is shown out. Hundreds of them would be the memory of a small machine before that. So beyond a bound those
who have not read for longest are ended at once; they may come back and go on with `since`. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

ALL_UNSENT_AT_MOST = 40 * 1024 * 1024  # some 300 clients that read nothing; Fly's smallest machine has 512 MB


class Sheddable(Protocol):
    def shed(self) -> None:
        """Ends at once, and gives back what is unsent."""


class Unsent:
    def __init__(self, most: int = ALL_UNSENT_AT_MOST) -> None:
        self._most = most
        self._held: OrderedDict[Sheddable, int] = OrderedDict()  # bytes, since when it is not read: the longest first
        self.total = 0

    def hold(self, connection: Sheddable, size: int) -> None:
        """Its client does not read: so many bytes wait for it."""
        self.drop(connection)
        self._held[connection] = size
        self.total += size
        while self.total > self._most:
            longest, _ = next(iter(self._held.items()))
            self.drop(longest)
            longest.shed()

    def drop(self, connection: Sheddable) -> None:
        """Everything has left, or the connection is over."""
        self.total -= self._held.pop(connection, 0)
