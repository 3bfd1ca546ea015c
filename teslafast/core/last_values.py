"""
The last known value of every field of every vehicle: what a dashboard gets when it comes.

Order is the order of receipt, or a time bounded by it. A vehicle's own time orders its messages, so that a late or re-sent one
never steps back; but a time ahead of the moment of receipt is no time (many vehicles wake with a wrong clock): it counts as that
moment, and whatever arrives later and is not a re-send wins over it. Our own clock may have been ahead, too, and set right since
then (a machine without a clock of its own): what is known for a moment that has not come yet counts as of now, by the same rule.

    Bounds of one vehicle: FIELDS_AT_MOST fields, VALUE_BYTES_AT_MOST bytes of names and values. What does not fit is not kept
    here, and counted; it is in the log all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import orjson

from ..rfc3339 import rfc3339
from ._overlay import overlay

FIELDS_AT_MOST = 1024  # nearly four times as many as the schema has; cars may know newer ones
# Fields of one message, besides those that are known already; beyond them a field that is not kept costs next to nothing.
CONSIDERED_AT_MOST = 2 * FIELDS_AT_MOST
VALUE_BYTES_AT_MOST = 64 * 1024  # ten times what all fields of the schema take
NUMBER_BYTES = 8  # what a number counts for: a double
_MS = 1_000_000
FARTHEST_NS = 1 << 63  # 292 years: where 64-bit times end, either way


def cost(name: str, value: object) -> int:
    """Bytes that a field counts for."""
    if isinstance(value, str):
        return len(name) + len(value)
    if isinstance(value, dict | list):
        return len(name) + len(orjson.dumps(value))
    return len(name) + NUMBER_BYTES


class VehicleValues:
    """
    `values` and `times` (ns since 1970, bounded by receipt) have the same keys.

    newest_ns    the latest of `times`
    ahead        the fields whose time was ahead: of its receipt, or of the moment at which a later message came
    not_kept     values that did not fit
    """

    __slots__ = ("_exact", "_room", "ahead", "newest_ns", "not_kept", "times", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.times: dict[str, int] = {}
        self.ahead: set[str] = set()
        self.newest_ns = -FARTHEST_NS
        self.not_kept = 0
        # A lower bound of the bytes that are free: each message takes all its bytes from it, and only when it is used up the
        # fields are counted again. So a message costs one subtraction, and the exact count comes once in hundreds of messages.
        self._room = VALUE_BYTES_AT_MOST
        self._exact = True  # whether `_room` is not only a lower bound

    @classmethod
    def restored(cls, values: dict[str, Any], times: dict[str, int], newest_ns: int, ahead: set[str]) -> VehicleValues:
        """As a checkpoint has kept them."""
        vehicle = cls()
        vehicle.values, vehicle.times, vehicle.newest_ns, vehicle.ahead = values, times, newest_ns, ahead
        vehicle._room, vehicle._exact = 0, False
        return vehicle

    def merge(self, data: dict[str, Any], created_ns: int | None, now_ns: int, is_resend: bool, size: int) -> None:
        """
        Takes a data message in; `data`: one field at least.

        created_ns   the vehicle's time, None if it gave none; `now_ns`: when it came in
        size         bytes of the message, not less than those of its values
        """
        ahead = created_ns is not None and created_ns > now_ns
        time_ns = now_ns if created_ns is None or ahead else max(created_ns, -FARTHEST_NS)
        time_ns -= time_ns % _MS  # as precise as the events are, so that the last values are what the log says
        if self.newest_ns > now_ns:
            self._bound(now_ns)
        if self._room < size and not self._exact:
            self._room = VALUE_BYTES_AT_MOST - sum(cost(name, value) for name, value in self.values.items())
            self._exact = True
        if self._room < size or len(self.values) + len(data) > FIELDS_AT_MOST:
            self._merge_what_fits(data, time_ns, ahead, is_resend)
            return
        self._room -= size
        self._exact = False
        if time_ns >= self.newest_ns:
            overlay(self.values, self.times, data, time_ns)
            self.newest_ns = time_ns
            if ahead:
                self.ahead.update(data)
            elif self.ahead:
                self.ahead.difference_update(data)
            return
        for name, value in data.items():
            if self._outranks(name, time_ns, is_resend):
                self._set(name, value, time_ns, ahead)
        self.newest_ns = max(self.times.values(), default=self.newest_ns)

    def _bound(self, now_ns: int) -> None:
        """What is known for a later moment was told when our clock was ahead: it counts as of now, and as ahead."""
        time_ns = now_ns - now_ns % _MS
        for name, known_ns in self.times.items():
            if known_ns > time_ns:
                self.times[name] = time_ns
                self.ahead.add(name)
        self.newest_ns = max(self.times.values(), default=time_ns)

    def _merge_what_fits(self, data: Mapping[str, Any], time_ns: int, ahead: bool, is_resend: bool) -> None:
        """Field by field, with the bytes counted exactly: the work grows with the message, not with what is known."""
        if not self._exact:  # there are bytes enough, but perhaps too many fields
            self._room = VALUE_BYTES_AT_MOST - sum(cost(name, value) for name, value in self.values.items())
            self._exact = True
        for name, value in self._considered(data).items():
            if not self._outranks(name, time_ns, is_resend):
                continue
            known = name in self.values
            if not known and len(self.values) >= FIELDS_AT_MOST:
                self.not_kept += 1
                continue
            more = cost(name, value) - (cost(name, self.values[name]) if known else 0)
            if more > self._room:
                self.not_kept += 1
                continue
            self._room -= more
            self._set(name, value, time_ns, ahead)
            self.newest_ns = max(self.newest_ns, time_ns)

    def _considered(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """What of a message may find a place. The rest, perhaps tens of thousands of fields, costs no look at each."""
        if len(data) <= CONSIDERED_AT_MOST:
            return data
        considered = dict(islice(data.items(), CONSIDERED_AT_MOST))
        considered.update((name, data[name]) for name in self.values if name in data)
        self.not_kept += len(data) - len(considered)
        return considered

    def _outranks(self, name: str, time_ns: int, is_resend: bool) -> bool:
        known_ns = self.times.get(name)
        return known_ns is None or time_ns >= known_ns or (name in self.ahead and not is_resend)

    def _set(self, name: str, value: object, time_ns: int, ahead: bool) -> None:
        self.values[name] = value
        self.times[name] = time_ns
        if ahead:
            self.ahead.add(name)
        else:
            self.ahead.discard(name)

    def newest_at(self, now_ns: int) -> int:
        """The latest of `times` as it counts now, in whole milliseconds."""
        return min(self.newest_ns, now_ns - now_ns % _MS)

    def times_at(self, now_ns: int) -> Mapping[str, int]:
        """`times` as they count now."""
        if self.newest_ns <= now_ns:
            return self.times
        time_ns = now_ns - now_ns % _MS
        return {name: min(known_ns, time_ns) for name, known_ns in self.times.items()}

    def report(self, now_ns: int) -> dict[str, Any]:
        """As `/vehicles/VIN` shows them: each field's value and time in ns since 1970, and its time again as RFC 3339."""
        times = self.times_at(now_ns)
        return {
            "data": {name: {"value": value, "time_ns": times[name]} for name, value in self.values.items()},
            "times": {name: rfc3339(time_ns) for name, time_ns in times.items()},
        }


class LastValues:
    """VIN → VehicleValues, for every vehicle of which a value is known."""

    def __init__(self) -> None:
        self._vehicles: dict[str, VehicleValues] = {}

    def merge(
        self, vin: str, data: dict[str, Any], created_ns: int | None, now_ns: int, is_resend: bool = False, size: int = 0
    ) -> None:
        """Takes a data event in. See VehicleValues.merge."""
        if data:  # else it says nothing of any value, so nothing of how old those are
            vehicle = self._vehicles.get(vin)
            if vehicle is None:
                vehicle = self._vehicles[vin] = VehicleValues()
            vehicle.merge(data, created_ns, now_ns, is_resend, size)

    def get(self, vin: str) -> VehicleValues | None:
        return self._vehicles.get(vin)

    def put(self, vin: str, vehicle: VehicleValues) -> None:
        self._vehicles[vin] = vehicle

    def clear(self) -> None:
        self._vehicles.clear()

    def after(self, count: int) -> Iterator[tuple[str, VehicleValues]]:
        """Without the first `count` vehicles; to be read before anything changes. Who came once keeps its place."""
        return islice(self._vehicles.items(), count, None)

    @property
    def not_kept(self) -> int:
        """Values that did not fit, of all vehicles."""
        return sum(vehicle.not_kept for vehicle in self._vehicles.values())

    def __len__(self) -> int:
        return len(self._vehicles)

    def vins(self) -> Iterator[str]:
        return iter(list(self._vehicles))

    def each(self) -> Iterator[tuple[str, VehicleValues]]:
        """The vehicles that are known now, each as it is when it is read: anything may change in between."""
        for vin in self.vins():
            vehicle = self._vehicles.get(vin)
            if vehicle is not None:
                yield vin, vehicle
