"""
Connections that have not been admitted yet, and the two limits on them.

    per address   PER_ADDRESS connections; the next one is closed. IPv6 counts per /64, the block that one host gets.
    in total      TOTAL connections; the oldest is closed for the next one, because a well-behaved client is admitted within a
                  second.

HANDSHAKE_TIMEOUT limits how long each may stay. Pure: `abort` is a callback of the caller.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable

PER_ADDRESS = 512  # a mobile carrier's NAT may put a whole fleet behind one address, and each is here for less than a second
TOTAL = 4096  # silent TLS clients cost 14 KB each, 57 MB together; with unfinished 90 KB certificates 138 KB, 566 MB

Ticket = int


class PendingConnections:
    """`refused` counts the connections that were closed for a limit, by cause."""

    def __init__(self, refused: Counter[str], per_address: int = PER_ADDRESS, total: int = TOTAL) -> None:
        self._refused = refused
        self._per_address = per_address
        self._total = total
        self._present: dict[Ticket, tuple[str, Callable[[], object]]] = {}  # in the order of their arrival
        self._by_source: Counter[str] = Counter()
        self._next = 0

    def __len__(self) -> int:
        return len(self._present)

    def enter(self, host: str, abort: Callable[[], object], limited: bool = True) -> Ticket | None:
        """
        A ticket for one more connection, None if its address has too many (`limited`: not for a proxy, whose address stands for
        many clients). `abort()` may be called until it leaves.
        """
        source = source_of(host)
        if limited and self._by_source[source] >= self._per_address:
            self._refused["address_limit"] += 1
            return None
        if len(self._present) >= self._total:
            self._refused["crowded"] += 1
            oldest = next(iter(self._present))
            _, abort_oldest = self._present[oldest]
            self.leave(oldest)
            abort_oldest()
        self._next += 1
        self._present[self._next] = source, abort
        self._by_source[source] += 1
        return self._next

    def leave(self, ticket: Ticket) -> None:
        """The connection was admitted or answered, or is gone. Does nothing the second time."""
        source, _ = self._present.pop(ticket, (None, None))
        if source is not None:
            self._by_source[source] -= 1
            if not self._by_source[source]:
                del self._by_source[source]


def source_of(host: str) -> str:
    """What counts as one source: the IPv4 address, or the /64 of an IPv6 address."""
    if ":" not in host:
        return host
    return str(ipaddress.ip_address(host.partition("%")[0]).exploded)[:19]
