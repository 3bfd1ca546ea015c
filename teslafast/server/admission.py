"""
Connections that have not been admitted yet, and the three limits on them.

    per address   PER_ADDRESS connections; the next one is closed. IPv6 counts per /64, the block that one host gets.
    in total      TOTAL connections; the oldest is closed for the next one, because a well-behaved client is admitted within a
                  second.
    in bytes      HELD_BYTES_AT_MOST of memory for TLS, certificates and request heads; beyond it the oldest that holds any is
                  closed.

HANDSHAKE_TIMEOUT limits how long each may stay. Pure: `abort` is a callback of the caller.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable

# A mobile carrier's NAT may put a whole fleet behind one address. They come back in one moment, and their hellos a little later:
# of 1,500 that did on a busy machine, a limit of 512 turned 889 away. What they hold in memory is bounded in bytes.
PER_ADDRESS = 2048
TOTAL = 4096  # a silent one costs 5 KB; what the others hold is bounded in bytes
# 1,000 handshakes that have begun, as many as come in within two seconds; or 550 with as long a chain as may be.
HELD_BYTES_AT_MOST = 48 * 1024 * 1024

Ticket = int


class PendingConnections:
    """`refused` counts the connections that were closed for a limit, by cause."""

    def __init__(
        self, refused: Counter[str], per_address: int = PER_ADDRESS, total: int = TOTAL, held_bytes: int = HELD_BYTES_AT_MOST
    ) -> None:
        self._refused = refused
        self._per_address = per_address
        self._total = total
        self._held_bytes = held_bytes
        self._held: dict[Ticket, int] = {}  # bytes, of those that hold any; in the order in which they began to
        self._held_sum = 0
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
            self._abort(next(iter(self._present)))
        self._next += 1
        self._present[self._next] = source, abort
        self._by_source[source] += 1
        return self._next

    def _abort(self, ticket: Ticket) -> None:
        _, abort = self._present[ticket]
        self.leave(ticket)
        abort()

    def hold(self, ticket: Ticket, size: int) -> None:
        """The connection holds so many bytes from now on. If all together hold too many, the oldest of them are closed."""
        if ticket not in self._present:
            return
        self._held_sum += size - self._held.get(ticket, 0)
        self._held[ticket] = size
        while self._held_sum > self._held_bytes:
            self._refused["crowded_bytes"] += 1
            self._abort(next(iter(self._held)))

    def leave(self, ticket: Ticket) -> None:
        """The connection was admitted or answered, or is gone. Does nothing the second time."""
        self._held_sum -= self._held.pop(ticket, 0)
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
