"""How full the server is at this moment, and whether there is room for one more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import Refused
from ..refusals import DRAINING, TOO_MANY_DASHBOARDS, TOO_MANY_VEHICLES


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """What an admission depends on besides the request. `time`: seconds since 1970; the numbers count who is connected."""

    time: float
    vehicles: int = 0
    dashboards: int = 0
    known_vehicle: Callable[[str], bool] = field(default=lambda vin: False)
    draining: bool = False

    def require_room_for_vehicle(self, vin: str, limit: int) -> None:
        """A vehicle that is connected may always connect again: its old connection is often dead. Raises Refused (503)."""
        if self.draining:
            raise Refused(DRAINING)
        if limit and self.vehicles >= limit and not self.known_vehicle(vin):
            raise Refused(TOO_MANY_VEHICLES)

    def require_room_for_dashboard(self, limit: int) -> None:
        """Raises Refused (503)."""
        if self.draining:
            raise Refused(DRAINING)
        if limit and self.dashboards >= limit:
            raise Refused(TOO_MANY_DASHBOARDS)
