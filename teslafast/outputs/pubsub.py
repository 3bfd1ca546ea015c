"""
Google Pub/Sub: each record is a message of its type's topic, NS_TYPE, with Tesla's seven attributes and `event_id`.

    connect ──▶ topics that are missing are made, as Tesla's server does it
    batch ──▶ a request for each topic and 200 messages, one after the other: Pub/Sub takes all of a request, or none

Of a batch that failed halfway only what is missing is sent again. The client is the outputs' own HTTP connection: publishing is
one POST, and google-cloud-pubsub would bring gRPC, its threads, and 60 MB of memory for it.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import orjson

from .._fanout import KINDS
from ..errors import Undelivered, Unreachable
from ..logs import fields, log
from ..urls import parse_url
from . import Context, Event
from .google_tokens import GoogleTokens, MachineAccount, ServiceAccount
from .http_client import HttpAnswer, retry_after_s
from .kept_connection import KeptConnection
from .pubsub_settings import GOOGLE, PubsubSettings
from .runner_options import REFUSED
from .shapes import RECORD_TOPICS, metadata, topic

__all__ = ["PubsubOutput", "PubsubSettings"]

MESSAGES_AT_MOST = 200  # in one request: some 2 ms of the event loop
MESSAGES_BYTES = 4 * 1024 * 1024  # of bodies; Pub/Sub takes 10 MB, in base64
ATTRIBUTE_BYTES = 1024
_PORTS = {"http": 80, "https": 443}
_WORDS_AT_MOST = 200  # characters of an answer in the log


class PubsubOutput:
    def __init__(self, settings: PubsubSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        context.dropped[REFUSED] += 0  # a counter is there before it counts
        url = parse_url(settings.emulator or settings.endpoint, _PORTS, default="https", example=GOOGLE)
        port = url.port or _PORTS[url.scheme]
        self._server = KeptConnection(url.hostname or "", port, encrypted=url.scheme == "https")
        self._tokens: GoogleTokens | None = None
        if not settings.emulator:
            self._tokens = (
                ServiceAccount(settings.credentials, f"{GOOGLE}/")
                if settings.credentials is not None
                else MachineAccount(settings.metadata_host)
            )
        self._answered: set[int] = set()  # seqs of the batch that is being sent

    # ---- of an Output

    async def connect(self) -> None:
        for name in self._topics():
            answer = await self._request("GET", name)
            if answer.status == 404:
                answer = await self._request("PUT", name, b"{}")
                if answer.status == 403:
                    raise Undelivered(f"the topic {name} does not exist, and we may not make it: {_said(answer)}")
            if answer.status not in (403, 409):  # a publisher need not see topics; somebody else made it just now
                self._judge(answer, name)

    async def send(self, events: Sequence[Event]) -> None:
        by_topic: dict[str, list[Event]] = {}
        for event in events:
            if event.seq not in self._answered:
                by_topic.setdefault(f"{self._context.shared.namespace}_{topic(event)}", []).append(event)
        for name, of_topic in by_topic.items():
            start = 0
            while start < len(of_topic):
                end, size = start, 0
                while end < len(of_topic) and end - start < MESSAGES_AT_MOST and size < MESSAGES_BYTES:
                    size += len(of_topic[end].body)
                    end += 1
                await self._publish(name, of_topic[start:end])
                start = end
        self._answered.clear()

    async def check(self) -> str:
        """Makes the topics that are missing, and publishes nothing."""
        try:
            await self.connect()
            return f"{self._server.host_header} lets us into the project {self._settings.project}"
        finally:
            await self.close()

    async def close(self) -> None:
        self._server.close()

    # ---- messages

    def _topics(self) -> list[str]:
        shared = self._context.shared
        kinds = shared.routes.kinds_of("pubsub") or shared.types
        return [f"{shared.namespace}_{RECORD_TOPICS[KINDS.index(kind)].decode()}" for kind in kinds]

    async def _publish(self, name: str, events: Sequence[Event]) -> None:
        """All of them, but for what Pub/Sub will never take."""
        body = orjson.dumps({"messages": [self._message(event) for event in events]})
        answer = await self._request("POST", f"{name}:publish", body)
        if answer.status not in (400, 413):
            self._judge(answer, name)
        elif len(events) > 1:
            half = len(events) // 2
            await self._publish(name, events[:half])
            await self._publish(name, events[half:])
            return
        else:
            log.warning("pubsub_event_dropped", extra=fields(topic=name, seq=events[0].seq, reason=_said(answer)))
            self._context.give_up(events[0].seq, REFUSED)
        self._answered.update(event.seq for event in events)

    def _message(self, event: Event) -> dict[str, Any]:
        attributes = {key: _attribute(value) for key, value in metadata(event).items()}
        attributes["event_id"] = self._context.event_id(event)
        message: dict[str, Any] = {"data": b64encode(event.body).decode(), "attributes": attributes}
        if self._settings.ordering:
            message["orderingKey"] = event.vin
        return message

    def _judge(self, answer: HttpAnswer, name: str) -> None:
        """Raises what the answer means, unless it is 2xx."""
        if 200 <= answer.status < 300:
            return
        if answer.status == 404:
            raise Undelivered(f"the topic {name} of the project {self._settings.project} does not exist: {_said(answer)}")
        error = (Unreachable if answer.status in (502, 503, 504) else Undelivered)(
            f"{self._server.host_header} answers {_said(answer)}"
        )
        error.retry_after_s = retry_after_s(answer, time.time())
        raise error

    # ---- the connection

    async def _request(self, method: str, path: str, body: bytes = b"") -> HttpAnswer:
        lines = [
            f"{method} /v1/projects/{self._settings.project}/topics/{path} HTTP/1.1",
            f"host: {self._server.host_header}",
            "user-agent: teslafast",
            "content-type: application/json",
            f"content-length: {len(body)}",
        ]
        if self._tokens is not None:
            lines.append(f"authorization: Bearer {await self._tokens.token()}")
        return await self._server.ask(("\r\n".join(lines) + "\r\n\r\n").encode() + body)


def _attribute(value: bytes) -> str:
    """As text, and no longer than Pub/Sub takes: a vehicle's odd txid must not cost its record."""
    text = value.decode("utf-8", "replace")
    return text if len(value) <= ATTRIBUTE_BYTES // 3 else text.encode()[:ATTRIBUTE_BYTES].decode("utf-8", "ignore")


def _said(answer: HttpAnswer) -> str:
    """The status, and the service's message."""
    try:
        words = str(orjson.loads(answer.body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        words = answer.body.decode("utf-8", "replace")
    return f"{answer.status} {' '.join(words[:_WORDS_AT_MOST].split())}".strip()
