"""What comes out of the log reaches the hub event by event: one that cannot be applied takes none of the others along."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from teslafast.cluster.application import Applied
from teslafast.cluster.backplane import ClusterBackplane
from teslafast.cluster.batch import (
    BEAT,
    CONNECTIVITY_CODE,
    EPOCH,
    OBITUARY,
    PLACE,
    TEXT_CODE,
    VERSION,
    BatchHead,
    Entry,
    packed,
)
from teslafast.cluster.node import Node
from teslafast.core.hub import Hub
from teslafast.vehicles.json_text import fleet_of_flat

from tests.cluster.fake_engine import FakeEngine
from tests.cluster.world import Host, HostTimer, World
from tests.support.fake_loop import FakeLoop, make_hub

VIN = "5YJ3E1EA7KF000001"
BODY = {"vin": VIN, "createdAt": "2026-11-23T08:00:00.000Z", "data": {"Soc": 1.0}, "isResend": False}
TEXT = {"kind": "data", "body": BODY, "created_ns": 1, "is_resend": False, "signals": 1, "vin_differs": False}
NOW_MS = 1_795_420_800_000
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
    backplane.apply(Applied(1, [NOW_MS] * 3, 3, [GOOD, forged, GOOD], None))
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
    backplane.apply(Applied(1, [NOW_MS] * 3, 3, [GOOD, GOOD, GOOD], None))
    assert (seqs_of(hub), backplane.not_shown) == ([1, 3], 1)
    assert [(record.message, record.levelname) for record in caplog.records] == [("fault", "ERROR")]


def test_events_that_this_version_cannot_read_keep_their_seqs_and_are_counted_one_by_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hub, loop = make_hub()
    backplane = backplane_of(hub, loop)
    backplane.apply(Applied(1, [], 5, [], None))
    backplane.apply(Applied(6, [NOW_MS], 1, [GOOD], None))
    assert (seqs_of(hub), backplane.not_shown) == ([6], 5)
    assert [record.message for record in caplog.records] == ["event_not_shown"]


def living_node() -> tuple[World, ClusterBackplane]:
    """A node alone in a world, which has joined."""
    world = World(1)
    world.copies = world.unanswered = 0.0
    host = Host()
    engine, timer = FakeEngine(world, host), HostTimer(world, host)

    def make_node(application: ClusterBackplane) -> Node:
        return Node(engine, application, timer, world.clock, world.wall_ns, world.name, 10.0, 1 << 20)

    backplane = ClusterBackplane(make_hub()[0], make_node, timer, world.clock, fleet_of_flat)
    backplane.node.start()
    world.run(3.0)
    assert backplane.node.state == "ok"
    return world, backplane


def test_a_node_does_not_obey_what_a_batch_of_another_version_says_and_counts_it() -> None:
    world, backplane = living_node()
    node = backplane.node
    run, epoch = node.writer.run, node.follower.epoch
    for flags in (EPOCH, OBITUARY, PLACE):
        head = BatchHead(flags, node.follower.epoch, 1, run, 1, 0, 0, 0, VERSION + 1)
        world.stream.store("forged", packed(head, ()))
    world.stream.store("forged", b"no batch at all")
    world.run(3.0)
    assert (node.writer.run, node.follower.epoch, node.state) == (run, epoch, "ok")
    assert backplane.gauges()["foreign_total"] == 4


def test_a_batch_that_tells_of_another_log_where_there_is_none_is_looked_into_once() -> None:
    world, backplane = living_node()
    node = backplane.node
    readers = node.follower.readers
    for number in range(3):
        head = BatchHead(0, b"forged  ", 1, b"forged  ", number, 0, 0, 0)
        world.stream.store("forged", packed(head, ()))
    world.run(3.0)
    assert (node.state, node.losses, node.follower.readers) == ("ok", 0, readers + 1)
    assert backplane.gauges()["foreign_total"] == 1


def test_a_log_that_was_founded_anew_unseen_is_noticed_by_what_others_write() -> None:
    world, backplane = living_node()
    node = backplane.node
    world.stream.roll_back(node.follower.number - 1)
    epoch = world.stream.store("epoch", packed(BatchHead(EPOCH, b"epoch  2", 2, bytes(8), 0, 0, 0, 0), ()))
    while world.stream.last < node.follower.number + 1:
        world.stream.store("other", packed(BatchHead(BEAT, b"epoch  2", epoch, b"other   ", 1, epoch, 0, 0), ()))
    world.run(5.0)
    assert (node.state, node.losses, node.follower.epoch) == ("ok", 1, b"epoch  2")
