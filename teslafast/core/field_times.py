"""
When each field of each vehicle was last heard, by the server's clock: what tells a value that lives from one that froze.

The last values keep the vehicle's own times, which a wrong clock or a late message makes useless for that. Only fields that
somebody asks about are kept, so that a vehicle's made-up names take no room. Pure: times are arguments.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

NEVER: Mapping[str, int] = {}


class FieldTimes:
    """`fields`: those that are kept."""

    def __init__(self, fields: Collection[str]) -> None:
        self._fields = frozenset(fields)
        self._vehicles: dict[str, dict[str, int]] = {}

    def heard(self, vin: str, data: Collection[str], now_ns: int) -> None:
        """A data event with these fields has come in."""
        times = self._vehicles.get(vin)
        if times is None:
            times = self._vehicles[vin] = {}
        for field in data:
            if field in self._fields:
                times[field] = now_ns

    def of(self, vin: str, now_ns: int) -> Mapping[str, int]:
        """
        Field → when it was heard (ns since 1970).

        A later moment than now shows that our clock was ahead: it becomes now, so that the field grows old from here on.
        """
        times = self._vehicles.get(vin)
        if times is None:
            return NEVER
        for field, heard_ns in times.items():
            if heard_ns > now_ns:
                times[field] = now_ns
        return times
