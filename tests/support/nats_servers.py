"""
Real NATS servers on loopback: one, or three as a cluster, each with a store of its own that outlives a kill.

    with NatsServers(folder, 3) as servers:
        servers.url                     for CLUSTER_URL
        servers.kill(0); servers.start(0)
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.peers import PATIENCE_S
from tests.support.ports import free_ports

PROGRAM = Path(sys.executable).parent / "nats-server"


class NatsServers:
    """`options`: lines for each server's configuration. `always`: the disk has what is acknowledged."""

    def __init__(self, folder: Path, count: int = 1, always: bool = False, options: str = "") -> None:
        self.folder = folder
        self.count = count
        self._always = always
        self._options = options
        self.processes: list[subprocess.Popen[bytes] | None] = [None] * count
        self.scheme = "nats"
        self._choose_ports()

    def _choose_ports(self) -> None:
        ports, count = free_ports(3 * self.count), self.count
        self.ports, self._routes, self.monitors = ports[:count], ports[count : 2 * count], ports[2 * count :]
        for number in range(count):
            self._write(number)
            (self.folder / f"n{number}.log").unlink(missing_ok=True)

    def _write(self, number: int) -> None:
        sync = "sync_interval: always" if self._always else ""
        lines = [
            f"server_name: n{number}",
            f"listen: 127.0.0.1:{self.ports[number]}",
            f"http: 127.0.0.1:{self.monitors[number]}",
            f'jetstream {{ store_dir: "{self.store(number)}" \n {sync} }}',
            "lame_duck_duration: 30s\nlame_duck_grace_period: 1s",
            self._options,
        ]
        if self.count > 1:
            routes = ", ".join(f"nats://127.0.0.1:{port}" for port in self._routes)
            lines.append(f"cluster {{ name: c \n listen: 127.0.0.1:{self._routes[number]} \n routes: [{routes}] }}")
        (self.folder / f"n{number}.conf").write_text("\n".join(lines) + "\n")

    def store(self, number: int) -> Path:
        return self.folder / f"store{number}"

    @property
    def url(self) -> str:
        return ",".join(f"{self.scheme}://127.0.0.1:{port}" for port in self.ports)

    # ---- their lives

    def start(self, number: int) -> None:
        command = [str(PROGRAM), "-c", str(self.folder / f"n{number}.conf"), "-l", str(self.folder / f"n{number}.log")]
        self.processes[number] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _running(self, number: int) -> subprocess.Popen[bytes]:
        process = self.processes[number]
        assert process is not None
        return process

    def kill(self, number: int) -> None:
        self._running(number).kill()
        self._running(number).wait()
        self.processes[number] = None

    def tell(self, number: int, what: signal.Signals) -> None:
        self._running(number).send_signal(what)

    def end(self, number: int, what: signal.Signals) -> None:
        """SIGTERM, or SIGUSR2 for a lame duck; returns when it is gone."""
        self.tell(number, what)
        self._running(number).wait(PATIENCE_S)
        self.processes[number] = None

    def wipe(self, number: int) -> None:
        shutil.rmtree(self.store(number), ignore_errors=True)

    def ask(self, number: int, path: str) -> dict[str, Any]:
        """What the server's monitoring page says."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitors[number]}{path}", timeout=2) as answer:
            said: dict[str, Any] = json.load(answer)
            return said

    def leader(self, stream: str = "TF") -> int:
        """Which server leads the stream."""
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            with contextlib.suppress(OSError, KeyError, StopIteration):
                return self._leader(stream)
            time.sleep(0.05)  # an election tells nobody of its end
        raise AssertionError("the stream has no leader")

    def _leader(self, stream: str) -> int:
        alive = next(number for number, process in enumerate(self.processes) if process is not None)
        accounts = self.ask(alive, "/jsz?streams=true&config=true")["account_details"]
        streams = [one for account in accounts for one in account["stream_detail"] if one["name"] == stream]
        return int(streams[0]["cluster"]["leader"].removeprefix("n"))

    def wait_ready(self) -> None:
        """Until JetStream answers at each: with three, until they have chosen who leads."""
        until_s = time.monotonic() + PATIENCE_S
        waiting = [number for number, process in enumerate(self.processes) if process is not None]
        while waiting:
            assert time.monotonic() < until_s, f"nats-server {waiting[0]} does not become ready"
            assert self._running(waiting[0]).poll() is None, f"nats-server {waiting[0]} has ended"
            with contextlib.suppress(OSError, ValueError):
                if self.ask(waiting[0], "/healthz").get("status") == "ok":
                    waiting.pop(0)
                    continue
            time.sleep(0.02)  # nothing tells when it is

    def __enter__(self) -> Self:
        for number in range(self.count):
            self.start(number)
        try:
            self.wait_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self.processes:
            if process is not None:
                process.kill()
                process.wait()
