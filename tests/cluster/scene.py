"""Servers, nodes and a road, for tests that let them fail. What is acknowledged and how long it paused is printed at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.cluster.road import Road
from tests.support.faults import Victim
from tests.support.nats_servers import NatsServers
from tests.support.peers import PATIENCE_S


class ANode(Victim):
    @property
    def port(self) -> int:
        return self.place.port

    def told(self, event: str) -> int:
        """How often its log has said so."""
        return sum(line["event"] == event for line in self.lines.read)


class Scene:
    """NATS servers, nodes over them, and the road. `settings` are every node's."""

    def __init__(self, stack: ExitStack, nats: NatsServers, nodes: int, settings: Mapping[str, str]) -> None:
        self._stack = stack
        self.nats = nats
        self._settings = {"CLUSTER_URL": nats.url, "CLUSTER_REPLICAS": str(nats.count)} | dict(settings)
        starting = [ANode(None, **self._settings) for _ in range(nodes)]  # all at once
        for node in starting:
            stack.callback(node.process.kill)
        self.nodes = [self._joined(node) for node in starting]
        self.road = stack.enter_context(Road([node.port for node in self.nodes]))

    def start(self, patience_s: float = PATIENCE_S) -> ANode:
        return self._joined(ANode(None, **self._settings), patience_s)

    def _joined(self, node: ANode, patience_s: float = PATIENCE_S) -> ANode:
        self._stack.enter_context(node)
        until_s = time.monotonic() + patience_s
        while not node.told("cluster_joined"):
            assert time.monotonic() < until_s, node.lines.text
            time.sleep(0.02)
        return node

    def replace(self, node: ANode, patience_s: float = PATIENCE_S) -> None:
        """Another one takes the place of a node that has ended."""
        self.nodes = [one for one in self.nodes if one is not node]
        self.nodes.append(self.start(patience_s))
        self.road.ports = [one.port for one in self.nodes]

    def avoid(self, node: ANode) -> None:
        self.road.ports = [one.port for one in self.nodes if one is not node]

    def told(self, event: str) -> int:
        return sum(node.told(event) for node in self.nodes)


@contextmanager
def scene(folder: Path, servers: int, nodes: int = 2, always: bool = False, **settings: str) -> Iterator[Scene]:
    with NatsServers(folder, servers, always) as nats, ExitStack() as stack:
        made = Scene(stack, nats, nodes, settings)
        made.road.until_acked(100)
        yield made
        made.road.settle()
        print(f"acknowledged {made.road.acked}, longest pause {made.road.longest_pause_s():.2f} s")
