"""
Servers to test against, and what they say.

    Inside      a Server in a thread of its own: from outside it is like any, and its counters and log can be looked at
    Process     `python -m teslafast serve` with an environment, as an operator starts it

Both wait for words of the log, never for time to pass.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import uvloop
from teslafast.config import Settings
from teslafast.logs import JsonLines, log
from teslafast.outputs.settings import planned
from teslafast.server.server import Server
from teslafast.server.upkeep import Upkeep

from tests.support import ROOT
from tests.support.certificates import World
from tests.support.peers import PATIENCE_S, SECRET, Place

BASE = {"HOST": "127.0.0.1", "PORT": "0", "JWT_SECRET": SECRET, "LOG_FORMAT": "json", "RING_BYTES": "8MiB"}

STATE_HOME = tempfile.TemporaryDirectory(prefix="teslafast-state-")  # what a server keeps where nothing is named; not in HOME

T = TypeVar("T")


class Lines:
    """Log lines as they come in: parsed JSON in `read`, as they stood in `text`."""

    def __init__(self) -> None:
        self.read: list[dict[str, Any]] = []
        self.text = ""
        self._changed = threading.Condition()

    def add(self, line: str) -> None:
        with self._changed:
            self.text += line.rstrip("\n") + "\n"
            if line.startswith("{"):
                self.read.append(json.loads(line))
            self._changed.notify_all()

    def wait_for(self, event: str, count: int = 1, **fields: object) -> list[dict[str, Any]]:
        """All lines of this event with these fields, once there are `count` of them."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.read if line["event"] == event and fields.items() <= line.items()]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= count, PATIENCE_S), f"no {event} {fields} in:\n{self.text}"
            return found()


class _ToLines(logging.Handler):
    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.add(self.format(record))


class Inside:
    """`with Inside(...) as server`: runs while the block does."""

    def __init__(self, world: World | None = None, **environment: str) -> None:
        development = {} if world is not None else {"NODE_ENV": "development"}
        certificates = world.environment if world is not None else {}
        self._upkeep: Upkeep | None = None
        variables = BASE | development | certificates | environment
        self.settings = Settings.from_env(variables)
        self.outputs = planned(variables, self.settings)
        self.lines = Lines()
        self._world = world
        self._handler = _ToLines(self.lines)
        self._started = threading.Event()
        self._failed: BaseException | None = None  # with what it did not start
        self._thread = threading.Thread(target=self._run)

    def kept_by(self, upkeep: Upkeep) -> Self:
        """The same server, which is not started yet, with this upkeep."""
        self._upkeep = upkeep
        return self

    def _run(self) -> None:
        try:
            uvloop.run(self._live())
        except BaseException as error:
            if self._started.is_set():
                raise
            self._failed = error
            self._started.set()

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self.server = Server(self.settings, self._loop, outputs=self.outputs, upkeep=self._upkeep)
        self.server.start()
        self._started.set()
        await self._ended.wait()
        self.server.stop()
        while self.server.hub.connections:  # noqa: ASYNC110 — an abort takes a few turns, and nothing tells of its end
            await asyncio.sleep(0)
        self.server.finish()
        if self.server.cluster is not None:
            await self.server.cluster.close()

    def __enter__(self) -> Self:
        log.addHandler(self._handler)
        log.setLevel(logging.DEBUG)
        self._thread.start()
        assert self._started.wait(PATIENCE_S)
        if self._failed is not None:
            log.removeHandler(self._handler)
            raise self._failed
        ports = self.server.ports
        self.place = Place(ports[0], ports[-1], self._world)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(PATIENCE_S)
        log.removeHandler(self._handler)
        assert not self._thread.is_alive()
        assert "Traceback" not in self.lines.text, self.lines.text

    def ask(self, question: Callable[[Server], T]) -> T:
        """The answer to a question that is put in the server's own thread, between two turns of its loop."""

        async def put() -> T:
            return question(self.server)

        return asyncio.run_coroutine_threadsafe(put(), self._loop).result(PATIENCE_S)

    def wait_until(self, reached: Callable[[Server], object]) -> None:
        """Until the answer to a question is yes: what the server does after what its clients see of it."""
        until_s = time.monotonic() + PATIENCE_S
        while not self.ask(reached):
            assert time.monotonic() < until_s, self.lines.text

    def counts(self, name: str) -> dict[str, int]:
        """One of the server's counters, by cause or kind."""
        return self.ask(lambda server: dict(getattr(server.hub.counts, name)))

    def renew_certificates(self) -> None:
        """As SIGHUP does; returns when what was read is used."""
        self.ask(lambda server: server.renew_certificates())
        self.wait_until(lambda server: not server.rereading)

    async def _drain(self) -> None:
        await self.server.drain()

    def silent_for(self, seconds: float, role: str) -> None:
        """Its "vehicles" or "dashboards" have said nothing for so much longer, nor answered a ping that is under way."""

        def age(server: Server) -> None:
            connection: Any
            for connection in getattr(server.hub.connections, role):
                connection._received = connection.incoming.received  # looked at, or they would be a sign of life
                connection._heard_at -= seconds
                connection._pinged_at -= seconds if connection._pinged_at else 0.0

        self.ask(age)

    def look_ahead(self, seconds: float) -> None:
        """Each dashboard is checked as it will be so many seconds from now."""

        def check(server: Server) -> None:
            for dashboard in list(server.hub.connections.dashboards):
                dashboard.check(time.monotonic() + seconds)

        self.ask(check)

    def drain(self) -> None:
        """Begins a drain, and does not wait for its end."""
        asyncio.run_coroutine_threadsafe(self._drain(), self._loop)


class Process:
    """A `teslafast serve` of its own; `with` ends it by SIGTERM and wants exit 0. `module`: what is run in its place."""

    module = "teslafast"
    arguments: Sequence[str] = ("serve",)

    def __init__(self, world: World | None = None, **environment: str) -> None:
        development = {} if world is not None else {"NODE_ENV": "development"}
        certificates = world.environment if world is not None else {}
        self._world = world
        self._ports = 2 if "VEHICLE_PORT" in environment else 1
        self.lines = Lines()
        self.process = spawn(
            list(self.arguments), BASE | development | certificates | environment, self.module, stderr=subprocess.PIPE
        )
        self._reader = threading.Thread(target=self._read)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.add(line)

    def __enter__(self) -> Self:
        self._reader.start()
        try:
            ports = [line["port"] for line in self.lines.wait_for("listening", self._ports)]
        except BaseException:
            self.process.kill()  # or it would have the machine, and its ports, to itself
            raise
        self.place = Place(ports[0], ports[-1], self._world)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self._reader.join(PATIENCE_S)
            assert self.process.stderr is not None
            self.process.stderr.close()
        if kind is None:
            assert code == 0, self.lines.text
            assert "Traceback" not in self.lines.text, self.lines.text


def spawn(
    arguments: list[str], environment: Mapping[str, str], module: str = "teslafast", **options: Any
) -> subprocess.Popen[str]:
    """The command line with these variables, and none of this shell's own that mean something to it."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV") if name in os.environ}
    inherited["XDG_STATE_HOME"] = STATE_HOME.name
    command = [sys.executable, "-W", "error", "-m", module, *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=inherited | dict(environment), text=True, **options)
