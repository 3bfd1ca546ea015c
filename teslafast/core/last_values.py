"""
The last known value of every field of every vehicle: what a dashboard gets when it comes.

Values are merged field by field, by the vehicle's own time: a late or re-sent message never steps back. A time far in the future
(some vehicles wake with a wrong clock) holds only until a message with a sane one comes. Bounded: a vehicle keeps FIELDS_AT_MOST
fields; unknown ones beyond that are not kept (they are in the log all the same).
"""

from collections.abc import Iterator, Mapping
from typing import Any

FIELDS_AT_MOST = 1024
AHEAD_AT_MOST_NS = 300 * 1_000_000_000
FARTHEST_NS = 1 << 63


def whole_ms(time_ns: int | None) -> int | None:
    """As precise as the events are, so that the last values are what the log says; None for what no int64 holds."""
    return None if time_ns is None or not -FARTHEST_NS <= time_ns < FARTHEST_NS else time_ns // 1_000_000 * 1_000_000


class VehicleValues:
    """`values` and `times` (ns since 1970, the vehicle's clock) have the same keys; `newest_ns` is the latest."""

    __slots__ = ("newest_ns", "times", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.times: dict[str, int] = {}
        self.newest_ns = -(1 << 63)

    def merge(self, data: Mapping[str, Any], created_ns: int, now_ns: int) -> None:
        """`data`: one field at least."""
        if created_ns >= self.newest_ns and len(self.values) + len(data) <= FIELDS_AT_MOST:
            self.values.update(data)
            self.times.update(dict.fromkeys(data, created_ns))
            self.newest_ns = created_ns
            return
        sane_ns = now_ns + AHEAD_AT_MOST_NS
        for name, value in data.items():
            known_ns = self.times.get(name)
            if known_ns is None and len(self.values) >= FIELDS_AT_MOST:
                continue
            if known_ns is None or created_ns >= known_ns or created_ns <= sane_ns < known_ns:
                self.values[name] = value
                self.times[name] = created_ns
        self.newest_ns = max(self.times.values())

    def report(self) -> dict[str, Any]:
        """Field → its value and time (ns since 1970)."""
        return {name: {"value": value, "time_ns": self.times[name]} for name, value in self.values.items()}


class LastValues:
    """VIN → VehicleValues, for every vehicle of which a value is known."""

    def __init__(self) -> None:
        self._vehicles: dict[str, VehicleValues] = {}

    def merge(self, vin: str, data: Mapping[str, Any], created_ns: int | None, now_ns: int) -> None:
        """Takes a data event in; `created_ns`: the vehicle's time, None if it gave none: then ours counts."""
        if not data:  # says nothing of any value, so nothing of how old those are
            return
        vehicle = self._vehicles.get(vin)
        if vehicle is None:
            vehicle = self._vehicles[vin] = VehicleValues()
        vehicle.merge(data, now_ns if created_ns is None else created_ns, now_ns)

    def get(self, vin: str) -> VehicleValues | None:
        return self._vehicles.get(vin)

    def put(self, vin: str, vehicle: VehicleValues) -> None:
        self._vehicles[vin] = vehicle

    def __len__(self) -> int:
        return len(self._vehicles)

    def vins(self) -> Iterator[str]:
        return iter(list(self._vehicles))
