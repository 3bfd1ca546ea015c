"""
The engine over NATS JetStream: the one file that imports nats-py, and only a server with CLUSTER_URL imports it.

    requests   published with a reply subject of their own below one inbox; answers are told apart by its last word
    reading    an ephemeral push consumer made over a plain subscription: nats-py's own ordered consumer drops messages silently
               when too many wait, so holes are looked for by the stream's numbers instead, and flow control is answered here
    connection kept up by nats-py for ever; a server that hangs is noticed after two pings

What a server answers becomes one of engine.py's values (`nats_answers`). Nothing here decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import orjson

from ..logs import fields, log
from .access import INBOX
from .engine import Got, Later, Looked, Published, StreamMessage
from .nats_answers import config_of, got, looked, published, stream_config

EXPECTED_OF_SUBJECT = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_OF_STREAM = "Nats-Expected-Last-Sequence"
HEARTBEAT_NS = 1_000_000_000
INACTIVE_NS = 15_000_000_000  # a consumer that nobody listens to is gone after so long
FORGET_S = 30.0  # an answer that has not come by then is not waited for
PENDING_AT_MOST = 256 * 1024 * 1024  # bytes that wait for our callback: flow control keeps far below
SAID_AGAIN_S = 30.0  # the same trouble is logged again after so long


class NatsEngine:
    """
    options     nats-py's, for who we are and whom we trust
    limits      the stream's configuration, as it is made
    on_connected is called with each new connection after the first
    """

    def __init__(self, urls: Sequence[str], stream: str, limits: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self._urls = list(urls)
        self._stream = stream
        self._prefix = stream.lower()
        self.config = stream_config(stream, self._prefix, limits)
        self._options = dict(options)
        self._client: Any = None
        self._inbox = ""
        self._tokens = itertools.count(1)
        self._answers: dict[str, tuple[Callable[[Any], object], float]] = {}  # in the order of their making
        self._tasks: set[asyncio.Task[Any]] = set()
        self._subscription: Any = None
        self._consumer = ""
        self._reader = 0
        self._heard_s = 0.0
        self._said: dict[str, float] = {}
        self._closing = False
        self.last_error = ""
        self.found_config: dict[str, Any] = {}  # of the stream, as a server told it last
        self.on_connected: Callable[[], object] = lambda: None

    # ---- the connection

    async def connect(self) -> None:
        """Returns once there is a connection, however long that takes."""
        from nats.aio.client import Client

        self._client = Client()
        await self._client.connect(
            servers=self._urls,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            ping_interval=2,
            max_outstanding_pings=2,
            connect_timeout=2,
            pending_size=8 * 1024 * 1024,
            inbox_prefix=INBOX.encode(),
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
            **self._options,
        )
        self._inbox = self._client.new_inbox()
        await self._client.subscribe(f"{self._inbox}.*", cb=self._on_answer, pending_msgs_limit=0)

    @property
    def connected(self) -> bool:
        return self._client is not None and bool(self._client.is_connected)

    @property
    def max_payload(self) -> int:
        return int(self._client.max_payload)

    @property
    def server(self) -> str:
        """Name and version of the server that we are connected to."""
        version = self._client.connected_server_version
        return f"nats-server {version}"

    async def close(self) -> None:
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
        if self._client is not None:
            with contextlib.suppress(Exception):  # it is over either way
                await self._client.close()

    async def _on_error(self, error: Exception) -> None:
        self.last_error = str(error) or type(error).__name__
        now_s = time.monotonic()
        if now_s - self._said.get(self.last_error, -SAID_AGAIN_S) >= SAID_AGAIN_S:
            if len(self._said) > 100:
                self._said.clear()
            self._said[self.last_error] = now_s
            log.warning("cluster_connection_error", extra=fields(reason=self.last_error[:300]))

    async def _on_disconnected(self) -> None:
        if not self._closing:
            log.warning("cluster_connection_lost", extra=fields(reason=self.last_error[:300]))

    async def _on_reconnected(self) -> None:
        log.info("cluster_connected", extra=fields(server=self.server))
        self.on_connected()

    # ---- requests

    def _spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _request(
        self, subject: str, payload: bytes, answer: Callable[[Any], object], headers: dict[str, str] | None = None
    ) -> None:
        """`answer(message)`: nats-py's, which may say that nobody was there to answer."""
        now_s = time.monotonic()
        while self._answers and next(iter(self._answers.values()))[1] < now_s - FORGET_S:
            del self._answers[next(iter(self._answers))]
        token = str(next(self._tokens))
        self._answers[token] = (answer, now_s)
        self._spawn(self._publish(subject, payload, f"{self._inbox}.{token}", headers))

    async def _publish(self, subject: str, payload: bytes, reply: str = "", headers: dict[str, str] | None = None) -> None:
        try:
            await self._client.publish(subject, payload, reply=reply, headers=headers)
        except (
            Exception
        ) as error:  # too much is buffered while it is away, or it is being closed: no answer, so it is tried again
            await self._on_error(error)

    async def _on_answer(self, message: Any) -> None:
        waiting = self._answers.pop(message.subject.rpartition(".")[2], None)
        if waiting is not None:
            try:
                waiting[0](message)
            except Exception as error:
                log.error(
                    "fault", extra=fields(cause=type(error).__name__, what="an answer of the cluster's log"), exc_info=error
                )

    def publish(
        self, subject: str, payload: bytes, expected: int, answer: Callable[[Published], object], *, of_stream: bool = False
    ) -> None:
        headers = {EXPECTED_OF_STREAM if of_stream else EXPECTED_OF_SUBJECT: str(expected)}
        self._request(f"{self._prefix}.{subject}", payload, lambda message: answer(published(message)), headers)

    def look(self, answer: Callable[[Looked], object]) -> None:
        def heard(message: Any) -> None:
            self.found_config = config_of(message) or self.found_config
            answer(looked(message))

        self._request(f"$JS.API.STREAM.INFO.{self._stream}", b"", heard)

    def make_stream(self, answer: Callable[[Looked], object]) -> None:
        subject = f"$JS.API.STREAM.CREATE.{self._stream}"
        self._request(subject, orjson.dumps(self.config), lambda message: answer(looked(message)))

    def get(self, number: int, answer: Callable[[Got], object]) -> None:
        self._get({"seq": number}, answer)

    def get_last(self, subject: str, answer: Callable[[Got], object]) -> None:
        self._get({"last_by_subj": f"{self._prefix}.{subject}"}, answer)

    def _get(self, what: Mapping[str, Any], answer: Callable[[Got], object]) -> None:
        self._request(f"$JS.API.DIRECT.GET.{self._stream}", orjson.dumps(what), lambda message: answer(got(message)))

    async def ask(self, make: Callable[[Callable[[Any], object]], None], patience_s: float) -> Any:
        """One of the requests above as a coroutine; Later if it was not answered in time."""
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        make(lambda value: None if answered.done() else answered.set_result(value))
        try:
            return await asyncio.wait_for(answered, patience_s)
        except TimeoutError:
            return Later(0.0)

    # ---- reading

    def heard_s(self) -> float:
        return self._heard_s

    def read(self, start: int, take: Callable[[StreamMessage], object]) -> None:
        self._reader += 1
        self._heard_s = time.monotonic()
        self._spawn(self._begin(self._reader, start, take))

    async def _begin(self, reader: int, start: int, take: Callable[[StreamMessage], object]) -> None:
        before, consumer = self._subscription, self._consumer
        self._subscription, self._consumer = None, ""
        deliver = self._client.new_inbox()

        async def on_message(message: Any) -> None:
            self._on_message(reader, take, message)

        try:
            if before is not None:
                await before.unsubscribe()
            subscription = await self._client.subscribe(
                deliver, cb=on_message, pending_msgs_limit=0, pending_bytes_limit=PENDING_AT_MOST
            )
        except Exception as error:  # no connection: when it is back, the node looks again
            await self._on_error(error)
            return
        if reader != self._reader:
            await subscription.unsubscribe()
            return
        self._subscription = subscription
        if consumer:
            self._spawn(self._publish(f"$JS.API.CONSUMER.DELETE.{self._stream}.{consumer}", b""))
        request = {"stream_name": self._stream, "config": _consumer_config(deliver, start)}
        self._request(
            f"$JS.API.CONSUMER.CREATE.{self._stream}", orjson.dumps(request), lambda message: self._made(reader, message)
        )

    def _made(self, reader: int, message: Any) -> None:
        said = _json(message)
        error = said.get("error")
        if error:
            self.last_error = f"no consumer: {error.get('description', error)}"
            log.warning("cluster_connection_error", extra=fields(reason=self.last_error))
        elif reader == self._reader:
            self._consumer = str(said.get("name", ""))
            self._heard_s = time.monotonic()

    def _on_message(self, reader: int, take: Callable[[StreamMessage], object], message: Any) -> None:
        if reader != self._reader:
            return
        self._heard_s = time.monotonic()
        headers = message.headers
        if headers is not None and not message.data and headers.get("Status") == "100":
            self._answer_flow_control(message, headers)
            return
        words = message.reply.split(".")
        if len(words) < 9 or words[0] != "$JS":
            return
        shift = 2 if len(words) > 9 else 0  # domain and account, behind a leaf node
        number, stored_ns = int(words[5 + shift]), int(words[7 + shift])
        try:
            take(StreamMessage(number, message.subject, stored_ns // 1_000_000, message.data))
        except Exception as error:
            log.error("fault", extra=fields(cause=type(error).__name__, what=f"message {number} of the log"), exc_info=error)

    def _answer_flow_control(self, message: Any, headers: Mapping[str, str]) -> None:
        """Over a plain subscription that is ours to do: unanswered, delivery stops for good."""
        reply = message.reply or headers.get("Nats-Consumer-Stalled", "")
        if reply:
            self._spawn(self._publish(reply, b""))


def _consumer_config(deliver: str, start: int) -> dict[str, Any]:
    return {
        "deliver_subject": deliver,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": max(1, start),
        "ack_policy": "none",
        "replay_policy": "instant",
        "mem_storage": True,
        "num_replicas": 1,
        "flow_control": True,
        "idle_heartbeat": HEARTBEAT_NS,
        "inactive_threshold": INACTIVE_NS,
    }


def _json(message: Any) -> dict[str, Any]:
    try:
        said = orjson.loads(message.data)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
