"""
What a vehicle has sent and what was said to it: every message is confirmed once, refused once, or still open.

    sent == acked + refused + unacknowledged        at every moment, whatever the road does to the connection

A message may be on the wire several times (copies): each copy is answered, the first answer counts. What a connection took with
it when it ended is confirmed later by a true-up that tells the same fields again, so an ack settles as many messages as its
message stands for. Malformed messages are counted apart: their right answer is the error reply. An answer to nothing is a
stray. Pure: monotonic time is an argument. Memory is bounded: what is open by `LIMIT` a connection, latencies by their
histogram.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

LIMIT = 1000  # a vehicle whose server does not answer says nothing more until it does
_PER_DECADE = 60  # buckets of the histogram: each is 4 % wide


@dataclass(frozen=True, slots=True)
class Message:
    """One envelope. `keys`: the fields in it (data); `settles`: how many messages are confirmed with it, itself included."""

    txid: bytes
    topic: bytes
    frame: bytes
    keys: tuple[str, ...] = ()
    settles: int = 1


class Latencies:
    """A histogram with buckets of equal ratio: quantiles within 4 %, the maximum exact, whatever the number of samples."""

    def __init__(self) -> None:
        self.max_s = 0.0
        self._counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self.max_s = max(self.max_s, seconds)
        self._counts[math.ceil(_PER_DECADE * math.log10(max(seconds, 1e-7)))] += 1

    def quantile_s(self, share: float) -> float:
        """The value that `share` of the samples do not exceed; 0 without samples."""
        left = math.ceil(share * self._counts.total())
        for bucket in sorted(self._counts):
            left -= self._counts[bucket]
            if left <= 0:
                return min(10 ** (bucket / _PER_DECADE), self.max_s)
        return 0.0


@dataclass
class Tally:
    """Sums over a fleet; the module says what they mean. `copies` and `resent` tell how often bytes went out again."""

    sent: int = 0
    acked: int = 0
    refused: int = 0
    malformed: int = 0
    rejected: int = 0
    strays: int = 0
    copies: int = 0
    resent: int = 0
    connections: int = 0
    latencies: Latencies = field(default_factory=Latencies)

    @property
    def unacknowledged(self) -> int:
        return self.sent - self.acked - self.refused


class Ledger:
    """What is open on one connection."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._open: dict[bytes, tuple[Message, float]] = {}
        self._echoes: Counter[tuple[bytes, bytes]] = Counter()  # answers still to come to what is confirmed already
        self._malformed: Counter[bytes] = Counter()

    def __len__(self) -> int:
        """How many answers are awaited."""
        return len(self._open) + self._echoes.total() + self._malformed.total()

    @property
    def full(self) -> bool:
        return len(self._open) >= LIMIT

    @property
    def keys(self) -> tuple[str, ...]:
        """The fields of all data messages that are not confirmed."""
        return tuple(key for message, _ in self._open.values() for key in message.keys)

    def send(self, message: Message, now_s: float, *, again: bool = False) -> None:
        """Enters a message that goes onto the wire now; `again`: it was counted as sent before, on another connection."""
        self._tally.sent += not again
        self._open[message.txid] = message, now_s

    def copy(self, message: Message) -> None:
        """Enters one more copy of a message that was just sent."""
        self._tally.copies += 1
        self._echoes[message.txid, message.topic] += 1

    def send_malformed(self, txid: bytes) -> None:
        """Enters a message that ought to be rejected; `txid` is empty where nobody could read it."""
        self._tally.malformed += 1
        self._malformed[txid] += 1

    def acked(self, txid: bytes, topic: bytes, now_s: float) -> None:
        message, sent_s = self._open.get(txid, (None, 0.0))
        if message is not None and message.topic == topic:
            del self._open[txid]
            self._tally.acked += message.settles
            self._tally.latencies.add(now_s - sent_s)
        elif self._echoes[txid, topic] > 0:
            self._echoes[txid, topic] -= 1
        else:
            self._tally.strays += 1

    def rejected(self, txid: bytes) -> None:
        """Enters an error reply."""
        if self._malformed[txid] > 0:
            self._malformed[txid] -= 1
            self._tally.rejected += 1
        elif txid in self._open:
            message, _ = self._open.pop(txid)
            self._tally.refused += message.settles
        else:
            self._tally.strays += 1

    def close(self) -> list[Message]:
        """The connection is gone: what nobody confirmed. Lost answers to copies and to malformed messages are owed no more."""
        self._tally.malformed -= self._malformed.total()
        left = [message for message, _ in self._open.values()]
        self._open.clear()
        self._echoes.clear()
        self._malformed.clear()
        return left
