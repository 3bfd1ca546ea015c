"""
NATS: each event is a message of the subject NAMESPACE.VIN.KIND, as Teslemetry's server publishes it.

    without NATS_STREAM    the cursor moves when the server has answered a PING after a batch: it has it, and gives it to whoever
                           listens. Nobody listening is no fault.
    with it                when the stream has acknowledged every event of a batch. What is sent again is known to it by
                           Nats-Msg-Id for as long as its duplicate window.

nats-py runs on the event loop; it only writes and parses there. Events are published a slice at a time, with a turn of the loop
between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import orjson

from ..errors import Undelivered, Unreachable
from ..logs import fields, log
from . import Context, Event
from .nats_connection import NatsConnection
from .nats_settings import NatsSettings
from .runner_options import REFUSED
from .shapes import topic

__all__ = ["NatsOutput", "NatsSettings"]

NATS_SLICE = 32  # events: some 0.3 ms of the event loop
HEADERS_BYTES = 512  # at most; the server counts them as part of a message
ACK_S = 20.0
_TOO_LARGE = 10054  # of JetStream: the stream's max_msg_size
_KINDS = {"V": "data"}  # record types that have another name in a subject


class NatsOutput:
    def __init__(self, settings: NatsSettings, context: Context) -> None:
        for package in ("nats.aio.client", "nkeys"):
            import_module(package)  # a missing one stops the start, not the first connection
        self._settings = settings
        self._context = context
        context.dropped[REFUSED] += 0  # a counter is there before it counts
        self._connection: NatsConnection | None = None
        self._inbox = ""
        self._waiting: set[str] = set()  # seqs that the stream has not acknowledged
        self._acked = asyncio.Event()  # all of them
        self._fault = ""
        self._refused: set[int] = set()  # seqs of the batch that is being sent
        self._most_bytes = 0

    # ---- of an Output

    async def connect(self) -> None:
        self._connection = connection = NatsConnection(self._settings.urls, self._settings.creds_path)
        await connection.open()
        self._most_bytes = connection.client.max_payload - HEADERS_BYTES
        if self._settings.stream:
            self._inbox = await connection.answers(self._take)

    async def send(self, events: Sequence[Event]) -> None:
        from nats.errors import ConnectionClosedError

        try:
            await self._send(events)
        except ConnectionClosedError:  # before `gone` has told of it
            raise Unreachable("the connection has ended") from None

    async def _send(self, events: Sequence[Event]) -> None:
        self._waiting.clear()
        self._acked.clear()
        self._fault = ""
        left = [event for event in events if event.seq not in self._refused]
        for start in range(0, len(left), NATS_SLICE):
            await self._publish(left[start : start + NATS_SLICE])
            await asyncio.sleep(0)
        connection = self._opened()
        await connection.flush()
        if self._waiting:
            try:
                async with asyncio.timeout(ACK_S):
                    await connection.alive(self._acked.wait())
            except TimeoutError:
                raise Undelivered(f"the stream {self._settings.stream} has not acknowledged within {ACK_S:g} s") from None
        if self._fault:
            raise Undelivered(self._fault)
        self._refused.clear()

    async def attend(self) -> None:
        await self._opened().gone()

    async def flush(self, everything: bool) -> None:
        """Nothing is held back."""

    def held_from(self) -> None:
        """Nothing is held back."""

    async def check(self) -> str:
        try:
            await self.connect()
            client = self._opened().client
            said = f"connected to nats-server {client.connected_server_version}"
            return f"{said}; {await self._look_at_stream(client)}" if self._settings.stream else said
        finally:
            await self.close()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    # ---- one connection

    def _opened(self) -> NatsConnection:
        if self._connection is None:
            raise Undelivered("there is no connection")
        return self._connection

    def subject(self, event: Event) -> str:
        kind = topic(event)
        return f"{self._context.shared.namespace}.{event.vin}.{_KINDS.get(kind, kind)}"

    async def _publish(self, events: Sequence[Event]) -> None:
        connection, inbox, stream = self._opened(), self._inbox, self._settings.stream
        for event in events:
            body = event.body
            if len(body) > self._most_bytes:
                self._give_up(event.seq, f"it is larger than the server's max_payload, {self._most_bytes + HEADERS_BYTES} bytes")
                continue
            if connection.closed.is_set():
                await connection.gone()
            headers = {"Nats-Msg-Id": self._context.event_id(event)}
            reply = ""
            if stream:
                headers["Nats-Expected-Stream"] = stream
                self._waiting.add(str(event.seq))
                reply = f"{inbox}.{event.seq}"
            await connection.client.publish(self.subject(event), body, reply, headers)

    def _take(self, message: Any) -> None:
        """An acknowledgement, or why there is none."""
        number = message.subject.rpartition(".")[2]
        if number not in self._waiting:
            return
        self._waiting.discard(number)
        if message.headers:
            self._fault = f"no stream takes these subjects: give {self._settings.stream} {self._context.shared.namespace}.>"
        elif b'"error"' in message.data:
            self._judge(int(number), message.data)
        if not self._waiting:
            self._acked.set()

    def _judge(self, seq: int, answer: bytes) -> None:
        error = orjson.loads(answer).get("error", {})
        if error.get("err_code") == _TOO_LARGE:
            self._give_up(seq, error.get("description", ""))
        elif error:
            self._fault = f"the stream says: {error.get('description')}"

    def _give_up(self, seq: int, reason: str) -> None:
        log.warning("nats_event_dropped", extra=fields(seq=seq, reason=reason))
        self._context.give_up(seq, REFUSED)
        self._refused.add(seq)

    async def _look_at_stream(self, client: Any) -> str:
        from nats.js.errors import Error, NotFoundError

        name = self._settings.stream
        try:
            found = await client.jetstream().stream_info(name)
        except NotFoundError:
            raise Undelivered(f"there is no stream {name}: make it with the subject {self._context.shared.namespace}.>") from None
        except Error as error:
            raise Undelivered(f"the stream {name}: {error}") from None
        return f"the stream {name} takes {', '.join(found.config.subjects or ['no subject'])}"
