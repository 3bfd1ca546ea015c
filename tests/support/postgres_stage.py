"""Events for a PostgresOutput, and an output that stores them in a Postgres."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from teslafast.outputs import Context, Event
from teslafast.outputs.postgres import PostgresOutput, PostgresSettings
from teslafast.outputs.postgres_settings import table_name

from tests.support.postgres import Postgres

EPOCH = "0123456789abcdef"
VIN = "5YJ3E1EA7KF000001"
CREATED = "2026-11-23T08:00:00.123Z"
RECEIVED_MS = 1_795_420_801_000


def data(seq: int, values: dict[str, Any], vin: str = VIN, created: str = CREATED, resend: bool = False) -> Event:
    text = {"type": "data", "seq": seq, "vin": vin, "createdAt": created, "data": values, "isResend": resend}
    return Event(seq, 0, vin, orjson.dumps(text), RECEIVED_MS)


def alert(seq: int, name: str = "VCFRONT_a182") -> Event:
    alerts = [{"name": name, "startedAt": CREATED, "endedAt": None, "audiences": ["Customer"]}]
    text = {"type": "alerts", "seq": seq, "vin": VIN, "createdAt": CREATED, "alerts": alerts}
    return Event(seq, 1, VIN, orjson.dumps(text), RECEIVED_MS)


def run(
    database: Postgres,
    scene: Callable[[PostgresOutput], Awaitable[object]],
    context: Context | None = None,
    table: str = "telemetry",
    url: str = "",
) -> None:
    async def played() -> None:
        settings = PostgresSettings(url=url or database.url, table=table_name(table))
        output = PostgresOutput(settings, context or Context(EPOCH, Counter()))
        try:
            await output.connect()
            await scene(output)
        finally:
            await output.close()

    asyncio.run(played())


def store(database: Postgres, *batches: Sequence[Event], context: Context | None = None, table: str = "telemetry") -> None:
    async def scene(output: PostgresOutput) -> None:
        for batch in batches:
            await output.send(batch)

    run(database, scene, context, table)
