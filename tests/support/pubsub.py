"""
Google's Pub/Sub emulator, and a subscriber over its REST interface.

    PubsubEmulator    it keeps everything in memory: topics and subscriptions are gone with it
    subscribe, pull   of one topic
"""

from __future__ import annotations

import http.client
import json
import time
from base64 import b64decode
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.peers import PATIENCE_S
from tests.support.started import Started

PROGRAM = Path("/usr/lib/google-cloud-sdk/platform/pubsub-emulator/bin/cloud-pubsub-emulator")
PROJECT = "my-project"


class Pulled(NamedTuple):
    attributes: dict[str, str]
    body: bytes
    ordering_key: str


class PubsubEmulator(Started):
    @property
    def environment(self) -> dict[str, str]:
        return {"PUBSUB_PROJECT_ID": PROJECT, "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{self.port}"}

    def command(self) -> list[str]:
        return [str(PROGRAM), "--host=127.0.0.1", f"--port={self.port}"]

    def probe(self) -> None:
        super().probe()
        try:
            self.ask("GET", "topics")
        except http.client.HTTPException as error:
            raise OSError(str(error)) from None

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
