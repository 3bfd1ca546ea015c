"""
Who is connected, and what each vehicle has sent: the story that `/vehicles` tells and that rate limits are kept by.

One entry a VIN for as long as the server lives, whatever connections come and go. A vehicle often opens a new connection before
its old one is gone: it is CONNECTED from the first of them to the last, once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..rfc3339 import rfc3339

TXIDS_KEPT = 64  # per vehicle, to know a message that comes again
BURST_S = 2.0  # a vehicle may send so many seconds' worth of its limit at once


class VehicleEntry:
    """What is known of one vehicle. Times: ns since 1970; counts: since the server started."""

    __slots__ = (
        "_allowance",
        "_allowance_at",
        "_newest_ns",
        "_txids",
        "client_version",
        "connections",
        "counts",
        "duplicates",
        "heard_ns",
        "network_interface",
        "refused",
        "reorders",
        "resends",
        "signals",
        "vin",
        "vin_differs",
    )

    def __init__(self, vin: str) -> None:
        self.vin = vin
        self.connections = 0
        self.network_interface = ""
        self.client_version = ""
        self.heard_ns = 0
        self.counts: dict[str, int] = {}
        self.signals = 0
        self.refused = 0
        self.duplicates = 0
        self.reorders = 0
        self.resends = 0
        self.vin_differs = 0
        self._txids: dict[bytes, None] = {}
        self._newest_ns = 0
        self._allowance = 0.0
        self._allowance_at = 0.0

    def heard(self, kind: str, signals: int, now_ns: int) -> None:
        self.heard_ns = now_ns
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.signals += signals

    def seen_before(self, txid: bytes) -> bool:
        """Whether one of the last TXIDS_KEPT messages had this txid; remembers it. Messages without one are all new."""
        if not txid:
            return False
        if txid in self._txids:
            self.duplicates += 1
            return True
        if len(self._txids) >= TXIDS_KEPT:
            del self._txids[next(iter(self._txids))]
        self._txids[txid] = None
        return False

    def note_order(self, created_ns: int | None, is_resend: bool) -> None:
        """Counts a data message that was made before one that came earlier; a re-sent one may well have been."""
        if is_resend:
            self.resends += 1
        if created_ns is None:
            return
        if created_ns < self._newest_ns:
            self.reorders += not is_resend
        else:
            self._newest_ns = created_ns

    def allowed(self, rate: float, now_s: float) -> bool:
        """Whether one more message is within `rate` a second, with a burst of BURST_S worth; `now_s`: monotonic."""
        burst = max(1.0, rate * BURST_S)
        earned = (now_s - self._allowance_at) * rate
        self._allowance = burst if not self._allowance_at else min(burst, self._allowance + earned)
        self._allowance_at = now_s
        if self._allowance < 1.0:
            return False
        self._allowance -= 1.0
        return True

    def report(self) -> dict[str, Any]:
        """The vehicle as `/vehicles` shows it. One dollar buys 150,000 signals."""
        return {
            "vin": self.vin,
            "connected": self.connections > 0,
            "connections": self.connections,
            "lastHeard": rfc3339(self.heard_ns) if self.heard_ns else None,
            "networkInterface": self.network_interface,
            "clientVersion": self.client_version,
            "messages": sum(self.counts.values()),
            "counts": dict(self.counts),
            "signals": self.signals,
            "refused": self.refused,
            "duplicates": self.duplicates,
            "reorders": self.reorders,
            "resends": self.resends,
            "vinMismatches": self.vin_differs,
        }


class Registry:
    """VIN → VehicleEntry; `connected` counts vehicles, not connections."""

    def __init__(self) -> None:
        self._entries: dict[str, VehicleEntry] = {}
        self.connected = 0

    def join(self, vin: str) -> tuple[VehicleEntry, bool]:
        """The vehicle's entry with one connection more, and whether that is its first (it was not connected before)."""
        entry = self._entries.get(vin)
        if entry is None:
            entry = self._entries[vin] = VehicleEntry(vin)
        entry.connections += 1
        first = entry.connections == 1
        self.connected += first
        return entry, first

    def leave(self, entry: VehicleEntry) -> bool:
        """One connection less; whether it was the last (the vehicle is not connected any more)."""
        entry.connections -= 1
        last = entry.connections == 0
        self.connected -= last
        return last

    def is_connected(self, vin: str) -> bool:
        entry = self._entries.get(vin)
        return entry is not None and entry.connections > 0

    def get(self, vin: str) -> VehicleEntry | None:
        return self._entries.get(vin)

    def __iter__(self) -> Iterator[VehicleEntry]:
        return iter(list(self._entries.values()))
