"""
Google's Pub/Sub emulator, and a subscriber over its REST interface.

    PubsubEmulator    it keeps everything in memory: topics and subscriptions are gone with it
    subscribe, pull   of one topic
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from base64 import b64decode
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.support.mosquitto import free_port
from tests.support.peers import PATIENCE_S

PROGRAM = Path("/usr/lib/google-cloud-sdk/platform/pubsub-emulator/bin/cloud-pubsub-emulator")
PROJECT = "my-project"


class Pulled(NamedTuple):
    attributes: dict[str, str]
    body: bytes
    ordering_key: str


class PubsubEmulator:
    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {"PUBSUB_PROJECT_ID": PROJECT, "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{self.port}"}

    def start(self) -> None:
        command = [str(PROGRAM), "--host=127.0.0.1", f"--port={self.port}"]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)
        until_s = time.monotonic() + PATIENCE_S
        while True:
            with suppress(OSError, http.client.HTTPException), socket.create_connection(("127.0.0.1", self.port)):
                self.ask("GET", "topics")
                return
            assert self._process.poll() is None, "the emulator has ended"
            assert time.monotonic() < until_s, "the emulator does not listen"
            time.sleep(0.02)  # nothing tells when it does

    def kill(self) -> None:
        """The program is a script that starts Java: all of its group."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def ask(self, method: str, path: str, said: object = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            body = None if said is None else json.dumps(said)
            connection.request(method, f"/v1/projects/{PROJECT}/{path}", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()

    def subscribe(self, topic: str, ordered: bool = False) -> None:
        """Makes the topic, too, if it is missing."""
        self.ask("PUT", f"topics/{topic}", {})
        words = {"topic": f"projects/{PROJECT}/topics/{topic}", "enableMessageOrdering": ordered, "ackDeadlineSeconds": 60}
        status, said = self.ask("PUT", f"subscriptions/of-{topic}", words)
        assert status == 200, said

    def pull(self, topic: str) -> list[Pulled]:
        """What is there by now, acknowledged."""
        words = {"maxMessages": 100, "returnImmediately": True}
        _, said = self.ask("POST", f"subscriptions/of-{topic}:pull", words)
        received = said.get("receivedMessages", [])
        if received:
            self.ask("POST", f"subscriptions/of-{topic}:acknowledge", {"ackIds": [one["ackId"] for one in received]})
        messages = [one["message"] for one in received]
        return [Pulled(one.get("attributes", {}), b64decode(one.get("data", "")), one.get("orderingKey", "")) for one in messages]

    def until(self, topic: str, count: int) -> list[Pulled]:
        found: list[Pulled] = []
        until_s = time.monotonic() + PATIENCE_S
        while len(found) < count:
            found += self.pull(topic)
            assert time.monotonic() < until_s, f"{len(found)} of {count} messages"
        return found

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
