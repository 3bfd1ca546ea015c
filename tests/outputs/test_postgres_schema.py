"""The tables in a real PostgreSQL: who makes them, who may, what is said if not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from teslafast.errors import Undelivered, Unreachable
from teslafast.outputs import Context
from teslafast.outputs.postgres import PostgresOutput, PostgresSettings
from teslafast.outputs.postgres_schema import MIGRATIONS, made, prepare
from teslafast.outputs.postgres_settings import TableName

from tests.support.output_events import data
from tests.support.postgres import Postgres
from tests.support.postgres_stage import run, store

pytestmark = pytest.mark.outputs


# ---- the schema


def test_a_later_version_of_the_tables_is_made_from_an_earlier_one_with_its_rows(database: Postgres) -> None:
    store(database, [data(1, {"Soc": 1})])
    newer = (*MIGRATIONS, ("ALTER TABLE {table} ADD COLUMN note text DEFAULT 'old'",))

    async def scene(output: PostgresOutput) -> None:
        connection = output._connection
        await prepare(connection, TableName("", "telemetry"), newer)
        assert await made(connection, TableName("", "telemetry")) == len(newer)
        await prepare(connection, TableName("", "telemetry"), newer)

    run(database, scene)
    assert database.ask("SELECT num, note FROM telemetry") == [(1.0, "old")]
    assert database.ask("SELECT version FROM telemetry_schema ORDER BY version") == [(1,), (2,)]
    with pytest.raises(Undelivered, match="has version 2, this teslafast knows 1: update it"):
        store(database, [data(2, {"Soc": 2})])


def test_a_table_of_somebody_else_s_is_left_alone(database: Postgres) -> None:
    database.do("CREATE TABLE telemetry (id int)")
    with pytest.raises(Undelivered, match=r"is not teslafast's: set POSTGRES_TABLE"):
        store(database, [data(1, {"Soc": 1})])
    assert database.ask("SELECT count(*) FROM telemetry") == [(0,)]


def test_servers_that_start_together_make_the_tables_once(database: Postgres) -> None:
    async def scene() -> None:
        outputs = [PostgresOutput(PostgresSettings(url=database.url), Context(f"epoch {n}", Counter())) for n in range(6)]
        await asyncio.gather(*(one.connect() for one in outputs))
        await asyncio.gather(*(one.close() for one in outputs))

    asyncio.run(scene())
    assert database.ask("SELECT count(*) FROM telemetry_schema") == [(1,)]


def test_a_timescaledb_that_refuses_something_leaves_tables_that_work(database: Postgres, lines: Callable[[], list[str]]) -> None:
    """A stand-in for the extension, which no registry here has: it is listed, and refuses what its Apache edition refuses."""
    database.do(
        "SET allow_system_table_mods = on",
        "CREATE FUNCTION create_hypertable(regclass, name, chunk_time_interval interval, if_not_exists boolean) RETURNS text "
        "LANGUAGE sql AS $$ SELECT format('%s by %s', $1, $2) $$",
        "INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion) "
        "VALUES (99999, 'timescaledb', 10, 'public'::regnamespace, false, '2.99.0')",
    )
    try:
        store(database, [data(1, {"Soc": 1})])
    finally:
        database.do("DELETE FROM pg_extension WHERE extname = 'timescaledb'")
    assert "postgres_not_compressed" in lines()
    assert database.ask("SELECT num FROM telemetry") == [(1.0,)]


# ---- who is not let in


def test_a_user_without_rights_is_told_which_and_the_check_says_it_beforehand(database: Postgres) -> None:
    database.do("DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN PASSWORD 'guess'")
    url = database.url.replace("postgres@", "guest:guess@")

    async def nothing(_: PostgresOutput) -> None: ...

    with pytest.raises(Undelivered, match="the database says: permission denied for schema public"):
        run(database, nothing, url=url)
    with pytest.raises(Undelivered, match="GRANT CREATE ON SCHEMA"):
        asyncio.run(PostgresOutput(PostgresSettings(url=url), Context("check", Counter())).check())


def test_a_user_who_may_only_write_needs_no_more_once_the_tables_are_there(database: Postgres) -> None:
    store(database, [data(1, {"Soc": 1})])
    database.do(
        "DROP ROLE IF EXISTS writer", "CREATE ROLE writer LOGIN", "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO writer"
    )
    url = database.url.replace("postgres@", "writer@")
    run(database, lambda output: output.send([data(1, {"Soc": 1}), data(2, {"Soc": 2})]), url=url)
    assert database.ask("SELECT seq FROM telemetry ORDER BY seq") == [(1,), (2,)]
    database.do("DROP OWNED BY writer")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("/postgres", "/nowhere"), r'the database says: database "nowhere" does not exist'),
        (("postgres@", "nobody@"), r'the database says: role "nobody" does not exist'),
        (("/postgres", "/postgres?sslmode=require"), r"rejected SSL upgrade|SSL"),
        (("/postgres", "/postgres?sslmode=maybe"), "sslmode"),
    ],
)
def test_what_is_wrong_with_the_address_is_said(database: Postgres, change: tuple[str, str], expected: str) -> None:
    url = change[1].join(database.url.rsplit(change[0], 1))
    with pytest.raises(Undelivered, match=expected):
        asyncio.run(PostgresOutput(PostgresSettings(url=url), Context("check", Counter())).check())


def test_a_database_that_is_away_is_unreachable_and_one_that_ends_connections_too(database: Postgres) -> None:
    with pytest.raises(Unreachable, match="cannot be reached"):
        asyncio.run(PostgresOutput(PostgresSettings(url="postgres://127.0.0.1:1/x"), Context("check", Counter())).check())

    async def scene(output: PostgresOutput) -> None:
        await output.send([data(1, {"Soc": 1})])
        database.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'teslafast'")
        with pytest.raises(Unreachable):
            await output.send([data(2, {"Soc": 2})])
        await output.close()
        await output.connect()
        await output.send([data(2, {"Soc": 2})])

    run(database, scene)
    assert database.ask("SELECT seq FROM telemetry ORDER BY seq") == [(1,), (2,)]


def test_the_check_makes_nothing(database: Postgres) -> None:
    output = PostgresOutput(PostgresSettings(url=database.url), Context("check", Counter()))
    said = asyncio.run(output.check())
    assert said.startswith("logged in to PostgreSQL ")
    assert said.endswith("the table telemetry will be made at the first start")
    assert database.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    store(database, [data(1, {"Soc": 1})])
    assert asyncio.run(output.check()).endswith("the table telemetry is there")
