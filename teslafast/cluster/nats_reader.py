"""
Reads a JetStream stream by an ephemeral push consumer over a plain subscription.

nats-py's own ordered consumer drops messages silently when too many wait. So holes are looked for by the stream's numbers
instead (follower.py), and flow control is answered here. Messages come by the short way of nats_parser; signs of life, flow
control, and everything if nats-py's parser could not be replaced, by the subscription.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from ..logs import fields, log
from .engine import StreamMessage, Take, TakeSeveral

if TYPE_CHECKING:
    from .nats_parser import DeliveryParser

HEARTBEAT_NS = 1_000_000_000
INACTIVE_NS = 15_000_000_000  # a consumer that nobody listens to is gone after so long
# What a node can take in, 200,000 events a second. Without it a NATS server sends whoever joins all that it can, and the others'
# events wait for the bursts: p99.9 of their dashboards was 13 to 26 ms meanwhile, and is 8 to 10 ms (bench/cluster/joining.py).
READ_AT_MOST_BITS_S = 400_000_000
PENDING_AT_MOST = 256 * 1024 * 1024  # bytes that wait for our callback: flow control keeps far below


async def unsubscribe(subscription: Any) -> None:
    """None, or one of a client that has been closed: there is nothing to end."""
    from nats.errors import BadSubscriptionError, ConnectionClosedError

    if subscription is not None:
        with contextlib.suppress(BadSubscriptionError, ConnectionClosedError):
            await subscription.unsubscribe()


class NatsLink(Protocol):
    """What the reader needs of the engine. `client`: nats-py's; `parser`: None if nats-py reads by itself."""

    @property
    def client(self) -> Any: ...
    @property
    def parser(self) -> DeliveryParser | None: ...
    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None: ...
    async def send(self, subject: str, payload: bytes) -> None: ...
    def request(self, subject: str, payload: bytes, answer: Callable[[Any], object]) -> None: ...
    async def on_error(self, error: Exception) -> None: ...


class NatsReader:
    """`heard_s`: when a message or a sign of life last came (monotonic)."""

    def __init__(self, stream: str, link: NatsLink) -> None:
        self._stream = stream
        self._link = link
        self._subscription: Any = None
        self._consumer = ""
        self._reader = 0
        self.heard_s = 0.0

    def read(self, start: int, take: Take, take_several: TakeSeveral) -> None:
        self._reader += 1
        self.heard_s = time.monotonic()
        self._link.spawn(self._begin(self._reader, start, take, take_several))

    async def _begin(self, reader: int, start: int, take: Take, take_several: TakeSeveral) -> None:
        before, consumer = self._subscription, self._consumer
        self._subscription, self._consumer = None, ""
        deliver = self._link.client.new_inbox()

        async def on_message(message: Any) -> None:
            one = self._on_message(reader, message)
            if one is not None:
                self._on_deliveries(reader, take, take_several, [one])

        try:
            await unsubscribe(before)
            subscription = await self._link.client.subscribe(
                deliver, cb=on_message, pending_msgs_limit=0, pending_bytes_limit=PENDING_AT_MOST
            )
        except Exception as error:  # no connection: when it is back, the node looks again
            await self._link.on_error(error)
            return
        if reader != self._reader:
            await subscription.unsubscribe()
            return
        self._subscription = subscription
        if self._link.parser is not None:
            self._link.parser.watch(subscription._id, partial(self._on_deliveries, reader, take, take_several))
        if consumer:
            self._link.spawn(self._link.send(f"$JS.API.CONSUMER.DELETE.{self._stream}.{consumer}", b""))
        request = {"stream_name": self._stream, "config": _consumer_config(deliver, start)}
        self._link.request(
            f"$JS.API.CONSUMER.CREATE.{self._stream}", orjson.dumps(request), lambda message: self._made(reader, message)
        )

    def _made(self, reader: int, message: Any) -> None:
        said = _json(message)
        error = said.get("error")
        if error:
            self._link.spawn(self._link.on_error(ConnectionError(f"no consumer: {error.get('description', error)}")))
        elif reader == self._reader:
            self._consumer = str(said.get("name", ""))
            self.heard_s = time.monotonic()

    def _on_message(self, reader: int, message: Any) -> StreamMessage | None:
        """What is delivered by it; None: it is a sign of life, or nobody's."""
        if reader != self._reader:
            return None
        self.heard_s = time.monotonic()
        headers = message.headers
        if headers is not None and not message.data and headers.get("Status") == "100":
            self._answer_flow_control(message, headers)
            return None
        words = message.reply.split(".")
        if len(words) < 9 or words[0] != "$JS":
            return None
        shift = 2 if len(words) > 9 else 0  # domain and account, behind a leaf node
        number, stored_ns = int(words[5 + shift]), int(words[7 + shift])
        return StreamMessage(number, message.subject, stored_ns // 1_000_000, message.data)

    def _on_deliveries(self, reader: int, take: Take, take_several: TakeSeveral, messages: list[StreamMessage]) -> None:
        self.heard_s = time.monotonic()
        place = 0
        while place < len(messages) and reader == self._reader:  # what one of them tells may begin another reading
            message, before = messages[place], place
            try:
                place = take_several(messages, place)
            except Exception as error:
                self._tell_fault(message, error)
            if place == before:
                place += 1
                try:
                    take(message)
                except Exception as error:
                    self._tell_fault(message, error)

    def _tell_fault(self, message: StreamMessage, error: Exception) -> None:
        what = f"message {message.number} of the log"
        log.error("fault", extra=fields(cause=type(error).__name__, what=what), exc_info=error)

    def _answer_flow_control(self, message: Any, headers: Mapping[str, str]) -> None:
        """Over a plain subscription that is ours to do: unanswered, delivery stops for good."""
        reply = message.reply or headers.get("Nats-Consumer-Stalled", "")
        if reply:
            self._link.spawn(self._link.send(reply, b""))


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
        "rate_limit_bps": READ_AT_MOST_BITS_S,
        "idle_heartbeat": HEARTBEAT_NS,
        "inactive_threshold": INACTIVE_NS,
    }


def _json(message: Any) -> dict[str, Any]:
    try:
        said = orjson.loads(message.data)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
