"""
Counters. Plain integers, because the frame path adds to them; `server/prometheus.py` gives them their names outside.

The values of each label are a small, fixed set: causes and kinds that are named in our code, never text from outside.
"""

from __future__ import annotations

from collections import Counter


class Durations:
    """How often something took how long: bucket k holds what took less than 2^k µs (and not less than half of that)."""

    __slots__ = ("buckets", "sum_s")

    LAST = 24  # and longer: 8.4 s

    def __init__(self) -> None:
        self.buckets = [0] * (self.LAST + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        self.buckets[min(int(seconds * 1e6).bit_length(), self.LAST)] += 1
        self.sum_s += seconds


class Counts:
    """What has happened since the server started."""

    __slots__ = (
        "accept_pauses",
        "anchor_reloads",
        "certificate_reloads",
        "closes",
        "gaps",
        "heavy_messages",
        "ignored_headers",
        "record_bytes",
        "records",
        "refused_connections",
        "refused_messages",
        "refused_requests",
        "round_failures",
        "sent_bytes",
        "signals",
        "syncs",
        "tls_failures",
        "turns",
        "unknown_values",
        "vin_differs",
    )

    def __init__(self) -> None:
        self.records: dict[str, int] = {}  # by kind; no Counters, which take ten times as long to add to
        self.record_bytes: dict[str, int] = {}  # by kind: payload bytes
        self.signals = 0
        self.vin_differs = 0
        self.unknown_values = 0  # kept as they came: their member of `Value` is not in our schema
        self.refused_messages: Counter[str] = Counter()  # by cause: a vehicle's or dashboard's message not accepted
        self.refused_requests: Counter[str] = Counter()  # by cause: answered with an HTTP error
        self.refused_connections: Counter[str] = Counter()  # by cause: ended before a request was read
        self.accept_pauses = 0  # no descriptors left
        self.ignored_headers: Counter[str] = Counter()  # by header: what only a trusted proxy may say, and another said
        self.tls_failures: Counter[str] = Counter()  # by cause
        self.closes: Counter[str] = Counter()  # by cause: how WebSocket connections ended
        self.gaps = 0
        self.heavy_messages = 0  # of vehicles, which were left alone for a while after it
        self.sent_bytes = 0  # to dashboards that have gone
        self.certificate_reloads: Counter[str] = Counter()  # "taken" or "refused"
        self.anchor_reloads: Counter[str] = Counter()  # "taken" or "refused"
        self.round_failures: Counter[str] = Counter()  # by part: connections, checkpoint, certificates, unadmitted
        self.turns = Durations()  # from a turn's first message to its last write
        self.syncs = Durations()  # of the journal to the disk

    def take_record(self, kind: str, signals: int, size: int, vin_differs: bool) -> None:
        """A record of `size` bytes from a vehicle is on its way into the log."""
        self.records[kind] = self.records.get(kind, 0) + 1
        self.record_bytes[kind] = self.record_bytes.get(kind, 0) + size
        self.signals += signals
        self.vin_differs += vin_differs

    def take_unknown_values(self, count: int) -> None:
        """Values of a type that we do not know were kept as they came."""
        self.unknown_values += count

    def take_unknown_topic(self) -> None:
        """A message of a topic that we do not know was acknowledged and left out."""
        self.records["unknown_topic"] = self.records.get("unknown_topic", 0) + 1

    def refuse_message(self, cause: str) -> None:
        self.refused_messages[cause] += 1

    def refuse_request(self, cause: str) -> None:
        self.refused_requests[cause] += 1

    def close(self, cause: str) -> None:
        """A WebSocket connection has ended."""
        self.closes[cause] += 1

    def tell_gap(self) -> None:
        self.gaps += 1

    def add_sent(self, size: int) -> None:
        """A dashboard that has gone had been given so many bytes."""
        self.sent_bytes += size
