"""
What keeps a set-up alive (TESLAFAST_STATE), as the server knows it: something that runs beside it, and tells how it stands.

The server only begins and ends it, and shows what it says; what it does, and in which thread, is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..setup_checks import SetupCheck, UpkeepGauges


class Upkeep(Protocol):
    def start(self, heard: Callable[[str], float | None]) -> None:
        """Begins, and returns at once. `heard(vin)`: when a vehicle was last heard (s since 1970), from any thread."""

    def stop(self) -> None:
        """Ends, and does not wait for a request that is under way."""

    def checks(self) -> Sequence[SetupCheck]:
        """How the set-up stands at Tesla, as it was last seen. Does no I/O."""

    def gauges(self) -> UpkeepGauges:
        """Does no I/O."""
