"""Whose asking makes a view: only theirs who may see something."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.dashboard_stage import NOW, DashboardStage
from tests.support.fake_loop import data, publish
from tests.support.peers import token

VIN, OTHER = "5YJ3E1EA7KF000001", "5YJ3E1EA7KF000002"
VIEWS: list[dict[str, str]] = [{"format": "fleet"}, {"format": "fleet", "control": "1"}, {"interval": "100"}]


@pytest.mark.parametrize("query", VIEWS, ids=str)
@pytest.mark.parametrize("since", [{}, {"since": "2"}, {"since": "99"}], ids=str)
def test_a_token_that_grants_no_vehicle_makes_no_view(query: dict[str, str], since: dict[str, str]) -> None:
    stage = DashboardStage(vins=[])
    for number in range(4):
        publish(stage.hub, data(number, VIN))
    stage.begin(**query, **since)
    publish(stage.hub, data(4, VIN))
    stage.loop.elapse()
    assert stage.hub.views.ring_bytes == 0
    assert not stage.hub.views.active
    assert set(stage.kinds()) <= {"hello"}
    stage.session.leave()


def test_nor_does_one_whose_vehicles_may_not_connect_here() -> None:
    strange = DashboardStage(vins=[OTHER], settings={"TESLA_VIN": VIN}).begin(format="fleet")
    assert strange.hub.views.ring_bytes == 0
    known = DashboardStage(vins=[VIN, OTHER], settings={"TESLA_VIN": VIN}).begin(format="fleet")
    assert known.hub.views.ring_bytes > 0
    anybody = DashboardStage(vins=[OTHER]).begin(format="fleet")
    assert anybody.hub.views.ring_bytes > 0, "without TESLA_VIN any vehicle may come"


@pytest.mark.parametrize("query", [VIEWS[1], VIEWS[2]], ids=str)
def test_the_view_is_made_when_a_renewal_and_a_subscription_let_it_see_something(query: dict[str, str]) -> None:
    stage = DashboardStage(vins=[]).begin(**query)
    publish(stage.hub, data(1, VIN))
    stage.say({"type": "auth", "token": token(exp=NOW + 60, vins=[VIN])})
    assert stage.hub.views.ring_bytes == 0, "it has yet to ask for them"
    stage.say({"type": "subscribe", "vins": None})
    assert stage.hub.views.ring_bytes > 0
    publish(stage.hub, data(2, VIN))
    publish(stage.hub, data(3, OTHER))
    stage.loop.elapse()
    events = [message for message in stage.told() if message.get("type", "data") == "data"]
    assert [message["seq"] for message in events][-1:] == [2 if "format" in query else 3], "a merged message has the newest seq"
    assert OTHER not in str(events)
    stage.say({"type": "subscribe", "vins": []})
    assert stage.hub.views.ring_bytes == 0, "and given back when it sees nothing any more"
    stage.session.leave()


def test_without_memory_for_the_view_a_subscription_is_refused_and_the_connection_stays() -> None:
    stage = DashboardStage(vins=[]).begin(interval="100")
    stage.say({"type": "auth", "token": token(exp=NOW + 60)})

    def no_memory(*_: object) -> Any:
        raise OSError("no memory")

    stage.hub.views._make_log = no_memory
    stage.say({"type": "subscribe", "vins": None})
    assert stage.kinds() == ["hello", "error", "auth"], "a refusal is written at once"
    stage.say({"type": "subscribe", "vins": []})
    assert stage.kinds() == ["subscribed"]
