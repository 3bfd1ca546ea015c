"""A real server and a real InfluxDB 1, either of them killed: every acknowledged value is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.histories import caught_up, check_history, outage
from tests.support.influx import Influx
from tests.support.servers import Inside, spawn

pytestmark = pytest.mark.outputs


def odometers(influx: Influx) -> dict[str, list[float]]:
    """In the order of the points' times, which is the log's where vehicles give the same time to all."""
    found: dict[str, list[float]] = {}
    for row in influx.ask("SELECT Odometer FROM telemetry GROUP BY vin"):
        found.setdefault(row["vin"], []).append(row["Odometer"])
    return found


@pytest.mark.parametrize("also_the_server", [False, True])
def test_a_database_that_is_away_for_half_a_minute_under_load_loses_nothing(tmp_path: Path, also_the_server: bool) -> None:
    with Influx(tmp_path) as influx:
        environment = {"JOURNAL_PATH": str(tmp_path / "journal"), "INFLUX_URL": influx.url, "INFLUX_BUCKET": "telemetry"}
        load = outage(environment, "influx", influx.kill, influx.start, also_the_server)
        check_history(odometers(influx), load)


def test_a_server_starts_without_its_database_and_stores_everything_once_it_is_there(tmp_path: Path) -> None:
    influx = Influx(tmp_path)
    with Inside(INFLUX_URL=influx.url, INFLUX_BUCKET="telemetry") as server:
        server.lines.wait_for("output_connecting", output="influx")
        with server.place.vehicle("one") as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 64.5}})
        with influx:
            caught_up(server, "influx")
            assert [row["Soc"] for row in influx.ask("SELECT Soc FROM telemetry")] == [64.5]
            assert len(influx.ask("SELECT status FROM connectivity")) == 2


def test_the_command_checks_it_and_shows_no_token(tmp_path: Path) -> None:
    with Influx(tmp_path) as influx:
        variables = {"NODE_ENV": "development", "INFLUX_URL": influx.url, "INFLUX_BUCKET": "telemetry"}
        with spawn(["outputs", "check"], variables, stdout=-1, stderr=-1) as process:
            said, _ = process.communicate()
        assert (process.returncode, said) == (0, "✓ influx: 127.0.0.1 takes writes to telemetry (InfluxDB's v1 interface)\n")
        variables |= {"INFLUX_TOKEN": "s3cr3t-t0k3n", "INFLUX_ORG": "home"}
        with spawn(["outputs", "check"], variables, stdout=-1, stderr=-1) as process:
            said, complaint = process.communicate()
        assert process.returncode == 1
        assert "for InfluxDB 1 leave out INFLUX_ORG and INFLUX_TOKEN" in said
        assert "s3cr3t" not in said + complaint
