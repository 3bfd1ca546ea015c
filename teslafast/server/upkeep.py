"""
What keeps a set-up alive (TESLAFAST_STATE), as the server knows it: something that runs beside it, and tells how it stands.

The server only begins and ends it, and shows what it says; what it does, and in which thread, is its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..setup_checks import SetupCheck


@dataclass(frozen=True, slots=True)
class UpkeepGauges:
    """
    config_days   until the first of all vehicles' configs ends; None if none is known
    login_days    until the login at Tesla ends unless it is refreshed; None if there is none
    renewals      by outcome
    tesla_errors  what Tesla's servers reported of our vehicles, by cause
    """

    config_days: float | None = None
    login_days: float | None = None
    renewals: dict[str, int] = field(default_factory=dict)
    tesla_errors: dict[str, int] = field(default_factory=dict)


class Upkeep(Protocol):
    def start(self) -> None:
        """Begins, and returns at once."""

    def stop(self) -> None:
        """Ends, and does not wait for a request that is under way."""

    def checks(self) -> Sequence[SetupCheck]:
        """How the set-up stands at Tesla, as it was last seen. Does no I/O."""

    def gauges(self) -> UpkeepGauges:
        """Does no I/O."""
