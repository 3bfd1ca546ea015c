"""
Which vehicles are connected, and what each has sent: what `/vehicles` shows.

One entry a VIN for as long as the server lives, whatever connections come and go. A vehicle often opens a new connection before
its old one is gone: it is CONNECTED from the first of them to the last, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from ..rfc3339 import rfc3339
from .records import Record

TXIDS_KEPT = 64  # per vehicle, to recognize a message that comes again


class VehicleEntry:
    """What is known of one vehicle. Times: ns since 1970; counts: since the server started."""

    __slots__ = (
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
        self._txids: dict[int, None] = {}  # hashes, oldest first
        self._newest_ns = 0

    def join(self, network_interface: str, client_version: str) -> bool:
        """One connection more; whether it is the only one."""
        self.connections += 1
        self.network_interface = network_interface
        self.client_version = client_version
        return self.connections == 1

    def leave(self) -> bool:
        """One connection less; whether it was the last."""
        self.connections -= 1
        return self.connections == 0

    def heard(self, record: Record, txid: bytes, now_ns: int) -> None:
        """
        One of its records is in the log, since `now_ns`.

        A message is a duplicate if one of the last TXIDS_KEPT had its txid. A data message is out of order if it was made before
        one that came earlier; a re-sent one may well have been, and a time that is ahead says nothing of it (core/last_values).
        """
        kind = record.kind
        self.heard_ns = now_ns
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.signals += record.signals
        if record.vin_differs:
            self.vin_differs += 1
        if txid:
            self._note_txid(hash(txid))
        if kind == "data":
            created_ns, is_resend = record.created_ns, record.is_resend
            if is_resend:
                self.resends += 1
            if created_ns is not None and created_ns <= now_ns:
                if created_ns >= self._newest_ns or self._newest_ns > now_ns:
                    self._newest_ns = created_ns
                elif not is_resend:
                    self.reorders += 1

    def _note_txid(self, name: int) -> None:
        """`name`: the txid's hash, because a txid may be as long as a message: 64 of them would be megabytes."""
        txids = self._txids
        if name in txids:
            self.duplicates += 1
            return
        if len(txids) >= TXIDS_KEPT:
            del txids[next(iter(txids))]
        txids[name] = None

    def refuse(self) -> None:
        """One of its messages was refused."""
        self.refused += 1

    def heard_at(self, now_ns: int) -> int:
        """When it was last heard, 0 for never; our clock may have been ahead then."""
        return min(self.heard_ns, now_ns)

    def report(self, now_ns: int) -> dict[str, Any]:
        """The vehicle as `/vehicles` shows it. One dollar buys 150,000 signals."""
        heard_ns = self.heard_at(now_ns)
        return {
            "vin": self.vin,
            "connected": self.connections > 0,
            "connections": self.connections,
            "lastHeard": rfc3339(heard_ns) if heard_ns else None,
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


class OtherNodes(Protocol):
    """Who is connected to another node than this one."""

    def holds(self, vin: str) -> bool: ...
    def network_interface(self, vin: str) -> str:
        """By which it is connected there; "" if that is not known."""

    def vins(self) -> Iterable[str]: ...


class Registry:
    """
    VIN → VehicleEntry; `connected` counts vehicles, not connections.

    others    with several nodes: whoever is connected there is connected, and known
    """

    def __init__(self) -> None:
        self._entries: dict[str, VehicleEntry] = {}
        self.connected = 0
        self.others: OtherNodes | None = None

    def join(self, vin: str, network_interface: str = "", client_version: str = "") -> tuple[VehicleEntry, bool]:
        """The vehicle's entry with one connection more, and whether that is its first (it was not connected before)."""
        entry = self._entry(vin)
        first = entry.join(network_interface, client_version)
        self.connected += first
        return entry, first

    def leave(self, entry: VehicleEntry) -> bool:
        """One connection less; whether it was the last (the vehicle is not connected any more)."""
        last = entry.leave()
        self.connected -= last
        return last

    def heard(self, vin: str, record: Record, txid: bytes, now_ns: int) -> None:
        """A record of this vehicle is in the log."""
        entry = self._entries.get(vin) or self._entry(vin)
        entry.heard(record, txid, now_ns)

    def _entry(self, vin: str) -> VehicleEntry:
        entry = self._entries.get(vin)
        if entry is None:
            entry = self._entries[vin] = VehicleEntry(vin)
        return entry

    def is_connected(self, vin: str) -> bool:
        entry = self._entries.get(vin)
        if entry is not None and entry.connections > 0:
            return True
        return self.others is not None and self.others.holds(vin)

    def report(self, entry: VehicleEntry, now_ns: int) -> dict[str, Any]:
        """The vehicle as `/vehicles` shows it: `connections` are those to this node."""
        report = entry.report(now_ns) | {"connected": self.is_connected(entry.vin)}
        if self.others is not None and not entry.connections and report["connected"]:
            report["networkInterface"] = self.others.network_interface(entry.vin)
        return report

    def get(self, vin: str) -> VehicleEntry | None:
        entry = self._entries.get(vin)
        if entry is None and self.others is not None and self.others.holds(vin):
            return self._entry(vin)
        return entry

    def __iter__(self) -> Iterator[VehicleEntry]:
        if self.others is not None:
            for vin in self.others.vins():
                self._entry(vin)
        return iter(list(self._entries.values()))
