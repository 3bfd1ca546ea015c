"""
Kafka: each event is a record of the topic NAMESPACE_TYPE with its vehicle as the key, as Tesla's own server sends it.

    event ──produce──▶ librdkafka's queue ──▶ broker
                              │ a thread of our own polls it
    cursor ◀── all of a batch ┴─ delivery reports

librdkafka repeats what a broker has not confirmed, in order and without a double (idempotence). So a batch that it has taken
stays with it through an outage: `send` gives up waiting and says Unreachable, and the next `send` of the same events waits for
them again instead of sending them twice. A producer is replaced, and the batch given to the next one, if it has failed for good,
if the cluster has forgotten its topics, and if nothing has been delivered for STUCK_S although there is a connection.

    a delivery report says         what follows
    the record is too large, bad   the event is dropped (`refused`)
    anything else                  Undelivered, with its words: sent again until somebody has mended it
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from ..disk_thread import DiskReader
from ..errors import Undelivered, Unreachable
from ..logs import fields, log
from . import Context, Event
from .kafka_producer import Poller, made
from .kafka_settings import KafkaSettings
from .runner_options import REFUSED
from .shapes import metadata, topic

__all__ = ["KafkaOutput", "KafkaSettings"]

PRODUCE_SLICE = 64  # events: some 0.3 ms of the event loop
METADATA_S = 1.0  # a question to the cluster; asked again until KAFKA_CONNECT_S
KAFKA_CONNECT_S = 8.0
STUCK_S = 30.0  # as long as librdkafka waits for a broker's answer (request.timeout.ms)
FULL_S = 0.01  # librdkafka's queue is full: what is in it is on its way
EVENT_ID = "event_id"  # the header besides the seven of Tesla's server


class KafkaOutput:
    def __init__(self, settings: KafkaSettings, context: Context) -> None:
        """Raises Misconfigured if librdkafka does not take the settings."""
        import confluent_kafka

        self._kafka: Any = confluent_kafka
        self._settings = settings
        self._context = context
        context.dropped[REFUSED] += 0  # a counter is there before it counts
        codes = confluent_kafka.KafkaError
        self._bad = {codes.MSG_SIZE_TOO_LARGE, codes.INVALID_MSG, codes.INVALID_RECORD, codes.RECORD_LIST_TOO_LARGE}
        self._away = {codes._ALL_BROKERS_DOWN, codes._TRANSPORT, codes._TIMED_OUT, codes._RESOLVE, codes._DESTROY}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()  # all of a batch is through, or there is trouble
        self._trouble: Undelivered | None = None
        self._reason = ""  # what librdkafka said last of a broker
        self._topics: dict[int, str] = {}  # that events of these kinds have been sent to
        self._waiting: set[int] = set()  # seqs that librdkafka has taken and not reported on; the thread takes them out
        self._through: set[int] = set()  # seqs of this batch that have been delivered, or given up
        self._failed: dict[int, Any] = {}  # KafkaErrors of this batch, by seq
        self._broken = False  # the producer will deliver nothing any more
        self._files = DiskReader("kafka_files")
        self._producer: Any = made(confluent_kafka, settings, self._on_error)
        self._poller: Any = Poller(self._producer)

    # ---- of an Output

    async def connect(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._broken:
            await self._replace()
        self._poller.start()
        found = await self._metadata()
        if not set(self._topics.values()) <= found.topics.keys():  # it would wait for them for ever
            await asyncio.to_thread(self._poller.stop)
            await self._replace()
            self._poller.start()
        self._trouble, self._reason = None, ""

    async def send(self, events: Sequence[Event]) -> None:
        for start in range(0, len(events), PRODUCE_SLICE):
            for event in events[start : start + PRODUCE_SLICE]:
                if event.seq not in self._waiting and event.seq not in self._through:
                    await self._produce(event)
            await asyncio.sleep(0)
        while self._waiting:
            if self._trouble is not None:
                raise self._trouble
            self._news.clear()
            if self._waiting and self._trouble is None:
                await self._progress()
        self._judge(events)
        self._through.clear()

    async def _progress(self) -> None:
        """Until there is news. Raises if nothing at all is delivered."""
        left = len(self._waiting)
        try:
            async with asyncio.timeout(STUCK_S):
                await self._news.wait()
        except TimeoutError:
            if len(self._waiting) < left:
                return
            self._broken = True
            raise Undelivered(f"the cluster has confirmed nothing for {STUCK_S:g} s") from None

    async def attend(self) -> None:
        """Raises when the cluster has gone."""
        while self._trouble is None:
            self._news.clear()
            await self._news.wait()
        raise self._trouble

    async def flush(self, everything: bool) -> None:
        """Nothing is held back."""

    def held_from(self) -> None:
        """Nothing is held back."""

    async def check(self) -> str:
        try:
            self._loop = asyncio.get_running_loop()
            self._poller.start()
            found = await self._metadata()
            return f"connected to the cluster, {len(found.brokers)} broker{'' if len(found.brokers) == 1 else 's'}"
        finally:
            await self.close()

    async def close(self) -> None:
        """librdkafka keeps what it has taken, and goes on with it."""
        if self._poller is not None:
            await asyncio.to_thread(self._poller.stop)

    # ---- the producer

    async def _replace(self) -> None:
        old = [self._producer]
        self._producer = self._poller = None
        self._broken = True  # until there is another one
        await asyncio.to_thread(old.clear)  # librdkafka's threads end, with what they still have
        await self._look_at_files()
        self._producer = made(self._kafka, self._settings, self._on_error)
        self._poller = Poller(self._producer)
        self._waiting.clear()
        self._failed.clear()
        self._topics.clear()
        self._broken = False

    async def _look_at_files(self) -> None:
        """A producer that is made reads certificates and keys, on the event loop: its logger and its callbacks belong there."""
        try:
            await self._files.look_at(self._settings.files)
        except OSError as error:
            raise Undelivered(f"{error.filename}: {error.strerror}") from None

    async def _metadata(self) -> Any:
        clock = asyncio.get_running_loop().time
        until_s = clock() + KAFKA_CONNECT_S
        while True:
            try:
                return await asyncio.to_thread(self._producer.list_topics, timeout=METADATA_S)
            except self._kafka.KafkaException as error:
                if isinstance(self._trouble, Undelivered) and not isinstance(self._trouble, Unreachable):
                    trouble, self._trouble = self._trouble, None
                    raise trouble from None
                if self._reason or clock() > until_s:
                    raise self._said(error.args[0]) from None

    def _said(self, error: Any) -> Undelivered:
        reason = self._reason or str(error.str())
        kind = Unreachable if error.code() in self._away else Undelivered
        return kind(f"the cluster cannot be reached: {reason}" if kind is Unreachable else f"the cluster says: {reason}")

    async def _produce(self, event: Event) -> None:
        name = self._topics.get(event.kind)
        if name is None:
            name = self._topics[event.kind] = f"{self._context.shared.namespace}_{topic(event)}"
        headers = metadata(event) | {EVENT_ID: self._context.event_id(event).encode()}
        seq, key = event.seq, event.vin.encode()
        while True:
            self._waiting.add(seq)
            try:
                self._producer.produce(name, event.body, key, headers=headers, on_delivery=partial(self._delivered, seq))
                return
            except BufferError:
                self._waiting.discard(seq)
                if self._trouble is not None:
                    raise self._trouble from None
                await asyncio.sleep(FULL_S)
            except self._kafka.KafkaException as error:
                self._waiting.discard(seq)
                self._failed[seq] = error.args[0]
                return

    def _judge(self, events: Sequence[Event]) -> None:
        """After the reports on all of a batch: what is bad is given up; the first of the others is what went wrong."""
        failed, self._failed = self._failed, {}
        self._through.update(event.seq for event in events if event.seq not in failed)
        wrong: Any = None
        for seq, error in sorted(failed.items()):
            if error.code() in self._bad:
                log.warning("kafka_event_dropped", extra=fields(seq=seq, reason=error.str()))
                self._context.give_up(seq, REFUSED)
                self._through.add(seq)
            else:
                wrong = wrong or error
        if wrong is not None:
            raise self._said_of_delivery(wrong)

    def _said_of_delivery(self, error: Any) -> Undelivered:
        codes = self._kafka.KafkaError
        self._broken |= error.fatal() or error.code() in (codes._FATAL, codes._PURGE_QUEUE, codes._PURGE_INFLIGHT)
        kind = Unreachable if error.code() in self._away or error.code() == codes._MSG_TIMED_OUT else Undelivered
        return kind(f"the cluster says: {error.str()}")

    # ---- in the thread

    def _delivered(self, seq: int, error: Any, message: object) -> None:
        if seq not in self._waiting:
            return  # a producer that was replaced
        if error is not None:
            self._failed[seq] = error
        self._waiting.discard(seq)
        if not self._waiting:
            self._tell()

    def _on_error(self, error: Any) -> None:
        """Of a broker, or of all: librdkafka tries again by itself, and only the last word counts."""
        codes = self._kafka.KafkaError
        if error.fatal():
            self._broken = True
            self._trouble = Undelivered(f"the producer has failed: {error.str()}")
        elif error.code() in (codes._AUTHENTICATION, codes._SSL, codes.SASL_AUTHENTICATION_FAILED):
            self._reason = error.str()
            self._trouble = Undelivered(f"the cluster does not let us in: {error.str()}")
        elif error.code() == codes._ALL_BROKERS_DOWN:
            self._trouble = self._trouble or Unreachable(f"the cluster cannot be reached: {self._reason or error.str()}")
        else:
            self._reason = error.str()
            return
        self._tell()

    def _tell(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended before the thread: nobody waits for news any more
                self._loop.call_soon_threadsafe(self._news.set)
