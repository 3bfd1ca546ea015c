"""How fast a node is sent what stands in the log, by a real NATS server: gently while others write, and never too slowly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from teslafast.cluster import nats_reader
from teslafast.cluster.engine import StreamMessage
from teslafast.cluster.nats_answers import limits_of
from teslafast.cluster.nats_engine import NatsEngine
from teslafast.cluster.nats_reader import GENTLE_BITS_S, READ_AT_MOST_BITS_S, SAMPLE
from teslafast.cluster.nats_session import NatsSession
from teslafast.config import Settings

from tests.cluster.test_nodes import settings
from tests.support.nats_servers import NatsServers
from tests.support.peers import PATIENCE_S

LENGTH = 3 * SAMPLE


@asynccontextmanager
async def connected(nats: NatsServers, messages: int) -> AsyncIterator[NatsEngine]:
    """An engine, and a stream that has been given so many messages just now."""
    told = Settings.from_env({"NODE_ENV": "development"} | settings(nats))
    session = NatsSession(told)
    engine = NatsEngine(session, "TF", limits_of(told))
    await session.connect()
    await engine.ask(engine.make_stream, PATIENCE_S)
    for number in range(1, messages + 1):
        await engine.client.publish("tf.run", b"%d" % number)
        if number % 100 == 0:
            await engine.client.request("tf.run", b"", timeout=PATIENCE_S)
    try:
        yield engine
    finally:
        await session.close()


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not reached():  # noqa: ASYNC110 — nothing tells of it
            await asyncio.sleep(0.01)


async def paces(engine: NatsEngine) -> list[int]:
    """Of the stream's consumers, in bits a second; asked for until there is one."""
    while True:
        said: dict[str, Any] = orjson.loads((await engine.client.request("$JS.API.CONSUMER.LIST.TF", b"", timeout=5)).data)
        if said["consumers"]:
            return [one["config"]["rate_limit_bps"] for one in said["consumers"]]


def numbers_read(nats: NatsServers, messages: int, then: Callable[[NatsEngine], Any]) -> tuple[list[int], Any]:
    """What a reader was given of so many messages; and what `then` found out when it had them all."""

    async def read() -> tuple[list[int], Any]:
        numbers: list[int] = []

        def take_half(found: list[StreamMessage], place: int) -> int:
            half = found[place : place + len(found) // 2]
            numbers.extend(one.number for one in half)
            return place + len(half)

        async with connected(nats, messages) as engine:
            last = messages + messages // 100
            engine.read(1, lambda message: numbers.append(message.number), take_half)
            await until(lambda: len(numbers) >= last)
            return numbers, await then(engine)

    return asyncio.run(read())


def test_while_others_write_it_is_sent_gently(nats: NatsServers) -> None:
    numbers, found = numbers_read(nats, LENGTH, paces)
    assert (numbers, found) == ([*range(1, len(numbers) + 1)], [GENTLE_BITS_S])


def test_a_log_in_which_nobody_writes_is_sent_at_once(nats: NatsServers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_reader, "SAMPLE_S", -PATIENCE_S)  # as if that were long ago
    assert numbers_read(nats, LENGTH, paces)[1] == [READ_AT_MOST_BITS_S]


def test_whoever_lacks_only_a_little_is_sent_it_at_once(nats: NatsServers) -> None:
    assert numbers_read(nats, SAMPLE // 5, paces)[1] == [READ_AT_MOST_BITS_S]


def test_a_log_that_the_gentle_pace_does_not_catch_up_with_is_sent_faster(
    nats: NatsServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_reader, "QUICKEN_S", 0.2)
    monkeypatch.setattr(nats_reader, "ENOUGH_OF_PACE", 0.0)

    async def quickened(engine: NatsEngine) -> list[int]:
        async with asyncio.timeout(PATIENCE_S):
            while await paces(engine) != [READ_AT_MOST_BITS_S]:
                await engine.client.publish("tf.run", b"more")
        return await paces(engine)

    numbers, found = numbers_read(nats, LENGTH, quickened)
    assert found == [READ_AT_MOST_BITS_S]
    assert numbers == [*range(1, len(numbers) + 1)], "none is lost or twice when it goes over"
