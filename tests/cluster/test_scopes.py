"""Any node answers for all of them, and shows the whole fleet: pages, the roster, and `watch`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.cluster.scene import ANode
from tests.cluster.test_nodes import VIN, joined, node, settings, wait_until
from tests.support.nats_servers import NatsServers
from tests.support.peers import PATIENCE_S, Place, token
from tests.support.servers import spawn

OTHER_VIN = "5YJ3E1EA7KF000002"
SOC = {"Soc": {"doubleValue": 1.0}}


@pytest.fixture
def pair(nats: NatsServers) -> Iterator[tuple[Place, Place]]:
    with node(nats) as one, node(nats) as other:
        yield joined(one), joined(other)


def test_either_of_two_nodes_tells_of_both(pair: tuple[Place, Place]) -> None:
    here, there = pair
    with here.vehicle(VIN) as vehicle, there.vehicle(OTHER_VIN) as other, here.dashboard(), there.dashboard():
        vehicle.tell(SOC)
        other.tell(SOC)
        for place in pair:
            health = place.get("/health?scope=cluster").json
            assert (health["status"], health["scope"], health["vehicles"], health["dashboards"]) == ("ok", "cluster", 2, 2)
            assert [entry["status"] for entry in health["nodes"]] == ["ok", "ok"]
            assert {entry["node"].rpartition(":")[2] for entry in health["nodes"]} == {str(one.port) for one in pair}
            text = place.get("/metrics?scope=cluster").body.decode()
            assert "num_connections 2.0" in text
            assert 'record_total{record_type="V"} 2.0' in text
            assert "teslafast_cluster_runs 2.0" in text
            assert text.count("teslafast_node_up{") == 2
            assert place.get("/health").json["vehicles"] == 1


def test_without_a_cluster_a_server_is_all_there_is(nats: NatsServers) -> None:
    with node(nats) as alone:
        place = joined(alone)
        assert place.get("/health?scope=machine").json["status"] == "ok"
        assert [one["status"] for one in place.get("/health?scope=cluster").json["nodes"]] == ["ok"]


def test_either_of_two_nodes_shows_every_vehicle(pair: tuple[Place, Place]) -> None:
    here, there = pair
    wifi = {"X_Network_Interface": "wifi"}
    with here.vehicle(VIN, **wifi) as vehicle, there.vehicle(OTHER_VIN, **wifi) as other:
        vehicle.tell(SOC)
        other.tell(SOC)
        bearer = f"Bearer {token()}"
        for place in pair:

            def roster(place: Place = place) -> dict[str, bool]:
                return {one["vin"]: one["connected"] for one in place.get("/vehicles", Authorization=bearer).json["vehicles"]}

            wait_until(lambda roster=roster: roster() == {VIN: True, OTHER_VIN: True})  # type: ignore[misc]
            for vin in (VIN, OTHER_VIN):
                known = place.get(f"/vehicles/{vin}", Authorization=bearer).json
                assert (known["data"]["Soc"]["value"], known["networkInterface"]) == (1.0, "wifi")
            with place.dashboard() as dashboard:
                assert {dashboard.until("snapshot")["vin"] for _ in range(2)} == {VIN, OTHER_VIN}


def test_watch_shows_every_vehicle_from_either_node(pair: tuple[Place, Place]) -> None:
    here, there = pair
    with here.vehicle(VIN) as vehicle, there.vehicle(OTHER_VIN) as other:
        vehicle.tell(SOC)
        other.tell(SOC)
        for place in pair:
            wait_until(lambda place=place: place.get("/health").json["seq"] == 4)  # type: ignore[misc]
            command = ["watch", f"ws://127.0.0.1:{place.port}/stream", "--json"]
            watching = spawn(command, {"TESLAFAST_TOKEN": token()}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            assert watching.stdout is not None
            seen: set[str] = set()
            with watching.stdout:
                while seen != {VIN, OTHER_VIN}:
                    event = json.loads(watching.stdout.readline())
                    seen |= {event["vin"]} if event["type"] == "snapshot" else set()
            watching.terminate()
            watching.wait(PATIENCE_S)


@pytest.mark.cluster
def test_a_node_that_does_not_answer_is_named_and_after_a_while_counts(nats: NatsServers) -> None:
    with ExitStack() as stack:
        variables = settings(nats) | {"NODE_DEAD_SECONDS": "3"}
        awake, sleeping = (stack.enter_context(ANode(None, **variables)) for _ in range(2))
        for one in (awake, sleeping):
            one.lines.wait_for("cluster_joined")
        health = awake.place.get("/health?scope=cluster").json
        name = next(entry["node"] for entry in health["nodes"] if entry["node"].endswith(f":{sleeping.port}"))
        os.kill(sleeping.process.pid, signal.SIGSTOP)
        try:
            found = awake.place.get("/health?scope=cluster")
            (entry,) = (entry for entry in found.json["nodes"] if entry["node"] == name)
            assert entry["status"] == "silent"
            assert f'teslafast_node_up{{node="{name}"}} 0.0' in awake.place.get("/metrics?scope=cluster").body.decode()
            assert awake.place.get("/health").status == 200
            wait_until(lambda: awake.place.get("/health?scope=cluster").json["cluster"]["runs"] == 1)
            assert len(awake.place.get("/health?scope=cluster").json["nodes"]) == 1, "it has been declared dead"
        finally:
            os.kill(sleeping.process.pid, signal.SIGCONT)
        wait_until(lambda: len(awake.place.get("/health?scope=cluster").json["nodes"]) == 2)


@pytest.mark.cluster
def test_a_silent_node_has_its_name_though_nobody_had_asked_for_it_before(nats: NatsServers) -> None:
    with node(nats) as awake, ANode(None, **settings(nats)) as sleeping:
        joined(awake)
        sleeping.lines.wait_for("cluster_joined")
        wait_until(
            lambda: awake.ask(lambda server: bool(server.cluster and server.cluster._reports and server.cluster._reports._names))
        )
        os.kill(sleeping.process.pid, signal.SIGSTOP)
        try:
            (entry,) = (one for one in awake.place.get("/health?scope=cluster").json["nodes"] if one["status"] == "silent")
            assert entry["node"].endswith(f":{sleeping.port}")
        finally:
            os.kill(sleeping.process.pid, signal.SIGCONT)


@pytest.mark.cluster
def test_while_the_log_is_away_a_node_tells_of_itself_and_names_the_others(nats: NatsServers) -> None:
    with node(nats) as one, node(nats) as other:
        here, _ = joined(one), joined(other)
        nats.kill(0)
        wait_until(lambda: here.get("/health").json["cluster"]["state"] == "degraded")
        health = here.get("/health?scope=cluster").json
        assert [entry["status"] for entry in health["nodes"]] == ["ok", "silent"]
        assert health["cluster"]["state"] == "degraded"
