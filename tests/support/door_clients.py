"""
Clients that people run, unchanged, as their registries have them: what they tell of the stream, line by line.

A driver (a few lines in the client's own language) connects, prints each event as JSON with its id, and `{"ended": …}` once the
client has given up. `make test-doors` installs them: teslemetry-stream and httpx-sse from PyPI; eventsource, ws and websocket
from npm.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tests.support import ROOT
from tests.support.peers import PATIENCE_S

NODE_MODULES = ROOT / "build" / "doors" / "node_modules"
BACK_S = 3 * PATIENCE_S  # a client may wait some seconds before it comes back

TESLEMETRY = """
import asyncio, json, os, ssl
import aiohttp
from teslemetry_stream import TeslemetryStream
from teslemetry_stream.exception import TeslemetryStreamAuthenticationError

def told(event):
    event.pop("timestamp")
    print(json.dumps({"event": event}), flush=True)

async def main():
    context = ssl.create_default_context(cafile=os.environ["CA"])
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        stream = TeslemetryStream(session, os.environ["TOKEN"], vin=os.environ["VIN"], parse_timestamp=True)
        stream.server = "localhost:" + os.environ["PORT"]
        try:
            async for event in stream:
                told(event)
        except TeslemetryStreamAuthenticationError:
            print(json.dumps({"ended": "token"}), flush=True)

asyncio.run(main())
"""

HTTPX = """
import json, os, ssl
import httpx
from httpx_sse import connect_sse

context = ssl.create_default_context(cafile=os.environ["CA"])
last = ""
with httpx.Client(verify=context, timeout=60) as client:
    while True:
        headers = {"Authorization": "Bearer " + os.environ["TOKEN"]} | ({"Last-Event-ID": last} if last else {})
        url = f"https://localhost:{os.environ['PORT']}/sse/{os.environ['VIN']}"
        try:
            with connect_sse(client, "GET", url, headers=headers) as source:
                if source.response.status_code == 401:
                    print(json.dumps({"ended": "token"}), flush=True)
                    break
                for event in source.iter_sse():
                    last = event.id or last
                    print(json.dumps({"event": event.json(), "id": event.id}), flush=True)
        except httpx.TransportError:
            pass
"""

EVENT_SOURCE = """
import { EventSource } from %r;
const { PORT, TOKEN, VIN } = process.env;
const source = new EventSource(`https://localhost:${PORT}/sse/${VIN}?token=${TOKEN}`);
const print = (value) => process.stdout.write(JSON.stringify(value) + "\\n");
source.onmessage = (event) => print({ event: JSON.parse(event.data), id: event.lastEventId });
source.onerror = (error) => { if (source.readyState === 2) print({ ended: error.code === 401 ? "token" : String(error.code) }); };
"""

CURL = """
import json, os, subprocess
url = f"https://localhost:{os.environ['PORT']}/sse/{os.environ['VIN']}?token={os.environ['TOKEN']}"
while True:
    command = ["curl", "--silent", "--show-error", "--fail", "--no-buffer", "--compressed", "--cacert", os.environ["CA"], url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as curl:
        for line in curl.stdout:
            if line.startswith("data: ") and line.endswith("\\n"):  # the last one may be cut
                print(json.dumps({"event": json.loads(line.removeprefix("data: "))}), flush=True)
        if "401" in curl.stderr.read():
            print(json.dumps({"ended": "token"}), flush=True)
            break
"""

EVENT_SOURCE_DRIVER = EVENT_SOURCE % str(NODE_MODULES / "eventsource" / "dist" / "index.js")
COMMANDS = {
    "teslemetry-stream": [sys.executable, "-c", TESLEMETRY],
    "httpx-sse": [sys.executable, "-c", HTTPX],
    "eventsource": ["node", "--input-type=module", "-e", EVENT_SOURCE_DRIVER],
    "curl": [sys.executable, "-c", CURL],
}
RESUMING = ("httpx-sse", "eventsource")  # those that send Last-Event-ID
WEBSOCKET_CLIENT = ["node", str(ROOT / "tests" / "programs" / "websocket_client.cjs")]


class DoorClient:
    """`with DoorClient(command, port, ca, token, vin) as client`: runs while the block does. `events`: in their order."""

    def __init__(self, command: list[str], port: int, ca: str, token: str, vin: str, **more: str) -> None:
        """`more`: variables of its environment."""
        variables = {"PORT": str(port), "CA": ca, "NODE_EXTRA_CA_CERTS": ca, "TOKEN": token, "VIN": vin} | more
        self.events: list[dict[str, Any]] = []
        self.closes: list[int] = []  # codes with which its connections ended, where it tells them
        self.ended: str | None = None
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"]} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # with what it starts itself
        )
        self._errors: list[str] = []
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._read_errors)]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            with self._changed:
                if "ended" in told:
                    self.ended = told["ended"]
                elif "closed" in told:
                    self.closes.append(told["closed"])
                else:
                    self.events.append(told["event"])
                self._changed.notify_all()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self._errors.extend(self.process.stderr)

    def wait_for(self, reached: Callable[[DoorClient], bool]) -> None:
        with self._changed:
            met = self._changed.wait_for(lambda: reached(self), BACK_S)
        assert met, f"it has {len(self.events)} events, the last ones {self.events[-3:]}; {''.join(self._errors)}"

    def wait_for_value(self, field: str, value: object) -> None:
        """Until the newest event that has this field has this value."""
        self.wait_for(lambda it: (it.values(field) or [None])[-1] == value)

    def values(self, field: str) -> list[object]:
        """Of all events so far, snapshots too."""
        return [event["data"][field] for event in self.events if field in event.get("data", {})]

    def pause(self) -> None:
        os.killpg(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
