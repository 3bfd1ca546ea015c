"""
Connections that have not been admitted yet, and the three limits on them.

    per address   PER_ADDRESS connections; the next one takes the place of the oldest that has yet to send something.
    in total      TOTAL connections; the next one takes the place of another.
    in bytes      HELD_BYTES_AT_MOST of memory for TLS, certificates, request heads, and answers that are not taken. While most
                  of it is in use nobody begins (`may_begin`) until one who has had it for too long loses it; beyond it one
                  of them is closed at once.

What is too long, those who are admitted show: twice as long as they took lately, from BEGUN_S to BEGUN_AT_MOST_S. With a fixed
time a fleet that is farther away, and unknown because the server has been restarted, would be turned away again and again,
each time for the CPU of half a handshake.

Whose place is taken: the oldest's of whoever takes the most of them (sources.py). An address from which somebody has been
admitted lately is known, and known ones are counted apart: a vehicle that comes back loses its place only to others of that
kind, as long as these are no more than the strangers.

HANDSHAKE_TIMEOUT limits how long each may keep us waiting. Pure: the time is an argument, `abort` a callback of the caller.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable

from .sources import Source, SourcePlaces, source_of

# A mobile carrier's NAT may put a whole fleet behind one address. They come back in one moment, and their hellos a little later:
# of 1,500 that did on a busy machine, a limit of 512 turned 889 away. What they hold in memory is bounded in bytes.
PER_ADDRESS = 6144
TOTAL = 8192  # a silent one costs 2 KB; what the others hold is bounded in bytes
HELD_BYTES_AT_MOST = 36 * 1024 * 1024  # 750 handshakes that have begun; or 60 with as long a chain as may be
BEGIN_BELOW_BYTES = 32 * 1024 * 1024  # the rest is for what those who have begun are still to send
BEGUN_S = 0.5  # that each may hold its memory at the least while strangers wait for some: a mobile round trip, and our own delay
BEGUN_AT_FIRST_S = 1.0  # as long as nobody has shown how far the vehicles are
BEGUN_AT_MOST_S = 2.0
LATELY = 0.95  # of what somebody took remains after each one who is admitted after him: half of it after 14
KNOWN_SOURCES_AT_MOST = 4096  # addresses: 1 MB; the vehicles of a server that has more of them share carriers' addresses


def _nothing() -> None: ...


class Ticket:
    """
    One connection's place.

    known      somebody was admitted from its address before
    displaced  it took the place of another of its address, which had too many
    """

    __slots__ = ("abort", "displaced", "held", "known", "limited", "source")

    def __init__(self, source: Source, known: bool, limited: bool, abort: Callable[[], object]) -> None:
        self.source = source
        self.known = known
        self.limited = limited
        self.abort = abort
        self.held = 0  # bytes
        self.displaced = False


class KnownSources:
    """Addresses from which a vehicle or a dashboard was admitted, the last KNOWN_SOURCES_AT_MOST."""

    def __init__(self, most: int = KNOWN_SOURCES_AT_MOST) -> None:
        self._most = most
        self._known: OrderedDict[Source, None] = OrderedDict()

    def __contains__(self, source: Source) -> bool:
        return source in self._known

    def note(self, source: Source) -> None:
        self._known[source] = None
        self._known.move_to_end(source)
        if len(self._known) > self._most:
            self._known.popitem(last=False)


class PendingConnections:
    """`refused` counts the connections that were closed for a limit, by cause."""

    def __init__(
        self, refused: Counter[str], per_address: int = PER_ADDRESS, total: int = TOTAL, held_bytes: int = HELD_BYTES_AT_MOST
    ) -> None:
        self._refused = refused
        self._per_address = per_address
        self._total = total
        self._held_bytes = held_bytes
        self._held_sum = 0
        self._held_by_known = 0
        # Those who hold nothing, and the others: in each of the two strangers, and known ones.
        self._silent: tuple[SourcePlaces[Ticket], ...] = (SourcePlaces(), SourcePlaces())
        self._holding: tuple[SourcePlaces[Ticket], ...] = (SourcePlaces(), SourcePlaces())
        self._begun: OrderedDict[Ticket, float] = OrderedDict()  # since when they hold something, the oldest first
        self._patience_s = BEGUN_AT_FIRST_S
        self._alone = 0
        self.known = KnownSources()

    def __len__(self) -> int:
        return sum(map(len, self._silent + self._holding))

    def enter(self, host: str, abort: Callable[[], object], limited: bool = True) -> Ticket | None:
        """
        A ticket for one more connection, None if its address has too many (`limited`: not for a proxy, whose address stands for
        many clients). `abort()` may be called until it leaves.
        """
        ticket = self._ticket(host, abort, limited)
        if limited and not self._make_room_at(ticket):
            return None
        if len(self) >= self._total:
            self.make_room()
        self._silent[ticket.known].add(ticket.source, ticket)
        return ticket

    def _ticket(self, host: str, abort: Callable[[], object], limited: bool) -> Ticket:
        if limited:
            source = source_of(host)
            return Ticket(source, source in self.known, limited, abort)
        self._alone += 1
        return Ticket(Source(self._alone, self._alone), True, limited, abort)

    def _make_room_at(self, ticket: Ticket) -> bool:
        source, known = ticket.source, ticket.known
        if self._silent[known].of(source) + self._holding[known].of(source) < self._per_address:
            return True
        self._refused["address_limit"] += 1
        if not self._silent[known].of(source):
            return False
        self._end(self._silent[known].oldest_of(source))
        ticket.displaced = True
        return True

    def make_room(self) -> bool:
        """Closes one of those who take the most places. False: nobody is here."""
        crowd = max(self._silent + self._holding, key=len)
        if not crowd:
            return False
        self._refused["crowded"] += 1
        self._end(crowd.most_crowded())
        return True

    def _end(self, ticket: Ticket) -> None:
        abort = ticket.abort
        self.leave(ticket)
        abort()

    @property
    def _begin_below(self) -> int:
        return self._held_bytes * BEGIN_BELOW_BYTES // HELD_BYTES_AT_MOST

    def known_may_begin(self) -> bool:
        """Whether one more known address may: whatever strangers hold, known ones may hold half of the memory."""
        return self._held_sum <= self._begin_below or self._held_by_known <= self._begin_below // 2

    def may_begin(self, now_s: float) -> bool:
        """Whether one more stranger may begin to hold memory. Somebody who has held some for too long may be closed for it."""
        if self._held_sum <= self._begin_below:
            return True
        if not self._begun or now_s - next(iter(self._begun.values())) < self._patience_s:
            return False
        crowd = max(self._holding, key=len).most_crowded()
        self._refused["crowded_bytes"] += 1
        self._end(crowd if now_s - self._begun[crowd] >= self._patience_s else next(iter(self._begun)))
        return True

    def hold(self, ticket: Ticket, size: int, now_s: float) -> None:
        """The connection holds so many bytes from now on. If all together hold too many, some of them are closed."""
        silent, holding = self._silent[ticket.known], self._holding[ticket.known]
        if not ticket.held:
            if not silent.discard(ticket.source, ticket):
                return
            holding.add(ticket.source, ticket)
            self._begun[ticket] = now_s
        self._count_held(ticket, size)
        while self._held_sum > self._held_bytes:
            self._refused["crowded_bytes"] += 1
            self._end(max(self._holding, key=len).most_crowded())

    def _count_held(self, ticket: Ticket, size: int) -> None:
        self._held_sum += size - ticket.held
        if ticket.known:
            self._held_by_known += size - ticket.held
        ticket.held = size

    def admit(self, ticket: Ticket, now_s: float) -> None:
        """The connection was admitted: those who come from its address after it are known, and all may take as long as it has."""
        if ticket.limited:
            self.known.note(ticket.source)
        took_s = now_s - self._begun.get(ticket, now_s)
        self._patience_s = min(max(BEGUN_S, 2 * took_s, LATELY * self._patience_s), BEGUN_AT_MOST_S)
        self.leave(ticket)

    def leave(self, ticket: Ticket) -> None:
        """The connection was admitted or answered, or is gone. Does nothing the second time."""
        if ticket.held:
            self._holding[ticket.known].discard(ticket.source, ticket)
            self._count_held(ticket, 0)
            del self._begun[ticket]
        self._silent[ticket.known].discard(ticket.source, ticket)
        ticket.abort = _nothing  # it refers to the connection, which refers to the ticket
