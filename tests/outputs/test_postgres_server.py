"""A real server and a real PostgreSQL, either of them killed: every acknowledged value is in the table, once."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.support.histories import caught_up, check_history, outage
from tests.support.peers import SECRET
from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.support.servers import Inside, spawn

pytestmark = pytest.mark.outputs


def odometers(database: Postgres) -> dict[str, list[float]]:
    """In the order of the log; a row that was there twice would break the order's strictness in `twice`."""
    found: dict[str, list[float]] = {}
    for vin, number in database.ask("SELECT vin, num FROM telemetry WHERE field = 'Odometer' ORDER BY epoch, seq"):
        found.setdefault(vin, []).append(number)
    return found


@pytest.mark.parametrize("also_the_server", [False, True])
def test_a_database_that_is_away_for_half_a_minute_under_load_loses_nothing(tmp_path: Path, also_the_server: bool) -> None:
    with Postgres() as database:
        environment = {"JOURNAL_PATH": str(tmp_path / "journal"), "POSTGRES_URL": database.url}
        load = outage(environment, "postgres", database.kill, database.start, also_the_server)
        check_history(odometers(database), load)
        assert database.ask("SELECT seq FROM telemetry WHERE field = 'Odometer' GROUP BY epoch, seq HAVING count(*) > 1") == []


def test_a_server_starts_without_its_database_and_stores_everything_once_it_is_there(tmp_path: Path) -> None:
    database = Postgres()
    with Inside(POSTGRES_URL=database.url, POSTGRES_TABLE="cars") as server:
        server.lines.wait_for("output_connecting", output="postgres")
        with server.place.vehicle("one") as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 64.5}})
            vehicle.tell({"Gear": {"shiftStateValue": "ShiftStateD"}})
        with database:
            caught_up(server, "postgres")
            assert database.ask("SELECT field, num, str FROM cars ORDER BY seq") == [
                ("Soc", 64.5, None),
                ("Gear", None, "ShiftStateD"),
            ]
            assert database.ask("SELECT body ->> 'status' FROM cars_events ORDER BY seq") == [("CONNECTED",), ("DISCONNECTED",)]


def test_a_database_that_answers_nothing_holds_up_neither_vehicles_nor_dashboards() -> None:
    with Postgres() as database, Inside(POSTGRES_URL=database.url) as server:
        server.lines.wait_for("output_up", output="postgres")
        with server.place.vehicle("one") as vehicle, server.place.dashboard("?snapshot=0&type=data") as dashboard:
            vehicle.tell({"Odometer": {"doubleValue": 0.0}})
            database.signal_all(signal.SIGSTOP)
            for number in range(1, 1000):
                vehicle.tell({"Odometer": {"doubleValue": float(number)}})
            dashboard_saw = [dashboard.until("data")["data"]["Odometer"] for _ in range(1000)]
            assert dashboard_saw == [float(number) for number in range(1000)]
            assert server.place.get("/health").json["status"] == "ok"
            database.signal_all(signal.SIGCONT)
        caught_up(server, "postgres")
        assert odometers(database)["one"] == [float(number) for number in range(1000)]


def test_the_command_checks_the_database_and_the_doctor_repeats_it() -> None:
    with Postgres() as database:
        variables = {"NODE_ENV": "development", "POSTGRES_URL": database.url, "PORT": str(free_port()), "JWT_SECRET": SECRET}
        with spawn(["outputs", "check", "--json"], variables, stdout=-1) as process:
            said, _ = process.communicate()
        assert process.returncode == 0
        assert json.loads(said)["says"].startswith("logged in to PostgreSQL")
        with spawn(["doctor", "--json"], variables, stdout=-1) as process:
            said, _ = process.communicate()
        assert "logged in to PostgreSQL" in said
        database.kill()
        variables["POSTGRES_URL"] = database.url.replace("postgres@", "postgres:hunter2secret@")
        with spawn(["outputs", "check"], variables, stdout=-1, stderr=-1) as process:
            said, complaint = process.communicate()
        assert process.returncode == 1
        assert "hunter2secret" not in said + complaint
        assert "the database cannot be reached" in said
        database.start()
