"""What all vehicles of one run share: the server, how often they send, their wall clock, and the sums of what happened."""

import time
from collections import Counter
from dataclasses import dataclass, field

from .ack_tracker import Tally


@dataclass
class Simulation:
    """`interval_s`: between two looks of a vehicle at its own fields. `failures`: failed connection attempts, by cause."""

    url: str
    interval_s: float
    chaos: frozenset[str] = frozenset()
    seed: int = 1
    tally: Tally = field(default_factory=Tally)
    failures: Counter[str] = field(default_factory=Counter)
    started_s: float = field(default_factory=time.monotonic)
    started_at: float = field(default_factory=time.time)

    def now(self) -> float:
        """Seconds since 1970; they never go back, even if somebody sets the machine's clock."""
        return self.started_at + time.monotonic() - self.started_s
