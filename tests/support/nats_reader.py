"""
NATS' own client as a consumer, which knows nothing of our output.

    NatsReader       what a plain subscription gets, in a thread of its own
    stream_of(url)   all that a JetStream stream holds, in its order
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

import nats

from tests.support.peers import PATIENCE_S


class NatsMessage(NamedTuple):
    subject: str
    headers: dict[str, str]
    body: bytes


class NatsReader:
    """`with NatsReader(url, subject) as reader`: it is subscribed when the block begins."""

    def __init__(self, url: str, subject: str) -> None:
        self.got: list[NatsMessage] = []
        self._url, self._subject = url, subject
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._read()))

    async def _read(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()

        async def take(message: Any) -> None:
            self.got.append(NatsMessage(message.subject, message.headers or {}, message.data))

        client = await nats.connect(self._url)
        await client.subscribe(self._subject, cb=take)
        await client.flush()
        self._ready.set()
        await self._ended.wait()
        await client.close()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def until(self, reached: Callable[[list[NatsMessage]], bool]) -> list[NatsMessage]:
        until_s = time.monotonic() + PATIENCE_S
        while not reached(self.got):
            assert time.monotonic() < until_s, self.got[-1:]
            time.sleep(0.01)  # nothing tells of the next one
        return self.got


def make_stream(url: str, name: str, subject: str, **options: Any) -> None:
    async def make() -> None:
        client = await nats.connect(url)
        await client.jetstream().add_stream(name=name, subjects=[subject], **options)
        await client.close()

    asyncio.run(make())


def stream_of(url: str, name: str) -> list[NatsMessage]:
    async def read() -> list[NatsMessage]:
        client = await nats.connect(url)
        context = client.jetstream()
        count = (await context.stream_info(name)).state.messages
        pulled = await context.pull_subscribe("", stream=name, durable=f"reader{time.monotonic_ns()}")
        found: list[NatsMessage] = []
        while len(found) < count:
            for message in await pulled.fetch(500, timeout=5):
                found.append(NatsMessage(message.subject, message.headers or {}, message.data))
                await message.ack()
        await client.close()
        return found

    return asyncio.run(read())
