"""
A `teslafast serve --nodes N` as an operator starts it, and what runs below it: the nodes and their NATS server, to be killed.

    with Nodes(2, folder) as nodes:
        nodes.place                     any of them answers there
        nodes.kill(nodes.pid_of(1)); nodes.kill(nodes.nats_pid())
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.support.certificates import World
from tests.support.faults import Victim
from tests.support.peers import PATIENCE_S


class Nodes(Victim):
    """`folder`: of the own NATS server; None for the temporary one of a PORT that the kernel chooses."""

    def __init__(self, count: int = 2, folder: Path | None = None, world: World | None = None, **environment: str) -> None:
        self.count = count
        self.arguments = ["serve", "--nodes", str(count)]
        own = {"NODES_STORE_PATH": str(folder)} if folder is not None else {}
        super().__init__(
            world, **({"CLUSTER_MAX_BYTES": "64MiB"} if "CLUSTER_URL" not in environment else {}), **own, **environment
        )

    def __enter__(self) -> Self:
        super().__enter__()
        self.lines.wait_for("cluster_joined", self.count)
        wait_until(lambda: self.place.get("/health").status == 200)
        return self

    def pid_of(self, node: int) -> int:
        """Of the process that is this node now."""
        return int(self.lines.wait_for("node_started", node=node)[-1]["pid"])

    def children(self) -> dict[int, str]:
        """Each with its command line."""
        return {pid: command for pid in children_of(self.process.pid) if (command := command_of(pid))}

    def nats_pid(self) -> int:
        """Of the own server, once it runs."""
        found: list[int] = []

        def look() -> bool:
            found[:] = [
                pid for pid, command in self.children().items() if "nats-server -c" in command and "python" not in command
            ]
            return bool(found)

        wait_until(look)
        return found[0]

    def entries(self) -> list[dict[str, Any]]:
        """What /health says of each node."""
        entries: list[dict[str, Any]] = self.place.get("/health").json["nodes"]
        return entries

    def wait_restarted(self, node: int, times: int = 1) -> None:
        def restarted() -> bool:
            with contextlib.suppress(OSError):  # asked of the one that is being killed
                entry = self.entries()[node - 1]
                return bool(entry.get("restarts") == times and entry["status"] == "ok")
            return False

        wait_until(restarted, patience_s=3 * PATIENCE_S)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def children_of(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()]
    return []


def command_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def wait_until(reached: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    until_s = time.monotonic() + patience_s
    while not reached():
        assert time.monotonic() < until_s
        time.sleep(0.02)  # what is waited for is another process's, and tells nobody
