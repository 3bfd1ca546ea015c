"""
Nodes and NATS servers that are killed, ended and stopped at random, under vehicles and roaming dashboards: 3 nodes, 3 servers.

CHAOS_SEED and CHAOS_S say which accidents, and for how long; `make soak-cluster` takes longer ones. The seed is printed.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.scene import ANode, Scene, scene

pytestmark = pytest.mark.cluster

SECONDS = float(os.environ.get("CHAOS_S", "15"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.randrange(1, 1_000_000)
JOINING_S = 45.0  # an election of NATS's may be on


class Chaos:
    def __init__(self, stage: Scene, seed: int) -> None:
        self._stage = stage
        self._random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self._accidents: list[Callable[[], None]] = [
            self.kill_node,
            self.end_node,
            self.stop_node,
            self.kill_server,
            self.end_server,
            self.stop_server,
        ]

    def live(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            time.sleep(self._random.uniform(0.3, 1.5))
            accident = self._random.choice(self._accidents)
            self.done[accident.__name__] += 1
            accident()

    # ---- nodes

    def _node(self) -> ANode:
        return self._random.choice(self._stage.nodes)

    def kill_node(self) -> None:
        node = self._node()
        self._stage.avoid(node)
        node.kill()
        self._stage.replace(node, JOINING_S)

    def end_node(self) -> None:
        node = self._node()
        self._stage.avoid(node)
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(JOINING_S) == 0, node.lines.text
        self._stage.replace(node, JOINING_S)

    def stop_node(self) -> None:
        node = self._node()
        node.process.send_signal(signal.SIGSTOP)
        time.sleep(self._random.uniform(0.5, 4.0))
        node.process.send_signal(signal.SIGCONT)

    # ---- servers: never the majority of them

    def kill_server(self) -> None:
        number = self._server()
        self._stage.nats.kill(number)
        time.sleep(self._random.uniform(0.0, 2.0))
        self._stage.nats.start(number)

    def end_server(self) -> None:
        number = self._server()
        self._stage.nats.end(number, self._random.choice([signal.SIGTERM, signal.SIGUSR2]))
        self._stage.nats.start(number)

    def stop_server(self) -> None:
        number = self._server()
        self._stage.nats.tell(number, signal.SIGSTOP)
        time.sleep(self._random.uniform(0.5, 4.0))
        self._stage.nats.tell(number, signal.SIGCONT)

    def _server(self) -> int:
        """One of them, once all are well."""
        until_s = time.monotonic() + JOINING_S
        while True:
            with contextlib.suppress(AssertionError):
                self._stage.nats.wait_ready()
                return self._random.randrange(self._stage.nats.count)
            assert time.monotonic() < until_s, "the NATS servers do not become well"


def test_whatever_happens_to_nodes_and_servers_nothing_is_lost(tmp_path: Path) -> None:
    print(f"CHAOS_SEED={SEED} CHAOS_S={SECONDS:g}")
    with scene(tmp_path, 3, nodes=3, always=True, NODE_DEAD_SECONDS="3") as stage:
        chaos = Chaos(stage, SEED)
        chaos.live(SECONDS)
        print(dict(chaos.done))
    stage.road.judge()
