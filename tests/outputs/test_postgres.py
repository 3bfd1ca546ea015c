"""PostgreSQL, a real one: every value once, whatever is sent again or refused. Read with psycopg, not with asyncpg."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime

import asyncpg
import pytest
from teslafast.errors import Undelivered, Unreachable
from teslafast.outputs import Context
from teslafast.outputs.postgres import SLICE, PostgresOutput, PostgresSettings
from teslafast.outputs.postgres_rows import RowEncoder

from tests.support.output_events import EPOCH, RECEIVED_MS, VIN, alert, data, most_in_one_turn
from tests.support.postgres import Postgres
from tests.support.postgres_stage import run, store

pytestmark = pytest.mark.outputs


# ---- what is stored


def test_every_value_is_a_row_with_its_time_and_its_event(database: Postgres) -> None:
    values = {
        "Soc": 64.5,
        "Gear": "ShiftStateD",
        "Locked": True,
        "VehicleSpeed": None,
        "Location": {"latitude": 37.4, "longitude": -122.1},
    }
    store(database, [data(7, values, resend=True), data(8, {"Locked": False, "VehicleName": "Ünïcødé\0 🚗"})])
    rows = database.ask("SELECT time, vin, field, num, str, seq, resend FROM telemetry ORDER BY seq, field")
    moment = datetime(2026, 11, 23, 8, 0, 0, 123_000, UTC)
    assert rows == [
        (moment, VIN, "Gear", None, "ShiftStateD", 7, True),
        (moment, VIN, "Location_latitude", 37.4, None, 7, True),
        (moment, VIN, "Location_longitude", -122.1, None, 7, True),
        (moment, VIN, "Locked", 1.0, "true", 7, True),
        (moment, VIN, "Soc", 64.5, None, 7, True),
        (moment, VIN, "VehicleSpeed", None, None, 7, True),
        (moment, VIN, "Locked", 0.0, "false", 8, False),
        (moment, VIN, "VehicleName", None, "Ünïcødé\ufffd 🚗", 8, False),
    ]
    [(epoch,)] = database.ask(
        "SELECT DISTINCT epochs.epoch FROM telemetry JOIN telemetry_epochs epochs ON epochs.id = telemetry.epoch"
    )
    assert epoch == EPOCH


def test_alerts_errors_and_connectivity_are_rows_of_json(database: Postgres) -> None:
    store(database, [alert(1), data(2, {"Soc": 1}), alert(3, "a\0b\\u0000")])
    rows = database.ask("SELECT vin, type, body -> 'alerts' -> 0 ->> 'name', seq FROM telemetry_events ORDER BY seq")
    assert rows == [(VIN, "alerts", "VCFRONT_a182", 1), (VIN, "alerts", "a\ufffdb\\u0000", 3)]
    assert database.ask("SELECT count(*) FROM telemetry") == [(1,)]


def test_a_clock_that_cannot_be_right_does_not_make_a_time_that_cannot_be(database: Postgres) -> None:
    store(database, [data(1, {"Soc": 1}, created="2099-01-01T00:00:00Z"), data(2, {"Soc": 1}, created="1970-01-01T00:00:09Z")])
    received = datetime.fromtimestamp(RECEIVED_MS / 1000, UTC)
    assert database.ask("SELECT time FROM telemetry") == [(received,), (received,)]


def test_the_table_may_have_another_name_and_schema(database: Postgres) -> None:
    database.do("CREATE SCHEMA cars")
    store(database, [data(1, {"Soc": 64.5}), alert(2)], table="cars.Fleet")
    assert database.ask('SELECT num FROM cars."Fleet"') == [(64.5,)]
    assert database.ask('SELECT seq FROM cars."Fleet_events"') == [(2,)]
    database.do("DROP SCHEMA cars CASCADE")


# ---- exactly once


def test_what_comes_again_is_there_once_and_what_is_new_beside_it_is_stored(database: Postgres) -> None:
    first = [data(1, {"Soc": 1, "Gear": "ShiftStateP"}), alert(2)]
    store(database, first, [*first, data(3, {"Soc": 3}), alert(4)])
    store(database, [*first, data(5, {"Soc": 5})])
    assert database.ask("SELECT seq, count(*) FROM telemetry GROUP BY seq ORDER BY seq") == [(1, 2), (3, 1), (5, 1)]
    assert database.ask("SELECT seq FROM telemetry_events ORDER BY seq") == [(2,), (4,)]


def test_events_of_the_same_moment_are_all_there(database: Postgres) -> None:
    store(database, [data(seq, {"Odometer": seq}) for seq in range(1, 100)])
    assert database.ask("SELECT count(DISTINCT num), count(DISTINCT time) FROM telemetry") == [(99, 1)]


def test_the_same_seq_of_another_log_is_another_event(database: Postgres) -> None:
    store(database, [data(1, {"Soc": 1})])
    store(database, [data(1, {"Soc": 2})], context=Context("another epoch", Counter()))
    assert database.ask("SELECT num FROM telemetry ORDER BY num") == [(1.0,), (2.0,)]


def test_a_batch_that_fails_on_its_way_leaves_nothing_behind(database: Postgres) -> None:
    async def scene(output: PostgresOutput) -> None:
        database.do("ALTER TABLE telemetry_events RENAME TO away")
        with pytest.raises(Undelivered, match='the database says: relation "telemetry_events" does not exist'):
            await output.send([data(1, {"Soc": 1}), alert(2)])
        assert database.ask("SELECT count(*) FROM telemetry") == [(0,)]
        database.do("ALTER TABLE away RENAME TO telemetry_events")
        await output.send([data(1, {"Soc": 1}), alert(2)])

    run(database, scene)
    assert database.ask("SELECT count(*) FROM telemetry") == [(1,)]


def test_two_servers_that_write_the_same_events_at_once_store_each_once(database: Postgres) -> None:
    events = [data(seq, {"Soc": seq}) for seq in range(1, 200)]

    async def scene(output: PostgresOutput) -> None:
        other = PostgresOutput(PostgresSettings(url=database.url), Context(EPOCH, Counter()))
        await other.connect()
        await asyncio.gather(output.send(events), other.send(events))
        await other.close()

    run(database, scene)
    assert database.ask("SELECT count(*), count(DISTINCT seq) FROM telemetry") == [(199, 199)]


def test_a_batch_is_made_in_many_most_in_one_turn_the_event_loop(database: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    rows_of = RowEncoder.rows
    monkeypatch.setattr(RowEncoder, "rows", lambda self, event: made.append(event) or rows_of(self, event))  # type: ignore[func-returns-value]

    async def scene(output: PostgresOutput) -> None:
        events = [data(seq, {"Odometer": seq}) for seq in range(1, 513)]
        assert await most_in_one_turn(output.send(events), made) == SLICE
        assert len(made) == 512

    run(database, scene)


# ---- what cannot be stored


def test_an_event_that_the_database_cannot_take_is_dropped_alone(database: Postgres) -> None:
    context = Context(EPOCH, Counter())

    async def scene(output: PostgresOutput) -> None:
        # an index of the operator's own making, which cannot take every number
        database.do("CREATE INDEX ON telemetry (cast(num AS real))")
        await output.send([data(seq, {"Odometer": 1e300 if seq == 5 else seq}) for seq in range(1, 10)])

    run(database, scene, context)
    assert [seq for (seq,) in database.ask("SELECT seq FROM telemetry ORDER BY seq")] == [1, 2, 3, 4, 6, 7, 8, 9]
    assert (context.given_up, context.dropped) == ([5], {"refused": 1})


def test_columns_that_somebody_has_changed_cost_no_event(database: Postgres) -> None:
    context = Context(EPOCH, Counter())

    async def scene(output: PostgresOutput) -> None:
        database.do("ALTER TABLE telemetry ALTER num TYPE real")
        with pytest.raises(Undelivered, match="the columns of telemetry are not as they were made"):
            await output.send([data(1, {"Soc": 1}), data(2, {"Soc": 2})])
        database.do("ALTER TABLE telemetry ALTER num TYPE double precision")
        await output.send([data(1, {"Soc": 1}), data(2, {"Soc": 2})])

    run(database, scene, context)
    assert database.ask("SELECT count(*) FROM telemetry") == [(2,)]
    assert (context.given_up, context.dropped) == ([], {"refused": 0})


def test_what_asyncpg_cannot_go_on_from_is_a_connection_that_broke_off(
    database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, at times, when the database is killed while a statement is under way; the next connection does as ever."""

    def broken(*_: object, **__: object) -> None:
        raise asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")

    async def scene(output: PostgresOutput) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(output, "_copy", broken)
            with pytest.raises(Unreachable, match="cannot switch to state 15"):
                await output.send([data(1, {"Soc": 1})])
        await output.close()
        await output.connect()
        await output.send([data(1, {"Soc": 1})])

    run(database, scene)
    assert database.ask("SELECT count(*) FROM telemetry") == [(1,)]
