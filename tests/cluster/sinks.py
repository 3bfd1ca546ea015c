"""
What outputs of several nodes lead to, with real receivers: a webhook's, which is told each event's seq, and an MQTT broker.

    Sinks.settings   for every node
    Sinks.judge      lost 0, out of order 0, twice at most what a death leaves in doubt, and no `offline` while there is a node
    Sinks.judge_acks   of RELIABLE_ACKS=webhook
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.road import Road
from tests.cluster.scene import ANode, Scene
from tests.support.mosquitto import Mosquitto, Subscriber
from tests.support.webhook_receiver import Posted, Receiver

BATCH_AT_MOST = 32  # events of one batch of a webhook: teslafast/outputs/__init__.py
STATUS = "telemetry/teslafast/status"


class Sinks:
    def __init__(self, receiver: Receiver, broker: Mosquitto, subscriber: Subscriber) -> None:
        self._receiver = receiver
        self._subscriber = subscriber
        self.settings = {
            "WEBHOOK_URL": receiver.url,
            "WEBHOOK_PRIVATE": "true",
            "WEBHOOK_TYPES": "data,alerts,errors,connectivity",
            "MQTT_URL": broker.url,
            "MQTT_INTERVAL": "0",
            "MQTT_DISCOVERY_PREFIX": "none",
        }

    def wait_until_even(self, node: ANode) -> None:
        """Until every output has everything that this node has seen."""
        until_s = time.monotonic() + 60
        while any(one["lag_events"] for one in nodes_of(node).values()):
            assert time.monotonic() < until_s, nodes_of(node)
            time.sleep(0.05)

    @property
    def posted(self) -> int:
        return len(self._receiver.posted)

    def judge(self, road: Road, head: int, doubtful: int = 0, stays_online: bool = True, epochs: int = 1) -> None:
        posted = list(self._receiver.posted)
        twice = sum(Counter(one.headers["webhook-id"] for one in posted).values()) - len(
            {one.headers["webhook-id"] for one in posted}
        )
        print(f"posted {len(posted)}, twice {twice}")
        assert twice <= doubtful
        found = list(dict.fromkeys(one.headers["ce-id"].rpartition("-")[0] for one in posted))
        assert len(found) == epochs
        of_last = [one for one in posted if one.headers["ce-id"].startswith(found[-1])]
        self._judge_posts(of_last, head)
        for vehicle in road.vehicles:
            topic = f"telemetry/{vehicle.vin}/v/Odometer"
            numbers = [float(one.payload) for one in list(self._subscriber.messages) if one.topic == topic and not one.retained]
            first_times = list(dict.fromkeys(numbers))
            assert first_times == sorted(first_times), f"out of order at the broker: {vehicle.vin}"
            if epochs == 1:
                lost = {float(number) for number in vehicle.acked} - set(numbers)
                assert not lost or max(lost) < min(numbers), f"lost at the broker: {vehicle.vin} {sorted(lost)[:5]}"
        if stays_online:
            assert b"offline" not in self._subscriber.of(STATUS)

    def judge_acks(self, road: Road) -> None:
        """RELIABLE_ACKS=webhook: what a vehicle has an ack for had arrived by then."""
        data = [one for one in list(self._receiver.posted) if one.json["type"] == "data"]
        came_s = {(one.json["vin"], one.json["data"]["Odometer"]): one.at_s for one in reversed(data)}
        for vehicle in road.vehicles:
            for number, acked_s in zip(vehicle.acked, vehicle.acked_s, strict=True):
                at_s = came_s.get((vehicle.vin, float(number)))
                assert at_s is not None, f"acknowledged, and lost: {number} of {vehicle.vin}"
                assert at_s <= acked_s, f"acknowledged {at_s - acked_s:.3f} s early: {number} of {vehicle.vin}"

    def _judge_posts(self, posted: Sequence[Posted], head: int) -> None:
        seqs = {one.seq for one in posted}
        lost = set(range(min(seqs), head + 1)) - seqs
        assert not lost, f"lost: {sorted(lost)[:5]} of {head}"
        assert min(seqs) < 300, "it began with the first events after its first claim"
        for vin in {one.json["vin"] for one in posted}:
            first_times = list(dict.fromkeys(one.seq for one in posted if one.json["vin"] == vin))
            assert first_times == sorted(first_times), f"out of order: {vin}"


def nodes_of(node: ANode) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = node.place.get("/health").json["output_nodes"]
    return found


def worker_of(scene: Scene, output: str) -> ANode:
    """The node that works an output."""
    until_s = time.monotonic() + 30
    while True:
        for node in scene.nodes:
            if nodes_of(node)[output]["here"]:
                return node
        assert time.monotonic() < until_s, f"nobody works {output}"


@contextmanager
def sinks(folder: Path) -> Iterator[Sinks]:
    with Receiver() as receiver, Mosquitto(folder) as broker, Subscriber(broker) as subscriber:
        yield Sinks(receiver, broker, subscriber)
