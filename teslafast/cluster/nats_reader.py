"""
Reads a JetStream stream by an ephemeral push consumer over a plain subscription.

nats-py's own ordered consumer drops messages silently when too many wait. So holes are looked for by the stream's numbers
instead (follower.py), and flow control is answered here. Messages come by the short way of nats_parser; signs of life, flow
control, and everything if nats-py's parser could not be replaced, by the subscription.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from ..logs import fields, log
from .engine import Got, Looked, StreamInfo, StreamMessage, Take, TakeSeveral

if TYPE_CHECKING:
    from .nats_parser import DeliveryParser

HEARTBEAT_NS = 1_000_000_000
INACTIVE_NS = 15_000_000_000  # a consumer that nobody listens to is gone after so long
# More than a node can take in, 200,000 events a second. Without it a NATS server sends whoever joins all that it can.
READ_AT_MOST_BITS_S = 800_000_000
# While others are at work, their events would wait for the CPU of the servers that send so much (bench/cluster/joining.py). So
# much does not disturb them; twice as much after each QUICKEN_S, so that a log which grows as fast is caught up with.
GENTLE_BITS_S = 80_000_000
QUICKEN_S = 10.0
SAMPLE, SAMPLE_S = 500, 5.0  # at work: so many messages have been stored within so long
ENOUGH_OF_PACE = 0.7  # of what it may be sent: then it is the pace that holds it up
PACE_ANSWER_S = 0.5
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
    async def ask(self, make: Callable[[Callable[[Any], object]], None], patience_s: float) -> Any: ...
    def look(self, answer: Callable[[Looked], object]) -> None: ...
    def get(self, number: int, answer: Callable[[Got], object]) -> None: ...


class NatsReader:
    """`heard_s`: when a message or a sign of life last came (monotonic)."""

    def __init__(self, stream: str, link: NatsLink) -> None:
        self._stream = stream
        self._link = link
        self._subscription: Any = None
        self._consumer = ""
        self._reader = 0
        self._next = 0
        self.heard_s = 0.0

    def read(self, start: int, take: Take, take_several: TakeSeveral) -> None:
        self._reader += 1
        self._next = start
        self.heard_s = time.monotonic()
        self._link.spawn(self._begin_paced(self._reader, take, take_several))

    # ---- how fast

    async def _begin_paced(self, reader: int, take: Take, take_several: TakeSeveral) -> None:
        parser = self._link.parser
        bits_s = GENTLE_BITS_S if parser is not None and await self._others_work() else READ_AT_MOST_BITS_S
        if reader != self._reader:
            return
        await self._begin(reader, bits_s, take, take_several)
        while reader == self._reader and bits_s < READ_AT_MOST_BITS_S and parser is not None:
            before = parser.taken
            await asyncio.sleep(QUICKEN_S)
            if reader == self._reader and (parser.taken - before) * 8 > ENOUGH_OF_PACE * bits_s * QUICKEN_S:
                bits_s = min(2 * bits_s, READ_AT_MOST_BITS_S)
                self._reader = reader = self._reader + 1
                await self._begin(reader, bits_s, take, take_several)

    async def _others_work(self) -> bool:
        """Whether there is much to read, and others write at the same time."""
        info = await self._link.ask(self._link.look, PACE_ANSWER_S)
        if not isinstance(info, StreamInfo) or info.last - self._next < SAMPLE:
            return False
        earlier = await self._link.ask(partial(self._link.get, info.last - SAMPLE), PACE_ANSWER_S)
        return isinstance(earlier, StreamMessage) and info.now_ms - earlier.time_ms < SAMPLE_S * 1000

    # ---- a consumer

    async def _begin(self, reader: int, bits_s: int, take: Take, take_several: TakeSeveral) -> None:
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
        request = {"stream_name": self._stream, "config": _consumer_config(deliver, self._next, bits_s)}
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
        if reader != self._reader:
            return
        self.heard_s = time.monotonic()
        self._next = max(self._next, messages[-1].number + 1)
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


def _consumer_config(deliver: str, start: int, bits_s: int) -> dict[str, Any]:
    return {
        "deliver_subject": deliver,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": max(1, start),
        "ack_policy": "none",
        "replay_policy": "instant",
        "mem_storage": True,
        "num_replicas": 1,
        "flow_control": True,
        "rate_limit_bps": bits_s,
        "idle_heartbeat": HEARTBEAT_NS,
        "inactive_threshold": INACTIVE_NS,
    }


def _json(message: Any) -> dict[str, Any]:
    try:
        said = orjson.loads(message.data)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
