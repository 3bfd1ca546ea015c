"""
What a simulated vehicle has sent and what the server answered: every message is acknowledged once, refused once, or still open.

    sent == acked + refused + unacknowledged        at every moment, whatever happens to the connection

A message may be on the wire several times (copies): the server answers each copy, and the first answer counts. What was open when
a connection ended is acknowledged later, by a true-up that sends the same fields again; so an ack settles as many messages as its
message stands for. Malformed messages are counted apart, because the right answer to them is the error reply. An answer that
belongs to no message is a stray. Pure: monotonic time is an argument.
"""

from collections import Counter
from dataclasses import dataclass, field

from .latency_histogram import LatencyHistogram

# Messages that may be open on one connection. A vehicle sends nothing more until the server answers, so a silent server costs
# the simulator at most this many messages a vehicle: at one a second, a quarter of an hour of them.
UNACKED_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One envelope. `keys`: the fields in it (data); `settles`: how many messages its ack settles, itself included."""

    txid: bytes
    topic: bytes
    frame: bytes
    keys: tuple[str, ...] = ()
    settles: int = 1


@dataclass
class Tally:
    """
    Sums over a fleet, as the module defines them. `copies` and `resent` count messages that went out again; `rejected` are the
    error replies to malformed messages.
    """

    sent: int = 0
    acked: int = 0
    refused: int = 0
    malformed: int = 0
    rejected: int = 0
    strays: int = 0
    copies: int = 0
    resent: int = 0
    connections: int = 0
    latencies: LatencyHistogram = field(default_factory=LatencyHistogram)

    @property
    def unacknowledged(self) -> int:
        return self.sent - self.acked - self.refused


class AckTracker:
    """What is open on one connection; its length is the number of answers that are still due."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._open: dict[bytes, tuple[OutgoingMessage, float]] = {}  # by txid, with the time of sending
        # Second answers that are still due: a copy's message may have been acknowledged already.
        self._copies: Counter[tuple[bytes, bytes]] = Counter()
        self._malformed: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return len(self._open) + self._copies.total() + self._malformed.total()

    @property
    def full(self) -> bool:
        return len(self._open) >= UNACKED_LIMIT

    @property
    def keys(self) -> tuple[str, ...]:
        """The fields of all data messages that are open."""
        return tuple(key for message, _ in self._open.values() for key in message.keys)

    def send(self, message: OutgoingMessage, now_s: float, *, again: bool = False) -> None:
        """Opens a message that is sent now. `again`: another connection has counted it as sent already."""
        self._tally.sent += not again
        self._open[message.txid] = message, now_s

    def copy(self, message: OutgoingMessage) -> None:
        """Expects one more answer to a message that has just been sent."""
        self._tally.copies += 1
        self._copies[message.txid, message.topic] += 1

    def send_malformed(self, txid: bytes) -> None:
        """Expects an error reply; `txid` is empty if the server cannot read it."""
        self._tally.malformed += 1
        self._malformed[txid] += 1

    def acked(self, txid: bytes, topic: bytes, now_s: float) -> None:
        message, sent_s = self._open.get(txid, (None, 0.0))
        if message is not None and message.topic == topic:
            del self._open[txid]
            self._tally.acked += message.settles
            self._tally.latencies.add(now_s - sent_s)
        elif self._copies[txid, topic] > 0:
            self._copies[txid, topic] -= 1
        else:
            self._tally.strays += 1

    def rejected(self, txid: bytes) -> None:
        """The server sent an error reply."""
        if self._malformed[txid] > 0:
            self._malformed[txid] -= 1
            self._tally.rejected += 1
        elif txid in self._open:
            message, _ = self._open.pop(txid)
            self._tally.refused += message.settles
        else:
            self._tally.strays += 1

    def close(self) -> list[OutgoingMessage]:
        """The connection has ended. Returns what is open; answers to copies and malformed messages are no longer due."""
        self._tally.malformed -= self._malformed.total()
        left = [message for message, _ in self._open.values()]
        self._open.clear()
        self._copies.clear()
        self._malformed.clear()
        return left
