"""What comes out of the log reaches the hub event by event: one that cannot be applied takes none of the others along."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from teslafast.cluster.application import Applied
from teslafast.cluster.backplane import ClusterBackplane
from teslafast.cluster.batch import CONNECTIVITY_CODE, TEXT_CODE, Entry
from teslafast.cluster.node import Node
from teslafast.core.hub import Hub
from teslafast.vehicles.json_text import fleet_of_flat

from tests.cluster.fake_engine import FakeEngine
from tests.cluster.world import Host, World
from tests.support.fake_loop import FakeLoop, make_hub

VIN = "5YJ3E1EA7KF000001"
BODY = {"vin": VIN, "createdAt": "2026-11-23T08:00:00.000Z", "data": {"Soc": 1.0}, "isResend": False}
TEXT = {"kind": "data", "body": BODY, "created_ns": 1, "is_resend": False, "signals": 1, "vin_differs": False}
GOOD = Entry(TEXT_CODE, VIN, b"t", orjson.dumps(TEXT), 1)


def backplane_of(hub: Hub, loop: FakeLoop) -> ClusterBackplane:
    world = World(1)
    engine = FakeEngine(world, Host())

    def make_node(application: ClusterBackplane) -> Node:
        return Node(engine, application, loop, loop.clock, world.wall_ns, world.name, 10.0, 1 << 20)

    return ClusterBackplane(hub, make_node, loop, loop.clock, fleet_of_flat)


def seqs_of(hub: Hub) -> list[int]:
    return [event[0] for event in hub.log.events_after(0, 100)]


@pytest.mark.parametrize(
    "forged",
    [
        Entry(CONNECTIVITY_CODE, VIN, b"", b"{}", 1),
        Entry(CONNECTIVITY_CODE, VIN, b"", b"[1]", 1),
        Entry(TEXT_CODE, VIN, b"t", orjson.dumps({**TEXT, "body": {"vin": VIN}}), 1),
        Entry(TEXT_CODE, VIN, b"t", orjson.dumps({**TEXT, "body": {"vin": VIN, "data": "x"}}), 1),
        Entry(200, VIN, b"", b"", 1),
    ],
)
def test_a_forged_event_is_passed_over_and_the_others_of_its_batch_are_shown(forged: Entry) -> None:
    hub, loop = make_hub()
    backplane = backplane_of(hub, loop)
    backplane.apply(Applied(1, 1_795_420_800_000, 3, [GOOD, forged, GOOD], None))
    assert (seqs_of(hub), backplane.not_shown) == ([1, 3], 1)


def test_an_event_that_fails_in_an_unforeseen_way_takes_none_of_the_others_along(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub, loop = make_hub()
    backplane = backplane_of(hub, loop)
    apply = hub.apply

    def fail(vin: str, record: Any, fleet: Any, txid: Any, now_ns: int, own: Any, seq: int) -> int:
        if seq == 2:
            raise KeyError("nobody thought of this")
        return apply(vin, record, fleet, txid, now_ns, own, seq)

    monkeypatch.setattr(hub, "apply", fail)
    backplane.apply(Applied(1, 1_795_420_800_000, 3, [GOOD, GOOD, GOOD], None))
    assert (seqs_of(hub), backplane.not_shown) == ([1, 3], 1)
    assert [(record.message, record.levelname) for record in caplog.records] == [("fault", "ERROR")]
