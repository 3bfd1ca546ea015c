"""Whether there is room for one more vehicle or dashboard."""

from __future__ import annotations

import pytest
from teslafast.core.load import ServerLoad
from teslafast.errors import Refused
from teslafast.refusals import DRAINING, TOO_MANY_DASHBOARDS, TOO_MANY_OF_ONE_SUB, TOO_MANY_VEHICLES

FULL = ServerLoad(0.0, vehicles=2, dashboards=2, known_vehicle=lambda vin: vin == "A")
DRAINS = ServerLoad(0.0, draining=True, known_vehicle=lambda vin: vin == "A")


@pytest.mark.parametrize("limit", [0, 3])
def test_below_the_limit_and_without_one_there_is_room(limit: int) -> None:
    FULL.require_room_for_vehicle("B", limit)
    FULL.require_room_for_dashboard(limit)


@pytest.mark.parametrize("limit", [1, 2])
def test_at_the_limit_there_is_room_only_for_a_vehicle_that_is_connected(limit: int) -> None:
    FULL.require_room_for_vehicle("A", limit)
    with pytest.raises(Refused) as vehicle:
        FULL.require_room_for_vehicle("B", limit)
    with pytest.raises(Refused) as dashboard:
        FULL.require_room_for_dashboard(limit)
    assert (vehicle.value.refusal, dashboard.value.refusal) == (TOO_MANY_VEHICLES, TOO_MANY_DASHBOARDS)


def test_one_sub_may_have_its_share_of_connections_and_no_more() -> None:
    load = ServerLoad(0.0, dashboards_of={"one": 4, "other": 5}.__getitem__, most_of_a_sub=5)
    load.require_room_for_dashboard(0, "one")
    with pytest.raises(Refused) as refused:
        load.require_room_for_dashboard(0, "other")
    assert refused.value.refusal is TOO_MANY_OF_ONE_SUB


def test_while_draining_there_is_room_for_nobody() -> None:
    with pytest.raises(Refused) as vehicle:
        DRAINS.require_room_for_vehicle("A", 0)
    with pytest.raises(Refused) as dashboard:
        DRAINS.require_room_for_dashboard(0)
    assert vehicle.value.refusal is dashboard.value.refusal is DRAINING
