"""Vehicles over mutual TLS and dashboards live through the kill of anything below `serve --nodes`, and of that itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cluster.road import Road
from tests.support.certificates import World
from tests.support.nodes import Nodes, kill, wait_until
from tests.support.peers import PATIENCE_S
from tests.support.ports import free_ports

pytestmark = pytest.mark.cluster

LAYOUTS = ["one_port", "two_ports"]


class Street:
    """Nodes on ports that stay, so that others can take their place, and the road to them."""

    def __init__(self, stack: ExitStack, folder: Path, world: World, layout: str) -> None:
        self._stack = stack
        self._folder = folder
        self._world = world
        port, vehicle_port = free_ports(2)
        two = layout == "two_ports"
        self._settings = {"PORT": str(port)} | ({"VEHICLE_PORT": str(vehicle_port)} if two else {"REQUEST_CLIENT_CERT": "true"})
        self.nodes = self.start()
        ports = [vehicle_port] if two else None
        self.road = stack.enter_context(Road([port], world=world, vehicle_ports=ports))

    def start(self) -> Nodes:
        self.nodes = self._stack.enter_context(Nodes(2, self._folder, self._world, NODE_DEAD_SECONDS="3", **self._settings))
        return self.nodes


@contextmanager
def street(folder: Path, world: World, layout: str = "two_ports") -> Iterator[Street]:
    with ExitStack() as stack:
        made = Street(stack, folder, world, layout)
        made.road.until_acked(100)
        yield made
        made.road.settle()
        print(f"acknowledged {made.road.acked}, longest pause {made.road.longest_pause_s():.2f} s")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_node_is_killed(tmp_path: Path, world: World, layout: str) -> None:
    with street(tmp_path, world, layout) as scene:
        kill(scene.nodes.pid_of(1))
        scene.road.until_acked(200)
        scene.nodes.wait_restarted(1)
        scene.road.until_acked(200)
    scene.road.judge()


def test_one_node_after_the_other_is_ended_by_an_operator_and_comes_back(tmp_path: Path, world: World) -> None:
    with street(tmp_path, world) as scene:
        for node in (1, 2):
            os.kill(scene.nodes.pid_of(node), signal.SIGTERM)
            scene.nodes.wait_restarted(node)
            scene.road.until_acked(100)
    scene.road.judge()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_nats_server_is_killed(tmp_path: Path, world: World, layout: str) -> None:
    with street(tmp_path, world, layout) as scene:
        kill(scene.nodes.nats_pid())
        scene.road.until_acked(300)
    scene.road.judge()


def test_a_node_hangs_for_so_long_that_it_is_declared_dead(tmp_path: Path, world: World) -> None:
    with street(tmp_path, world) as scene:
        sleeping = scene.nodes.pid_of(2)
        os.kill(sleeping, signal.SIGSTOP)
        time.sleep(8.0)  # three beats of the other, and three seconds of silence
        os.kill(sleeping, signal.SIGCONT)
        scene.nodes.lines.wait_for("cluster_fenced", node=2)
        scene.road.until_acked(300)
    scene.road.judge()


def test_a_node_hangs_for_good_and_is_replaced(tmp_path: Path, world: World) -> None:
    with street(tmp_path, world) as scene:
        os.kill(scene.nodes.pid_of(2), signal.SIGSTOP)
        scene.road.until_acked(100)
        wait_until(lambda: "it hangs" in scene.nodes.lines.text, patience_s=40)
        scene.nodes.wait_restarted(2)
        scene.road.until_acked(100)
    scene.road.judge()


def test_the_supervisor_is_killed_and_another_takes_its_place(tmp_path: Path, world: World) -> None:
    with street(tmp_path, world) as scene:
        nodes = [scene.nodes.pid_of(1), scene.nodes.pid_of(2)]
        scene.nodes.kill()
        wait_until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in nodes))
        scene.start()
        scene.road.until_acked(300)
    scene.road.judge()


def test_all_of_it_is_ended_and_started_again(tmp_path: Path, world: World) -> None:
    with street(tmp_path, world) as scene:
        scene.nodes.process.send_signal(signal.SIGTERM)
        assert scene.nodes.process.wait(3 * PATIENCE_S) == 0
        scene.start()
        scene.road.until_acked(300)
    scene.road.judge()


def test_everything_is_killed_at_random_for_a_while(tmp_path: Path, world: World) -> None:
    with street(tmp_path, world) as scene:
        for number in range(4):
            kill(scene.nodes.pid_of(1 + number % 2))
            kill(scene.nodes.nats_pid())
            scene.road.until_acked(100)
    scene.road.judge()
