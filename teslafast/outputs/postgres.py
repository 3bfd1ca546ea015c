"""
PostgreSQL and TimescaleDB: each value of each event is a row, exactly once.

    batch ──▶ rows ──COPY──▶ one transaction                       the usual way
                    └─ a key is there already ──▶ COPY into a temporary table, INSERT … ON CONFLICT DO NOTHING

A batch whose commit nobody heard of comes again, whole: then its keys are there already, and what is there stays as it is. So the
key of a row, which holds its event's id, makes it exactly once; nothing is remembered beside the data.

asyncpg runs on the event loop, and only waits there: names are looked up in the loop's threads, and the database's answers are
awaited. Rows are made SLICE events at a time, with a turn of the loop between.

    error of the database             what follows
    data that it cannot take (22…)    the batch is halved until the event is found; that one is dropped (`refused`)
    it is away, or shuts down         Unreachable
    anything else                     Undelivered, with its words: tried again until somebody has mended it
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from ..disk_thread import DiskReader
from ..errors import Undelivered, Unreachable
from ..logs import fields, log
from . import Context, Event
from .postgres_rows import COPY_END, COPY_HEADER, EVENT_COLUMNS, VALUE_COLUMNS, RowEncoder
from .postgres_schema import epoch_number, made, prepare
from .postgres_settings import PostgresSettings
from .runner_options import REFUSED

__all__ = ["PostgresOutput", "PostgresSettings"]

SLICE = 16  # events: some 0.3 ms of the event loop
DATABASE_CONNECT_S = 10.0
COMMAND_S = 55.0  # less than a runner's patience, so that the reason is the database's
_STAGE = "teslafast_stage"
_OTHER_COLUMNS = "22P03"  # a binary value of another length: every event would be refused, and none is to blame
_AWAY = ("08", "57P")  # connection exceptions; it shuts down, has crashed, or starts up


class PostgresOutput:
    def __init__(self, settings: PostgresSettings, context: Context) -> None:
        import asyncpg

        self._asyncpg: Any = asyncpg
        # The last: what was under way when the connection broke off leaves asyncpg's own state behind, until it is opened anew.
        self._errors = asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError
        self._settings = settings
        self._files = DiskReader("postgres_files")
        self._url = settings.url
        self._table = settings.table
        self._context = context
        context.dropped[REFUSED] += 0  # a counter is there before it counts
        self._connection: Any = None
        self._rows = RowEncoder(0)
        self._refused: set[int] = set()  # seqs of the batch that is being sent

    # ---- of an Output

    async def connect(self) -> None:
        self._connection = await self._opened()
        try:
            await prepare(self._connection, self._table)
            self._rows = RowEncoder(await epoch_number(self._connection, self._table, self._context.epoch))
        except self._errors as error:
            raise self._trouble(error) from None

    async def send(self, events: Sequence[Event]) -> None:
        try:
            await self._store([event for event in events if event.seq not in self._refused])
        except self._errors as error:
            raise self._trouble(error) from None
        self._refused.clear()

    async def check(self) -> str:
        """Makes no table; says what `connect` would find."""
        try:
            self._connection = await self._opened()
            async with self._connection.transaction():
                return await self._found(self._connection)
        except self._errors as error:
            raise self._trouble(error) from None
        finally:
            await self.close()

    async def _found(self, connection: Any) -> str:
        """Raises Undelivered if the table is missing, and may not be made."""
        version = await made(connection, self._table)
        timescale = await connection.fetchval("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
        server = f"PostgreSQL {connection.get_server_version().major}" + (f" with TimescaleDB {timescale}" if timescale else "")
        if version:
            return f"logged in to {server}; the table {self._table} is there"
        allowed = "SELECT has_schema_privilege(coalesce(nullif($1, ''), current_schema()), 'CREATE')"
        if not await connection.fetchval(allowed, self._table.schema):
            raise Undelivered(f"the user may not make the table {self._table}: GRANT CREATE ON SCHEMA … TO that user")
        return f"logged in to {server}; the table {self._table} will be made at the first start"

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=0.5)
            finally:
                connection.terminate()

    # ---- the connection

    async def _opened(self) -> Any:
        try:
            await self._files.look_at(self._settings.files())
            return await self._asyncpg.connect(
                self._url,
                timeout=DATABASE_CONNECT_S,
                command_timeout=COMMAND_S,
                statement_cache_size=0,  # pgbouncer gives each transaction another connection
                server_settings={"application_name": "teslafast"},
            )
        except TimeoutError:
            raise Unreachable(f"the database does not answer within {DATABASE_CONNECT_S:g} s") from None
        except (OSError, ValueError) as error:  # ValueError: what the URL's query says, such as an unknown sslmode
            kind = Unreachable if isinstance(error, OSError) else Undelivered
            raise kind(f"the database cannot be reached: {error}") from None
        except self._errors as error:
            raise self._trouble(error) from None

    def _trouble(self, error: Exception) -> Undelivered:
        """What the database, or asyncpg, has said, as what it means here. It names no password."""
        state = getattr(error, "sqlstate", None)
        gone = self._connection is None or self._connection.is_closed() or isinstance(error, self._asyncpg.InternalClientError)
        away = state.startswith(_AWAY) if state else gone
        words = " ".join(str(error).split()) or type(error).__name__
        return (Unreachable if away else Undelivered)(f"the database says: {words}" if state else words)

    # ---- rows

    async def _store(self, events: Sequence[Event]) -> None:
        """In one transaction; in several, if the database cannot take one of the events."""
        try:
            try:
                await self._copy(events, staged=False)
            except self._asyncpg.UniqueViolationError:
                await self._copy(events, staged=True)
        except self._asyncpg.DataError as error:
            if error.sqlstate == _OTHER_COLUMNS:
                raise Undelivered(f"the columns of {self._table} are not as they were made ({error})") from None
            if len(events) > 1:
                half = len(events) // 2
                await self._store(events[:half])
                await self._store(events[half:])
                return
            log.warning("postgres_event_dropped", extra=fields(seq=events[0].seq, reason=str(error)))
            self._context.give_up(events[0].seq, REFUSED)
            self._refused.add(events[0].seq)

    async def _copy(self, events: Sequence[Event], staged: bool) -> None:
        others: list[bytes] = []
        async with self._connection.transaction():
            await self._copy_into("", VALUE_COLUMNS, self._values(events, others), staged)
            if others:
                await self._copy_into("_events", EVENT_COLUMNS, _whole(others), staged)

    async def _copy_into(self, ending: str, columns: Sequence[str], source: AsyncIterator[bytes], staged: bool) -> None:
        if not staged:
            schema = self._table.schema or None
            name = f"{self._table.table}{ending}"
            await self._connection.copy_to_table(name, schema_name=schema, columns=columns, source=source, format="binary")
            return
        table, stage, named = self._table.quoted(ending), f"{_STAGE}{ending}", ", ".join(columns)
        await self._connection.execute(f"CREATE TEMPORARY TABLE {stage} (LIKE {table}) ON COMMIT DROP")
        await self._connection.copy_to_table(stage, columns=columns, source=source, format="binary")
        await self._connection.execute(
            f"INSERT INTO {table} ({named}) SELECT {named} FROM {stage} ON CONFLICT DO NOTHING"  # noqa: S608 — names are checked
        )

    async def _values(self, events: Sequence[Event], others: list[bytes]) -> AsyncIterator[bytes]:
        """The values' rows as COPY takes them; those of other events are put into `others`."""
        yield COPY_HEADER
        for start in range(0, len(events), SLICE):
            rows = [self._rows.rows(event) for event in events[start : start + SLICE]]
            others += [row.events for row in rows if row.events]
            yield b"".join([row.values for row in rows])
            await asyncio.sleep(0)
        yield COPY_END


async def _whole(rows: Sequence[bytes]) -> AsyncIterator[bytes]:
    yield COPY_HEADER + b"".join(rows) + COPY_END
