"""
The servers under test: how each is started, pinned to core 0, and what it expects of its clients.

A server is a child process on a free port. It is ready once it accepts a connection; SIGTERM ends it, and SIGKILL after 5 s.
"""

import datetime
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import jwt

from . import events

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"
SERVER_CORE, LOAD_CORE = "0", "1"
SECRET = "a secret for benchmarks only, never for a server"
READY_S = 15.0  # a server that has not opened its port by then has failed
STOP_S = 5.0


@dataclass(frozen=True)
class Server:
    """`command` is given a port and a directory for its files, and runs in `cwd`; `dialect` is given an event's size."""

    name: str
    command: Callable[[int, Path], list[str]]
    dialect: Callable[[int], events.Dialect] = events.plain
    env: Mapping[str, str] = field(default_factory=dict)
    reader_path: str = "/stream"
    publisher_path: str = "/"
    token: str | None = None
    reader_greeting: str | None = None
    several_to_a_frame: bool = False
    event_stream: bool = False
    cwd: Path = ROOT


@dataclass(frozen=True)
class Running:
    pid: int
    port: int


def dashboard_token() -> str:
    expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=6)
    return jwt.encode({"sub": "bench", "exp": expires}, SECRET, algorithm="HS256")


def python(module: str) -> Callable[[int, Path], list[str]]:
    return lambda port, _: [sys.executable, "-m", module, str(port)]


def raw(*mode: str) -> Callable[[int, Path], list[str]]:
    return lambda port, _: [str(BENCH / "bin" / "raw"), str(port), *mode]


def _nats(port: int, directory: Path) -> list[str]:
    config = directory / "nats.conf"
    config.write_text(f'listen: "127.0.0.1:-1"\nwebsocket {{ listen: "127.0.0.1:{port}", no_tls: true, compression: false }}\n')
    return [shutil.which("nats-server") or "nats-server", "-c", str(config)]


def teslafast(
    name: str = "teslafast", env: Mapping[str, str] | None = None, *, interpreter: str = sys.executable, checkout: Path = ROOT
) -> Server:
    """
    Our server in development mode, where a vehicle may name itself without TLS.

    `checkout` is the working copy whose code is served: `python -m` looks into the current directory before anything else.
    """
    return Server(
        name,
        lambda port, _: [interpreter, "-m", "teslafast", "serve", "--host", "127.0.0.1", "--port", str(port)],
        events.vehicle,
        {"NODE_ENV": "development", "JWT_SECRET": SECRET, "LOG_LEVEL": "warning", **(env or {})},
        reader_path="/stream?snapshot=0",
        publisher_path="/?vin={vin}",
        token=dashboard_token(),
        cwd=checkout,
    )


RAW = Server("raw C ring + cursor", raw("batched"))
RAW_5MS = Server("raw C ring + cursor 5 ms", raw("batched", "5"))
RAW_NAIVE = Server("raw C send per event", raw("naive"))
NODE = Server("Node ws", lambda port, _: ["node", str(BENCH / "peers" / "node_ws.js"), str(port)])
WEBSOCKETS = Server("Python websockets", python("bench.peers.websockets_broadcast"))
PICOWS = Server("picows send per reader", python("bench.peers.picows_naive"))
NATS = Server(
    "NATS",
    _nats,
    events.nats,
    {"GOMAXPROCS": "1"},
    reader_path="/",
    reader_greeting=f'CONNECT {{"verbose":false}}\r\nSUB {events.SUBJECT} 1\r\n',
    several_to_a_frame=True,
)


def missing(server: Server) -> str | None:
    """What would have to be installed first; None if the server can be started."""
    if server is NODE and not (BENCH / "peers" / "node_modules" / "ws").is_dir():
        return "npm install in bench/peers"
    if server is NATS and shutil.which("nats-server") is None:
        return "the Debian package nats-server"
    return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"the server did not come up:\n{log.read_text()[-2000:]}")


@contextmanager
def running(server: Server, **env: str) -> Iterator[Running]:
    """The server, up and pinned to its core, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="teslafast-bench-") as name:
        directory, port = Path(name), free_port()
        log = directory / "log"
        command = ["taskset", "-c", SERVER_CORE, *server.command(port, directory)]
        with log.open("wb") as output:
            environment = os.environ | {"XDG_STATE_HOME": name} | dict(server.env) | env
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=server.cwd)
        try:
            _await_ready(process, port, log)
            yield Running(process.pid, port)
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
