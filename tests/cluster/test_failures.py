"""Each row of the table of failures in docs/deploy/cluster.md, with real servers: nothing lost, repeated or out of order."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from nats.aio.client import Client

from tests.cluster.scene import ANode, scene
from tests.support.nats_servers import NatsServers
from tests.support.peers import PATIENCE_S, token

pytestmark = pytest.mark.cluster

STOPPED_S = 5.0


@pytest.mark.parametrize("always", [False, True])
def test_one_nats_server_killed_and_back_after_2_s(tmp_path: Path, always: bool) -> None:
    with scene(tmp_path, 1, always=always) as all_of_it:
        nats, road = all_of_it.nats, all_of_it.road
        nats.kill(0)
        time.sleep(2.0)
        nats.start(0)
        road.until_acked(200)
    road.judge()


def test_one_nats_server_stopped_for_5_s(tmp_path: Path) -> None:
    with scene(tmp_path, 1) as all_of_it:
        nats, road = all_of_it.nats, all_of_it.road
        nats.tell(0, signal.SIGSTOP)
        time.sleep(STOPPED_S)
        nats.tell(0, signal.SIGCONT)
        road.until_acked(200)
    road.judge()


def test_one_nats_server_away_for_18_s_and_nobody_is_declared_dead(tmp_path: Path) -> None:
    with scene(tmp_path, 1) as all_of_it:
        nats, road = all_of_it.nats, all_of_it.road
        nats.kill(0)
        time.sleep(18.0)
        nats.start(0)
        road.until_acked(200)
        assert all_of_it.told("cluster_fenced") == 0
    road.judge()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGUSR2])
def test_the_leader_of_three_nats_servers_ends(tmp_path: Path, how: signal.Signals) -> None:
    with scene(tmp_path, 3) as all_of_it:
        nats, road = all_of_it.nats, all_of_it.road
        leader = nats.leader()
        nats.end(leader, how) if how == signal.SIGTERM else nats.tell(leader, how)
        road.until_acked(300)
    road.judge()


@pytest.mark.parametrize("always", [False, True])
def test_the_leader_of_three_nats_servers_is_killed(tmp_path: Path, always: bool) -> None:
    with scene(tmp_path, 3, always=always) as all_of_it:
        nats, road = all_of_it.nats, all_of_it.road
        leader = nats.leader()
        nats.kill(leader)
        road.until_acked(300)
        nats.start(leader)
        road.until_acked(100)
    road.judge()


def test_the_leader_of_three_nats_servers_is_stopped_for_5_s(tmp_path: Path) -> None:
    with scene(tmp_path, 3) as all_of_it:
        nats, road = all_of_it.nats, all_of_it.road
        leader = nats.leader()
        nats.tell(leader, signal.SIGSTOP)
        time.sleep(STOPPED_S)
        nats.tell(leader, signal.SIGCONT)
        road.until_acked(300)
    road.judge()


def test_all_three_nats_servers_are_killed_and_back_after_1_s(tmp_path: Path) -> None:
    with scene(tmp_path, 3, always=True) as all_of_it:
        nats, road = all_of_it.nats, all_of_it.road
        for number in range(3):
            nats.kill(number)
        time.sleep(1.0)
        for number in range(3):
            nats.start(number)
        road.until_acked(300)
    road.judge()


def test_a_killed_nodes_vehicles_go_on_elsewhere_and_are_never_told_as_gone(tmp_path: Path) -> None:
    with scene(tmp_path, 1, nodes=3, NODE_DEAD_SECONDS="3") as all_of_it:
        doomed = all_of_it.nodes[0]
        all_of_it.avoid(doomed)
        doomed.kill()
        all_of_it.road.until_acked(1500)
        wait_for_runs(all_of_it.nodes[1], 2)
    road = all_of_it.road
    road.judge()
    watched = road.dashboards[-1]
    for vehicle in road.vehicles:
        told = [said for vin, said in watched.seen[watched.epoch].values() if vin == vehicle.vin and isinstance(said, str)]
        assert told
        assert "DISCONNECTED" not in told


def wait_for_runs(node: ANode, count: int) -> None:
    until_s = time.monotonic() + 30
    while node.place.get("/health").json["cluster"]["runs"] != count:
        assert time.monotonic() < until_s


def test_the_vehicle_of_a_killed_node_is_told_as_gone_once_by_one_of_two_rivals(tmp_path: Path) -> None:
    with NatsServers(tmp_path) as nats, ExitStack() as stack:
        settings = {"CLUSTER_URL": nats.url, "CLUSTER_REPLICAS": "1", "NODE_DEAD_SECONDS": "3"}
        doomed, *rivals = [stack.enter_context(ANode(None, **settings)) for _ in range(3)]
        for node in (doomed, *rivals):
            node.lines.wait_for("cluster_joined")
        watching = [stack.enter_context(node.place.dashboard()) for node in rivals]
        vehicle = stack.enter_context(doomed.place.vehicle("5YJ3E1EA7KF000009"))
        vehicle.tell({"Soc": {"doubleValue": 1.0}})
        doomed.kill()
        gone = [dashboard.until("connectivity") for dashboard in watching for _ in range(2)]
        assert [one["status"] for one in gone] == ["CONNECTED", "DISCONNECTED"] * 2
        assert gone[1]["seq"] == gone[3]["seq"] == 3
        with rivals[0].place.vehicle("5YJ3E1EA7KF000008") as other:
            other.tell({"Soc": {"doubleValue": 1.0}})
            assert [dashboard.next()["seq"] for dashboard in watching] == [4, 4], "nothing was told between"


def test_a_node_that_is_cut_off_for_long_sends_everybody_away_and_goes_on_when_the_log_is_back(tmp_path: Path) -> None:
    with NatsServers(tmp_path) as nats, ExitStack() as stack:
        node = stack.enter_context(ANode(None, CLUSTER_URL=nats.url, CLUSTER_REPLICAS="1", NODE_DEAD_SECONDS="3"))
        node.lines.wait_for("cluster_joined")
        dashboard = stack.enter_context(node.place.dashboard())
        vehicle = stack.enter_context(node.place.vehicle("5YJ3E1EA7KF000009"))
        vehicle.tell({"Soc": {"doubleValue": 1.0}})
        nats.kill(0)
        vehicle.send({"Soc": {"doubleValue": 2.0}})
        until_s = time.monotonic() + 60
        while not node.told("cluster_cut_off"):
            assert time.monotonic() < until_s
            time.sleep(0.2)
        assert dashboard.close_code() == 1012
        health = node.place.get("/health")
        assert (health.status, health.json["status"], health.json["cluster"]["state"]) == (503, "degraded", "degraded")
        for target in ("/?vin=5YJ3E1EA7KF000009", "/stream"):
            with node.place.raw() as refused:
                assert refused.upgrade(target, f"Authorization: Bearer {token()}").startswith(b"HTTP/1.1 503 ")
        nats.start(0)
        while node.place.get("/health").status != 200:
            assert time.monotonic() < until_s + 30
            time.sleep(0.2)
        with node.place.dashboard("?since=0") as back:
            assert [back.until("data")["data"]["Soc"] for _ in range(2)] == [1.0, 2.0]


def test_a_node_is_ended_and_another_takes_its_place(tmp_path: Path) -> None:
    with scene(tmp_path, 1) as all_of_it:
        leaving = all_of_it.nodes[0]
        all_of_it.avoid(leaving)
        leaving.process.send_signal(signal.SIGTERM)
        assert leaving.process.wait(PATIENCE_S) == 0
        all_of_it.replace(leaving)
        all_of_it.road.until_acked(200)
        wait_for_runs(all_of_it.nodes[0], 2)
    all_of_it.road.judge()


def test_a_node_is_killed_and_another_takes_its_place(tmp_path: Path) -> None:
    with scene(tmp_path, 1) as all_of_it:
        doomed = all_of_it.nodes[0]
        doomed.kill()
        all_of_it.replace(doomed)
        all_of_it.road.until_acked(400)
    all_of_it.road.judge()


def test_a_node_is_stopped_for_5_s_and_is_not_declared_dead(tmp_path: Path) -> None:
    with scene(tmp_path, 1) as all_of_it:
        sleeping = all_of_it.nodes[0].process
        sleeping.send_signal(signal.SIGSTOP)
        time.sleep(STOPPED_S)
        sleeping.send_signal(signal.SIGCONT)
        all_of_it.road.until_acked(300)
        assert all_of_it.told("cluster_fenced") == 0
    all_of_it.road.judge()


def test_a_node_is_stopped_for_so_long_that_it_is_declared_dead_and_goes_on_as_another_run(tmp_path: Path) -> None:
    with scene(tmp_path, 1, NODE_DEAD_SECONDS="3") as all_of_it:
        sleeping = all_of_it.nodes[0].process
        sleeping.send_signal(signal.SIGSTOP)
        time.sleep(8.0)  # three beats of the other, and three seconds of silence
        sleeping.send_signal(signal.SIGCONT)
        all_of_it.nodes[0].lines.wait_for("cluster_fenced")
        all_of_it.road.until_acked(300)
        assert all_of_it.told("cluster_fenced") == 1
    all_of_it.road.judge()


def test_a_store_is_wiped_and_a_new_epoch_begins(tmp_path: Path) -> None:
    with scene(tmp_path, 1) as all_of_it:
        all_of_it.nats.kill(0)
        all_of_it.nats.wipe(0)
        all_of_it.nats.start(0)
        all_of_it.road.until_acked(200)
    all_of_it.road.judge(gaps=True, disaster=True)
    assert {len(one.seen) for one in all_of_it.road.dashboards} == {2}, "one new epoch, the same on both nodes"


def test_a_store_is_rolled_back_and_that_is_noticed(tmp_path: Path) -> None:
    with scene(tmp_path, 1) as all_of_it:
        nats, road = all_of_it.nats, all_of_it.road
        nats.kill(0)
        shutil.copytree(nats.store(0), tmp_path / "before")
        nats.start(0)
        road.until_acked(300)
        nats.kill(0)
        nats.wipe(0)
        shutil.copytree(tmp_path / "before", nats.store(0))
        nats.start(0)
        road.until_acked(300)
    road.judge(gaps=True, disaster=True)
    assert {len(one.seen) for one in road.dashboards} == {2}


def test_the_stream_is_deleted_and_made_again(tmp_path: Path) -> None:
    with scene(tmp_path, 1) as all_of_it:

        async def delete() -> None:
            client = Client()
            await client.connect(all_of_it.nats.url)
            reply = await client.request("$JS.API.STREAM.DELETE.TF", b"", timeout=PATIENCE_S)
            assert b'"success":true' in reply.data
            await client.close()

        asyncio.run(delete())
        all_of_it.road.until_acked(200)
    all_of_it.road.judge(gaps=True, disaster=True)
    assert {len(one.seen) for one in all_of_it.road.dashboards} == {2}, "one new epoch, the same on both nodes"


def test_a_stream_so_small_that_a_nodes_own_last_batch_is_dropped(tmp_path: Path) -> None:
    with scene(tmp_path, 1, CLUSTER_MAX_BYTES="1MiB") as all_of_it:
        all_of_it.road.until_acked(4000)
    all_of_it.road.judge()
