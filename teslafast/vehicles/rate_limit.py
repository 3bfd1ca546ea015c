"""VEHICLE_RATE_LIMIT: how many messages a vehicle may send, whatever number of connections it has."""

from __future__ import annotations

BURST_S = 2.0  # a vehicle may send so many seconds' worth of its limit at once: it keeps that many for when it is back online


class RateLimits:
    """A bucket of tokens a VIN; `rate`: messages a second, 0 = no limit. Time is an argument (monotonic seconds)."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._burst = max(1.0, rate * BURST_S)
        self._buckets: dict[str, tuple[float, float]] = {}  # VIN → tokens, and when there were so many

    def allowed(self, vin: str, now_s: float) -> bool:
        """Whether one more message of this vehicle is within the limit; takes a token if so."""
        if not self.rate:
            return True
        tokens, at_s = self._buckets.get(vin, (self._burst, now_s))
        tokens = min(self._burst, tokens + (now_s - at_s) * self.rate)
        allowed = tokens >= 1.0
        self._buckets[vin] = (tokens - 1.0 if allowed else tokens, now_s)
        return allowed
