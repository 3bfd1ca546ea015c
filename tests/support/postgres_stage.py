"""A PostgresOutput that stores events in a Postgres."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from teslafast.outputs import Context, Event
from teslafast.outputs.postgres import PostgresOutput, PostgresSettings
from teslafast.outputs.postgres_settings import table_name

from tests.support.output_events import EPOCH, run_output
from tests.support.postgres import Postgres


def run(
    database: Postgres,
    scene: Callable[[PostgresOutput], Awaitable[object]],
    context: Context | None = None,
    table: str = "telemetry",
    url: str = "",
) -> None:
    settings = PostgresSettings(url=url or database.url, table=table_name(table))
    run_output(lambda: PostgresOutput(settings, context or Context(EPOCH, Counter())), scene)


def store(database: Postgres, *batches: Sequence[Event], context: Context | None = None, table: str = "telemetry") -> None:
    async def scene(output: PostgresOutput) -> None:
        for batch in batches:
            await output.send(batch)

    run(database, scene, context, table)


def check(url: str) -> str:
    """What `teslafast outputs check` says."""
    return asyncio.run(PostgresOutput(PostgresSettings(url=url), Context("check", Counter())).check())
