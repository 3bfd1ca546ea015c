"""
What PostgreSQL costs this process: µs of CPU an event of 14 fields, in batches as 1,000 events a second make them.

    python -m bench.outputs.postgres [--events 10240] [--rounds 5] [--clients]

The database is a real one, in processes of its own, whose work is not counted. `--clients` compares the ways to get rows there:
ours over asyncpg, asyncpg's own encoder, and psycopg with our rows. Of the rounds the lowest and the median are shown: other work
on the machine makes the same work cost more. The bar is 60 µs.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import uvloop
from teslafast.outputs import Context, Event
from teslafast.outputs.field_values import moment_ms, plain_values
from teslafast.outputs.postgres import PostgresOutput, PostgresSettings
from teslafast.outputs.postgres_rows import COPY_END, COPY_HEADER, VALUE_COLUMNS, RowEncoder
from tests.support.postgres import Postgres

from bench.outputs.load import Send, arguments, compared_in_batches, told_turns


async def through_asyncpg_s_encoder(connection: Any, events: Sequence[Event]) -> None:
    records = []
    for event in events:
        parsed = orjson.loads(event.text)
        moment = datetime.fromtimestamp(moment_ms(parsed["createdAt"], event.time_ms) / 1000, UTC)
        for name, value in plain_values(parsed["data"]):
            number = None if isinstance(value, str | None) else float(value)
            text = value if isinstance(value, str) else None
            records.append((moment, event.vin, name, number, text, 0, event.seq, False))
    async with connection.transaction():
        await connection.copy_records_to_table("telemetry", records=records, columns=VALUE_COLUMNS)


async def through_psycopg(connection: Any, rows: RowEncoder, events: Sequence[Event]) -> None:
    statement = f"COPY telemetry ({', '.join(VALUE_COLUMNS)}) FROM STDIN (FORMAT binary)"
    async with connection.transaction(), connection.cursor().copy(statement) as copy:
        async for part in _parts(rows, events):
            await copy.write(part)


async def _parts(rows: RowEncoder, events: Sequence[Event]) -> AsyncIterator[bytes]:
    yield COPY_HEADER
    for start in range(0, len(events), 16):
        yield b"".join([rows.rows(event).values for event in events[start : start + 16]])
    yield COPY_END


async def measured(database: Postgres, events: int, rounds: int, clients: bool) -> None:
    output = PostgresOutput(PostgresSettings(url=database.url), Context("0123456789abcdef", Counter()))
    await output.connect()
    ways: dict[str, Send] = {"output": output.send}
    if clients:
        import asyncpg
        import psycopg

        other = await asyncpg.connect(database.url)
        third = await psycopg.AsyncConnection.connect(database.url, autocommit=True)
        rows = RowEncoder(2)
        ways["asyncpg's encoder"] = lambda work: through_asyncpg_s_encoder(other, work)
        ways["psycopg"] = lambda work: through_psycopg(third, rows, work)
    await compared_in_batches(ways, events, rounds)
    await told_turns(output.send, 512, first=1)
    await output.close()


def main() -> None:
    options = arguments(__doc__, "--clients")
    with Postgres() as database, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measured(database, options.events, options.rounds, options.clients))


if __name__ == "__main__":
    main()
