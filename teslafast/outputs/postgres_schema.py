"""
The tables in PostgreSQL: made, and brought from each version to the next, by whoever connects first.

    TABLE           one row for each value: time, vin, field, num or str; (vin, field, time, epoch, seq) is its key
    TABLE_events    one row for each alert, error or connectivity event, as JSON
    TABLE_epochs    the log's epochs, numbered: what is four bytes in a row is sixteen in a log
    TABLE_schema    which versions have been made, and when

A row's key holds its event's id, so that the same event is there once however often it is sent; and it begins as queries do.
Where the extension timescaledb is, the first two become hypertables, and of the first what is COMPRESSED_AFTER old is compressed.
What the extension's licence or version does not have is logged, and plain tables work as well.

Every question is asked within a transaction: outside of one, a pooler may give each step of it another connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import Undelivered
from ..logs import fields, log
from .postgres_settings import TableName

COMPRESSED_AFTER = "14 days"  # longer than any outage that a vehicle sends its data again after: late rows are slow there
_CHUNK = "7 days"  # a car's week is some 10 MB; TimescaleDB wants a chunk's indexes to fit into memory

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE {table} (
            time timestamptz NOT NULL,
            vin text NOT NULL,
            field text NOT NULL,
            num double precision,
            str text,
            epoch integer NOT NULL,
            seq bigint NOT NULL,
            resend boolean NOT NULL,
            PRIMARY KEY (vin, field, time, epoch, seq)
        )""",
        """CREATE TABLE {events} (
            time timestamptz NOT NULL,
            vin text NOT NULL,
            type text NOT NULL,
            body jsonb NOT NULL,
            epoch integer NOT NULL,
            seq bigint NOT NULL,
            PRIMARY KEY (vin, time, epoch, seq)
        )""",
        "CREATE TABLE {epochs} (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, epoch text NOT NULL UNIQUE)",
        "COMMENT ON TABLE {table} IS 'teslafast: one row for each value that a vehicle sent; num for numbers and booleans, "
        "str for text and booleans, neither where the vehicle says that the value is invalid'",
    ),
)

_HYPERTABLE = (
    "SELECT create_hypertable('{table}'::regclass, 'time', chunk_time_interval => INTERVAL '"
    + _CHUNK
    + "', if_not_exists => TRUE)",
    "SELECT create_hypertable('{events}'::regclass, 'time', chunk_time_interval => INTERVAL '"
    + _CHUNK
    + "', if_not_exists => TRUE)",
    "ALTER TABLE {table} SET (timescaledb.compress, timescaledb.compress_segmentby = 'vin, field', "
    "timescaledb.compress_orderby = 'time DESC, epoch, seq')",
    "SELECT add_compression_policy('{table}'::regclass, INTERVAL '" + COMPRESSED_AFTER + "', if_not_exists => TRUE)",
)


async def prepare(connection: Any, name: TableName, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Makes what is missing, in one transaction. Raises Undelivered if the tables are another program's, or newer than we are."""
    async with connection.transaction():
        # two servers that start together: the second one finds it done. Not looked at before, because a session remembers
        # which tables it has not found
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"teslafast {name}")
        version = await made(connection, name)
        for number, statements in enumerate(migrations[version:], version + 1):
            await _migrate(connection, name, number, statements)
    if version > len(migrations):
        raise Undelivered(f"the table {name} has version {version}, this teslafast knows {len(migrations)}: update it")
    if version < len(migrations):
        log.info("postgres_schema_made", extra=fields(table=str(name), version=len(migrations)))
    if version == 0:
        await _make_hypertables(connection, name)


async def made(connection: Any, name: TableName) -> int:
    """The version of the tables, 0 if there are none. Raises Undelivered if the table is another program's."""
    there, ours = await connection.fetchrow(
        "SELECT to_regclass($1) IS NOT NULL, to_regclass($2) IS NOT NULL", name.quoted(), name.quoted("_schema")
    )
    if there and not ours:
        raise Undelivered(f"the table {name} is not teslafast's: set POSTGRES_TABLE to another name")
    return int(await connection.fetchval(f"SELECT max(version) FROM {name.quoted('_schema')}")) if ours else 0  # noqa: S608


async def epoch_number(connection: Any, name: TableName, epoch: str) -> int:
    """By what rows name the log's epoch."""
    table = name.quoted("_epochs")
    async with connection.transaction():
        await connection.execute(f"INSERT INTO {table} (epoch) VALUES ($1) ON CONFLICT DO NOTHING", epoch)  # noqa: S608
        return int(await connection.fetchval(f"SELECT id FROM {table} WHERE epoch = $1", epoch))  # noqa: S608


def _filled(statement: str, name: TableName) -> str:
    return statement.format(table=name.quoted(), events=name.quoted("_events"), epochs=name.quoted("_epochs"))


async def _migrate(connection: Any, name: TableName, number: int, statements: Sequence[str]) -> None:
    versions = name.quoted("_schema")
    if number == 1:
        made_at = "made_at timestamptz NOT NULL DEFAULT now()"
        await connection.execute(f"CREATE TABLE {versions} (version integer PRIMARY KEY, {made_at})")
    for statement in statements:
        await connection.execute(_filled(statement, name))
    await connection.execute(f"INSERT INTO {versions} (version) VALUES ($1)", number)  # noqa: S608


async def _make_hypertables(connection: Any, name: TableName) -> None:
    """Each step for itself: the first that the extension refuses ends it, and what was made is of use all the same."""
    from asyncpg import PostgresError

    async with connection.transaction():
        version = await connection.fetchval("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    if version is None:
        return
    for statement in _HYPERTABLE:
        try:
            async with connection.transaction():
                await connection.execute(_filled(statement, name))
        except PostgresError as error:
            log.warning("postgres_not_compressed", extra=fields(table=str(name), timescaledb=version, reason=str(error)))
            return
    log.info("postgres_hypertable", extra=fields(table=str(name), timescaledb=version, compressed_after=COMPRESSED_AFTER))
