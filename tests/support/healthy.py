"""Those who must notice nothing: a vehicle and a dashboard beside whatever goes wrong."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from tests.support.faults import Load
from tests.support.peers import PATIENCE_S, Place
from tests.support.vins import vin_of


class Healthy:
    """
    A vehicle at an even pace and a dashboard that reads, while something goes wrong; in the end neither has missed a thing.

    long    what goes wrong takes until ENOUGH messages have been sent meanwhile. As many are sent before, when nothing is wrong:
            99 in 100 are acknowledged, and seen, within TIMES as long as then. That is said of no quicker a time than FLOOR_S: by
            so much the tests' own threads wait for each other.
    """

    VIN = vin_of("healthy")
    ENOUGH = 400
    TIMES = 10
    FLOOR_S = 0.05

    def __init__(self, place: Place, long: bool = False) -> None:
        self._place = place
        self._long = long
        self.load = Load(place, [self.VIN], 1, pause_s=0.005)
        self._seen: list[int] = []
        self._seen_after_s: list[float] = []
        self._before = 0  # so many messages were acknowledged, and seen at the least, before anything was wrong
        self._gaps: list[dict[str, Any]] = []
        self._last = math.inf
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        while not self._seen or self._seen[-1] < self._last:
            message = self._dashboard.next()
            if message["type"] == "gap":
                self._gaps.append(message)
            elif message["type"] == "data":
                number = int(message["data"]["Odometer"])
                self._seen.append(number)
                if number < self._last:
                    self._seen_after_s.append(time.monotonic() - self.load.sent_at[self.VIN, number])

    def __enter__(self) -> Self:
        self._dashboard = self._place.dashboard(f"?vin={self.VIN}&snapshot=0&type=data")
        self._thread.start()
        self.load.__enter__()
        self.load.wait_for(self.ENOUGH if self._long else 1)
        self._before = min(len(self.load.latencies_s), len(self._seen_after_s))
        return self

    def rounds(self) -> Iterator[int]:
        """For what goes wrong again and again: once, or until it was often enough to say what latencies are meanwhile."""
        number, until = 1, self.load.total + self.ENOUGH
        yield number
        while self._long and self.load.total < until:
            number += 1
            yield number

    def endure(self) -> None:
        """For what is wrong and stays so: returns when that was long enough."""
        if self._long:
            self.load.wait_for(self.load.total + self.ENOUGH)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.load.stop()
        acked = self.load.acked[self.VIN]
        self._last = acked[-1] + 1
        with self._place.vehicle(self.VIN) as vehicle:  # one more, so that the reader wakes and sees that it is over
            vehicle.tell({"Odometer": {"doubleValue": float(self._last)}})
        self._thread.join(PATIENCE_S)
        self._dashboard.__exit__(None, None, None)
        assert not self._thread.is_alive()
        assert self.load.faults == []
        assert self.load.close_codes == {}
        assert self._gaps == []
        assert self._seen == [*acked, self._last]
        if self._long and kind is None:
            self._check_latencies()

    def _check_latencies(self) -> None:
        assert len(self._seen_after_s) >= self._before + self.ENOUGH
        for what, all_s in (("acknowledged", self.load.latencies_s), ("seen", self._seen_after_s)):
            before_s, meanwhile_s = p99(all_s[: self._before]), p99(all_s[self._before :])
            print(f"p99 {what}: {1000 * before_s:.1f} ms before, {1000 * meanwhile_s:.1f} ms meanwhile")
            assert meanwhile_s < self.TIMES * max(before_s, self.FLOOR_S)


def p99(samples: list[float]) -> float:
    return sorted(samples)[int(len(samples) * 0.99)]
