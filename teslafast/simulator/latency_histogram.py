"""
A histogram of latencies with buckets of equal ratio.

Quantiles are within 4 % of the exact ones and the maximum is exact, whatever the number of samples; the memory is that of one
counter a bucket. Pure.
"""

import math
from collections import Counter

_BUCKETS_PER_DECADE = 60  # 10 ** (1 / 60): each is 4 % wide
_SHORTEST_S = 1e-7  # what is shorter counts as this long: zero has no logarithm


class LatencyHistogram:
    def __init__(self) -> None:
        self.max_s = 0.0
        self._counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self.max_s = max(self.max_s, seconds)
        self._counts[math.ceil(_BUCKETS_PER_DECADE * math.log10(max(seconds, _SHORTEST_S)))] += 1

    def quantile_s(self, share: float) -> float:
        """The latency that `share` of the samples do not exceed; 0 without samples."""
        left = math.ceil(share * self._counts.total())
        for bucket in sorted(self._counts):
            left -= self._counts[bucket]
            if left <= 0:
                return min(10 ** (bucket / _BUCKETS_PER_DECADE), self.max_s)
        return 0.0
