"""
What a vehicle sends, and when: only what has changed, each field at most once an interval, one data message per half second.

The first message holds every configured field, as after a new telemetry config. From then on the vehicle looks at a field once in
its interval, and sends it if it differs from what it sent last. So `latest` is exactly what a server knows that missed nothing.
Alerts begin now and then and end again; an `errors` record is rare. Records have the `fleet` shape (docs/protocol.md), which
`_wire.write_record` takes. Pure: seed and time (seconds since 1970) are arguments.
"""

import math
import random
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from ..rfc3339 import rfc3339_ns
from .car import CAR_FIELDS, Car, Moment

DATA_TOPIC, ALERTS_TOPIC, ERRORS_TOPIC = b"V", b"alerts", b"errors"
DATA_INTERVAL_S = 0.5  # real vehicles send no two data messages closer together
_COMFORT_C, _PARKED_RISE_C, _CABIN_S = 21.0, 3.0, 240.0
_ALERTS = (
    ("APP_w222", ("Customer",)),
    ("VCFRONT_a192", ("Customer", "Service")),
    ("UI_a006", ("Customer",)),
    ("DI_a184", ("Service",)),
    ("CP_a066", ("Customer", "ServiceFix")),
)
_SOON = 3  # one car in so many reports an alert in its first minute, for whoever looks: if all did, alerts would mean nothing
_FIRST_ALERT_S, _ALERT_EVERY_S, _ALERT_LASTS_S = (6.0, 40.0), 240.0, (4.0, 60.0)
_ERRORS: tuple[tuple[str, dict[str, str]], ...] = (
    ("unsupported_field", {"field_name": "SunroofInstalled"}),
    ("unsuported_interval", {"authorized": "60000", "field_name": "Odometer", "requested": "10.000000"}),  # so spelt by cars
)
_ERROR_EVERY_S = 1800.0  # rare, as with real vehicles
_BY_INTERVAL = tuple((interval, tuple(fields)) for interval, fields in groupby(CAR_FIELDS, key=lambda field: field.interval_s))

FleetRecord = dict[str, Any]


class Drive:
    """The vehicle `vin`, on the road since `start_s`; `phase` in [0, 1) is how far its day has gone by then."""

    def __init__(self, vin: str, *, seed: int, start_s: float, phase: float = 0.0) -> None:
        self.vin = vin
        self.latest: dict[str, dict[str, object]] = {}
        self._car = Car.from_seed(seed, phase)
        self._rng = random.Random(seed)
        self._start_s = self._now_s = start_s
        self._inside_c = self._car.outside_c + _PARKED_RISE_C
        self._sent_s = -math.inf
        self._due_s = [-math.inf] * len(_BY_INTERVAL)
        self._next_alert_s = start_s + self._rng.uniform(*_FIRST_ALERT_S)
        if seed % _SOON:
            self._next_alert_s += self._rng.expovariate(1 / _ALERT_EVERY_S)
        self._open_alert: FleetRecord | None = None
        self._next_error_s = start_s + self._rng.expovariate(1 / _ERROR_EVERY_S)

    def step(self, now_s: float) -> list[tuple[bytes, FleetRecord]]:
        """What the vehicle sends now, as (topic, record); empty if nothing is new. `now_s` must not go back."""
        messages: list[tuple[bytes, FleetRecord]] = []
        if now_s - self._sent_s >= DATA_INTERVAL_S and (changed := self._changed(now_s)):
            self._sent_s = now_s
            messages.append((DATA_TOPIC, self._data(changed, now_s, is_resend=False)))
        if now_s >= self._next_alert_s:
            messages.append((ALERTS_TOPIC, self._alert(now_s)))
        if now_s >= self._next_error_s:
            self._next_error_s = now_s + self._rng.expovariate(1 / _ERROR_EVERY_S)
            messages.append((ERRORS_TOPIC, self._error(now_s)))
        return messages

    def true_up(self, keys: Iterable[str], now_s: float) -> FleetRecord:
        """A data record with the latest values of these fields once more (`isResend`); unknown fields are left out."""
        return self._data([key for key in dict.fromkeys(keys) if key in self.latest], now_s, is_resend=True)

    def _changed(self, now_s: float) -> list[str]:
        self._settle_cabin(now_s)
        moment = Moment(self._car, now_s - self._start_s, self._inside_c)
        changed = []
        for index, (interval_s, fields) in enumerate(_BY_INTERVAL):
            if now_s < self._due_s[index]:
                continue
            self._due_s[index] = now_s + interval_s
            for field in fields:
                value = field.read(moment)
                sent: dict[str, object] = {"invalid": True} if value is None else {field.alternative: value}
                if self.latest.get(field.key) != sent:
                    self.latest[field.key] = sent
                    changed.append(field.key)
        return changed

    def _settle_cabin(self, now_s: float) -> None:
        aboard = bool(self.latest) and self.latest["DriverSeatOccupied"] == {"booleanValue": True}
        target = _COMFORT_C if aboard else self._car.outside_c + _PARKED_RISE_C
        self._inside_c += (target - self._inside_c) * -math.expm1((self._now_s - now_s) / _CABIN_S)
        self._now_s = now_s

    def _data(self, keys: Iterable[str], now_s: float, *, is_resend: bool) -> FleetRecord:
        datums = [{"key": key, "value": self.latest[key]} for key in keys]
        return {"data": datums, "createdAt": rfc3339_ns(now_s), "vin": self.vin, "isResend": is_resend}

    def _alert(self, now_s: float) -> FleetRecord:
        """Ends the open alert, or begins one."""
        if self._open_alert is not None:
            alert, self._open_alert = {**self._open_alert, "endedAt": rfc3339_ns(now_s)}, None
            self._next_alert_s = now_s + self._rng.expovariate(1 / _ALERT_EVERY_S)
        else:
            name, audiences = self._rng.choice(_ALERTS)
            alert = self._open_alert = {
                "name": name,
                "audiences": list(audiences),
                "startedAt": rfc3339_ns(now_s),
                "endedAt": None,
            }
            self._next_alert_s = now_s + self._rng.uniform(*_ALERT_LASTS_S)
        return {"alerts": [alert], "createdAt": rfc3339_ns(now_s), "vin": self.vin}

    def _error(self, now_s: float) -> FleetRecord:
        name, tags = self._rng.choice(_ERRORS)
        error = {"createdAt": rfc3339_ns(now_s), "name": name, "tags": dict(tags), "body": ""}
        return {"errors": [error], "createdAt": rfc3339_ns(now_s), "vin": self.vin}
