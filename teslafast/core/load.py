"""How full the server is at this moment, and whether there is room for one more."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import Refused
from ..refusals import CATCHING_UP, DRAINING, LOG_AWAY, TOO_MANY_DASHBOARDS, TOO_MANY_OF_ONE_SUB, TOO_MANY_VEHICLES


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """
    What an admission depends on besides the request.

    time            seconds since 1970
    vehicles …      who is connected
    dashboards_of   how many of one token's `sub`
    catching_up     this node of a cluster has not read the log yet
    log_away        it has been cut off from the log for so long that the others serve its vehicles
    most_of_a_sub   how many there may be: half of the descriptors, so that one token cannot take those of everybody
    """

    time: float
    vehicles: int = 0
    dashboards: int = 0
    known_vehicle: Callable[[str], bool] = field(default=lambda vin: False)
    draining: bool = False
    dashboards_of: Callable[[str], int] = field(default=lambda sub: 0)
    most_of_a_sub: float = math.inf
    catching_up: bool = False
    log_away: bool = False

    def require_room_for_vehicle(self, vin: str, limit: int) -> None:
        """A vehicle that is connected may always connect again: its old connection is often dead. Raises Refused (503)."""
        self._require_service()
        if self.log_away:
            raise Refused(LOG_AWAY)
        if limit and self.vehicles >= limit and not self.known_vehicle(vin):
            raise Refused(TOO_MANY_VEHICLES)

    def require_room_for_dashboard(self, limit: int, sub: str = "") -> None:
        """Raises Refused (503)."""
        self._require_service()
        if limit and self.dashboards >= limit:
            raise Refused(TOO_MANY_DASHBOARDS)
        if self.dashboards_of(sub) >= self.most_of_a_sub:
            raise Refused(TOO_MANY_OF_ONE_SUB)

    def _require_service(self) -> None:
        if self.draining:
            raise Refused(DRAINING)
        if self.catching_up:
            raise Refused(CATCHING_UP)
