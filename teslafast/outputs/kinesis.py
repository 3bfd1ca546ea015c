"""
Kinesis: each record goes to its type's stream, with the VIN as partition key.

    batch ──▶ a queue for each stream and vehicle ──▶ PutRecords with the first of each ──▶ again, until the queues are empty

PutRecords promises no order among its records, and some may fail while others arrive. So no request holds two of one vehicle's:
the next goes when the one before it has its sequence number. What a shard throttles is tried again after a moment, while other
vehicles' records go on; of a batch that failed halfway only what is missing is sent again.

boto3 is the client: it knows every place where Amazon keeps credentials. It blocks, so it has one thread of its own, and calls
never overlap. aiobotocore would need no thread, but ties us to one version of botocore and reads credentials' files on the loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .._fanout import KINDS
from ..disk_thread import DiskThread, in_thread
from ..errors import Undelivered, Unreachable
from ..logs import fields, log
from . import Context, Event
from .kinesis_settings import KinesisSettings
from .runner_options import REFUSED
from .shapes import RECORD_TOPICS, topic

__all__ = ["KinesisOutput", "KinesisSettings"]

RECORDS_AT_MOST = 500  # in one request
REQUEST_BYTES = 4 * 1024 * 1024  # Kinesis takes 5 MiB, keys included
THROTTLED_ROUNDS = 6  # in a row in which nothing arrived: then it is the runner's turn to wait
THROTTLED_S = 0.05  # twice as long after each of them
CALL_CONNECT_S, CALL_READ_S = 5, 10
_BAD_RECORD = ("ValidationException", "InvalidArgumentException", "SerializationException")
_AWAY = ("InternalFailure", "ServiceUnavailable", "RequestTimeout", "500", "502", "503", "504")

_HOME = Path("~/.aws")  # what may hang, for the log

Queues = dict[str, deque[Event]]  # by VIN


class KinesisOutput:
    """`make_client`: boto3's, unless a test has one of its own. `pause` waits so many seconds."""

    def __init__(
        self,
        settings: KinesisSettings,
        context: Context,
        make_client: Callable[[], Any] | None = None,
        pause: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        import boto3
        import botocore.config
        import botocore.exceptions

        self._boto3: Any = boto3
        self._botocore: Any = botocore
        self._settings = settings
        self._context = context
        self._make_client = make_client or self._client_of_boto3
        self._pause = pause
        context.dropped[REFUSED] += 0  # a counter is there before it counts
        self._thread = DiskThread("kinesis", "nothing is sent")  # a daemon: boto3 reads files of the user's home
        self._client: Any = None
        self._answered: set[int] = set()  # seqs of the batch that is being sent

    # ---- of an Output

    async def connect(self) -> None:
        """Asks for a list of one stream: an answer, even a refusal, says that the service is there and knows us."""
        self._client = await self._called(self._make_client)
        try:
            await self._called(lambda: self._client.list_streams(Limit=1))
        except self._botocore.exceptions.ClientError as error:
            if _code(error) != "AccessDeniedException":  # that right is not needed
                raise self._trouble(error) from None

    async def send(self, events: Sequence[Event]) -> None:
        streams: dict[str, Queues] = {}
        for event in events:
            if event.seq not in self._answered:
                queues = streams.setdefault(self._settings.stream_of(topic(event)), {})
                queues.setdefault(event.vin, deque()).append(event)
        for stream, queues in streams.items():
            await self._empty(stream, queues)
        self._answered.clear()

    async def check(self) -> str:
        """Sends nothing. Each stream must be there, unless we may not look: writing needs no such right."""
        try:
            await self.connect()
            unseen = [stream for stream in self._streams() if not await self._is_seen(stream)]
            found = f"logged in to {self._client.meta.endpoint_url}"
            return f"{found}, without the right to look for {', '.join(unseen)}" if unseen else found
        finally:
            await self.close()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await in_thread(self._thread, _HOME, client.close)

    # ---- streams

    def _streams(self) -> list[str]:
        """Where records go, each once."""
        shared = self._context.shared
        kinds = shared.routes.kinds_of("kinesis") or shared.types
        return list(dict.fromkeys(self._settings.stream_of(RECORD_TOPICS[KINDS.index(kind)].decode()) for kind in kinds))

    async def _is_seen(self, stream: str) -> bool:
        """False: we may not look. Raises Undelivered if there is none of that name."""
        try:
            await self._called(lambda: self._client.describe_stream_summary(StreamName=stream))
        except self._botocore.exceptions.ClientError as error:
            if _code(error) == "AccessDeniedException":
                return False
            raise self._trouble(error, stream) from None
        return True

    # ---- records

    async def _empty(self, stream: str, queues: Queues) -> None:
        """Sends what is in the queues, each vehicle's in order."""
        fruitless = 0
        while queues:
            heads = _heads(queues)
            failure = await self._put(stream, heads)
            left = [event for event in heads if event.seq not in self._answered]
            for event in heads:
                if event.seq in self._answered:
                    queue = queues.pop(event.vin)
                    queue.popleft()
                    if queue:
                        queues[event.vin] = queue  # behind the others, which wait for their first
            fruitless = fruitless + 1 if len(left) == len(heads) else 0
            if fruitless >= THROTTLED_ROUNDS:
                raise Undelivered(f"the stream {stream} takes nothing: {failure}")
            if left:
                await self._pause(THROTTLED_S * 2**fruitless)

    async def _put(self, stream: str, events: Sequence[Event]) -> str:
        """One request; why some records failed, if they did. A record that Kinesis will never take is given up."""
        records = [{"Data": event.body, "PartitionKey": event.vin} for event in events]
        try:
            answer = await self._called(lambda: self._client.put_records(StreamName=stream, Records=records))
        except self._botocore.exceptions.ClientError as error:
            if _code(error) not in _BAD_RECORD:
                raise self._trouble(error, stream) from None
            if len(events) > 1:
                half = len(events) // 2
                return await self._put(stream, events[:half]) or await self._put(stream, events[half:])
            log.warning("kinesis_event_dropped", extra=fields(stream=stream, seq=events[0].seq, reason=_words(error)))
            self._context.give_up(events[0].seq, REFUSED)
            self._answered.add(events[0].seq)
            return ""
        failure = ""
        for event, one in zip(events, answer["Records"], strict=True):
            if one.get("ErrorCode"):
                failure = f"{one['ErrorCode']} {one.get('ErrorMessage') or ''}".strip()
            else:
                self._answered.add(event.seq)
        return failure

    # ---- boto3

    def _client_of_boto3(self) -> Any:
        session = self._boto3.session.Session(region_name=self._settings.region or None)
        config = self._botocore.config.Config(
            connect_timeout=CALL_CONNECT_S,
            read_timeout=CALL_READ_S,
            retries={"total_max_attempts": 1},  # the runner's turn
            tcp_keepalive=True,
            user_agent_extra="teslafast",
        )
        return session.client("kinesis", endpoint_url=self._settings.endpoint or None, config=config)

    async def _called(self, call: Callable[[], Any]) -> Any:
        """In the thread. Raises ClientError for what the service refuses, Undelivered for all else."""
        try:
            return await in_thread(self._thread, _HOME, call)
        except self._botocore.exceptions.ClientError:
            raise
        except self._botocore.exceptions.NoRegionError:
            raise Undelivered("no region is set: give AWS_REGION") from None
        except self._botocore.exceptions.NoCredentialsError:
            reason = "there are no credentials: give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role"
            raise Undelivered(reason) from None
        except (self._botocore.exceptions.ConnectionError, self._botocore.exceptions.HTTPClientError, OSError) as error:
            raise Unreachable(f"Kinesis cannot be reached: {' '.join(str(error).split())}") from None
        except self._botocore.exceptions.BotoCoreError as error:
            raise Undelivered(f"boto3 says: {' '.join(str(error).split())}") from None

    def _trouble(self, error: Exception, stream: str = "") -> Undelivered:
        """What the service has said, as what it means here."""
        if _code(error) == "ResourceNotFoundException":
            return Undelivered(f"the stream {stream} does not exist: make it, or give another name")
        return (Unreachable if _code(error) in _AWAY else Undelivered)(f"Kinesis says: {_words(error)}")


def _heads(queues: Queues) -> list[Event]:
    """The first of each vehicle's, as many as one request takes; at least one."""
    heads: list[Event] = []
    size = 0
    for vin, queue in queues.items():
        size += len(queue[0].body) + len(vin)
        if heads and (len(heads) == RECORDS_AT_MOST or size > REQUEST_BYTES):
            break
        heads.append(queue[0])
    return heads


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _words(error: Exception) -> str:
    return " ".join(str(error).split())
