"""MQTT's output as it moves from node to node, at a real mosquitto: its status does not flap, and one client is connected."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from teslafast.environment import read
from teslafast.errors import Unreachable
from teslafast.outputs import Context, Moving
from teslafast.outputs.mqtt import MqttOutput, MqttSettings

from tests.support.mosquitto import Mosquitto, Subscriber
from tests.support.output_events import EPOCH, VIN, connectivity

pytestmark = pytest.mark.outputs
STATUS = "telemetry/teslafast/status"
CONNECTED = f"telemetry/{VIN}/connectivity"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as running:
        yield running


def output(broker: Mosquitto, within_s: float = 25.0, **settings: str) -> MqttOutput:
    """As one node makes it, that knows VIN to be connected to another one."""
    context = Context(
        EPOCH,
        Counter(),
        moving=Moving("TF", within_s, lambda vin: vin == VIN),
        last_values=lambda: [(VIN, {"Soc": 1.0}), ("OTHER", {"Soc": 2.0})],
    )
    made = read(MqttSettings, {"MQTT_URL": broker.url, "MQTT_DISCOVERY_PREFIX": "none"} | settings)
    return MqttOutput(made, context)


def play(broker: Mosquitto, scene: Callable[[Subscriber], Coroutine[Any, Any, None]]) -> list[bytes]:
    """What the status was, one after the other."""
    with Subscriber(broker) as seen:
        asyncio.run(scene(seen))
        return seen.of(STATUS)


def arrives(seen: Subscriber, status: bytes, times: int) -> None:
    seen.wait_for(lambda messages: [one.payload for one in messages if one.topic == STATUS].count(status) >= times)


def test_another_node_that_connects_ends_the_connection_of_the_one_before_and_the_will_stays_unsaid(broker: Mosquitto) -> None:
    async def scene(seen: Subscriber) -> None:
        sleeper, other = output(broker), output(broker)
        await sleeper.connect()
        await other.connect()
        arrives(seen, b"online", 2)
        with pytest.raises(Unreachable, match="has ended the connection"):
            await sleeper.attend()
        sleeper._context.moved.set()
        await sleeper.close()
        await other.send([connectivity(1)])
        await asyncio.to_thread(seen.value, CONNECTED)
        await other.close()

    assert play(broker, scene) == [b"online", b"online"]


@pytest.mark.parametrize("handed_over", [False, True])
def test_after_a_death_and_after_a_hand_over_the_next_node_finds_it_online(broker: Mosquitto, handed_over: bool) -> None:
    async def scene(seen: Subscriber) -> None:
        first, second = output(broker), output(broker)
        await first.connect()
        if handed_over:
            first._context.moved.set()
        await first.close()
        await second.connect()
        arrives(seen, b"online", 2)
        await second.send([connectivity(1)])
        await asyncio.to_thread(seen.value, CONNECTED)
        await second.close()

    assert play(broker, scene) == [b"online", b"online"]


def test_if_nobody_takes_it_over_it_is_offline_after_a_while(broker: Mosquitto) -> None:
    async def scene(seen: Subscriber) -> None:
        alone = output(broker, within_s=1.0)
        await alone.connect()
        alone._context.moved.set()
        await alone.close()
        await asyncio.to_thread(arrives, seen, b"offline", 1)

    assert play(broker, scene) == [b"online", b"offline"]


def test_at_the_end_of_the_last_node_it_is_offline_at_once(broker: Mosquitto) -> None:
    async def scene(seen: Subscriber) -> None:
        last = output(broker)
        await last.connect()
        last._context.ending.set()
        await last.close()
        await asyncio.to_thread(arrives, seen, b"offline", 1)

    assert play(broker, scene) == [b"online", b"offline"]


def test_with_qos_2_a_hand_over_says_nothing_and_a_death_says_offline(broker: Mosquitto) -> None:
    async def scene(seen: Subscriber) -> None:
        first, second = output(broker, MQTT_QOS="2"), output(broker, MQTT_QOS="2")
        await first.connect()
        first._context.moved.set()
        await first.close()
        await second.connect()
        arrives(seen, b"online", 2)
        await second.close()
        await asyncio.to_thread(arrives, seen, b"offline", 1)

    assert play(broker, scene) == [b"online", b"online", b"offline"]


def test_a_vehicle_that_is_connected_to_another_node_is_not_told_as_gone_by_a_worker_that_begins(broker: Mosquitto) -> None:
    async def scene(seen: Subscriber) -> None:
        begins = output(broker)
        await begins.connect()
        await begins.flush(everything=False)
        gone = await asyncio.to_thread(seen.value, "telemetry/OTHER/connectivity")
        assert orjson.loads(gone)["Status"] == "DISCONNECTED"
        assert seen.of(CONNECTED) == []
        await begins.close()

    play(broker, scene)
