"""
Counters. Plain integers, because the frame path adds to them; their names outside are those of the reference server where they
mean the same. Every label's values are a fixed, small set: causes and kinds that stand in our code, never text from outside.
"""

from __future__ import annotations

from collections import Counter


class Counts:
    """What has happened since the server started."""

    __slots__ = (
        "closes",
        "gaps",
        "record_bytes",
        "records",
        "refused_messages",
        "refused_requests",
        "signals",
        "tls_failures",
        "vin_differs",
    )

    def __init__(self) -> None:
        self.records: Counter[str] = Counter()  # by kind
        self.record_bytes: Counter[str] = Counter()  # by kind: payload bytes
        self.signals = 0
        self.vin_differs = 0
        self.refused_messages: Counter[str] = Counter()  # by cause: a vehicle's or dashboard's message not accepted
        self.refused_requests: Counter[str] = Counter()  # by cause: answered with an HTTP error
        self.tls_failures: Counter[str] = Counter()  # by cause
        self.closes: Counter[str] = Counter()  # by cause: how WebSocket connections ended
        self.gaps = 0
