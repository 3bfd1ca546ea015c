"""
Those who have connected and have not been let in yet: no token, no certificate, nobody knows who they are. Hence two bounds.

    per address   PER_ADDRESS at once; one more is cut off. An IPv6 address counts by its /64, which is what one host is given.
    in total      TOTAL at once; for one more the oldest is cut off: whoever means well is through in a second, and those that
                  have been sitting longest are the ones that only sit

HANDSHAKE_TIMEOUT bounds how long each may stay. Pure.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable

PER_ADDRESS = 512
TOTAL = 4096

Pending = int


class PendingConnections:
    """`refused` counts by cause: who was not taken in, or was cut off."""

    def __init__(self, refused: Counter[str], per_address: int = PER_ADDRESS, total: int = TOTAL) -> None:
        self._refused = refused
        self._per_address = per_address
        self._total = total
        self._present: dict[Pending, tuple[str, Callable[[], object]]] = {}  # in the order in which they came
        self._by_source: Counter[str] = Counter()
        self._next = 0

    def __len__(self) -> int:
        return len(self._present)

    def enter(self, host: str, cut_off: Callable[[], object]) -> Pending | None:
        """The ticket of one more from this address, None if that would be too many; `cut_off()` may be called until it leaves."""
        source = source_of(host)
        if self._by_source[source] >= self._per_address:
            self._refused["address_limit"] += 1
            return None
        if len(self._present) >= self._total:
            self._refused["crowded"] += 1
            oldest = next(iter(self._present))
            _, cut_off_oldest = self._present[oldest]
            self.leave(oldest)
            cut_off_oldest()
        self._next += 1
        self._present[self._next] = source, cut_off
        self._by_source[source] += 1
        return self._next

    def leave(self, ticket: Pending) -> None:
        """Let in, answered or gone. Does nothing the second time."""
        source, _ = self._present.pop(ticket, (None, None))
        if source is not None:
            self._by_source[source] -= 1
            if not self._by_source[source]:
                del self._by_source[source]


def source_of(host: str) -> str:
    """What is counted as one: the IPv4 address, or the /64 of an IPv6 address."""
    if ":" not in host:
        return host
    return str(ipaddress.ip_address(host.partition("%")[0]).exploded)[:19]
