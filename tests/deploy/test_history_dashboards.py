"""
The Grafana dashboards over PostgreSQL and InfluxDB: each panel's question, asked of the real database, filled by the simulator.

Grafana itself is in no registry here: what it puts in the place of its macros and variables is put there by these tests. Run by
`make test-outputs`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from teslafast.outputs.postgres_settings import table_name

from tests.support import ROOT
from tests.support.car_history import VIN, store_history

DEPLOY = ROOT / "deploy"
FILES = ["grafana-postgres.json", "grafana-influxdb.json"]


def dashboard(file: str) -> Any:
    return json.loads((DEPLOY / file).read_text())


def panels(file: str) -> list[dict[str, Any]]:
    return [panel for panel in dashboard(file)["panels"] if panel["type"] != "row"]


def titles(file: str) -> list[str]:
    return [panel["title"] for panel in panels(file)]


@pytest.mark.parametrize("file", FILES)
def test_no_two_panels_lie_upon_each_other_or_share_a_number(file: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard(file)["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    numbers = [panel["id"] for panel in dashboard(file)["panels"]]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("file", FILES)
def test_both_show_a_drive_a_charge_and_the_battery_over_months(file: str) -> None:
    rows = [panel["title"] for panel in dashboard(file)["panels"] if panel["type"] == "row"]
    assert rows == ["Now", "A drive", "A charge", "The battery over months"]
    assert titles(FILES[0])[:6] == titles(FILES[1])[:6]


# ---- PostgreSQL


@pytest.fixture(scope="module")
def postgres() -> Iterator[Any]:
    from collections import Counter

    from teslafast.outputs import Context
    from teslafast.outputs.postgres import PostgresOutput, PostgresSettings

    from tests.support.postgres import Postgres

    with Postgres() as database:
        settings = PostgresSettings(url=database.url, table=table_name("telemetry"))
        store_history(PostgresOutput(settings, Context("epoch", Counter())))
        database.do("ANALYZE")
        yield database


def filled_sql(question: str) -> str:
    """As Grafana asks it over the last 24 hours, with this vehicle chosen."""
    question = re.sub(r"\$__timeFilter\(([\w.]+)\)", r"\1 BETWEEN now() - INTERVAL '24 hours' AND now()", question)
    question = re.sub(r"\$__timeGroup\((\w+), \$__interval\)", r"to_timestamp(floor(extract(epoch FROM \1) / 60) * 60)", question)
    question = question.replace("$vin", VIN)
    assert "$" not in question, question
    return question


@pytest.mark.outputs
@pytest.mark.parametrize("title", titles(FILES[0]))
def test_a_panel_over_postgres_shows_something(postgres: Any, title: str) -> None:
    [panel] = [panel for panel in panels(FILES[0]) if panel["title"] == title]
    for target in panel["targets"]:
        found = postgres.ask(filled_sql(target["rawSql"]))
        assert found, "no rows"
        assert all(row[0] is not None for row in found)
        assert any(value is not None for row in found for value in row[1:])


@pytest.mark.outputs
def test_over_postgres_drives_charges_and_the_battery_are_believable(postgres: Any) -> None:
    questions = {panel["title"]: filled_sql(panel["targets"][0]["rawSql"]) for panel in panels(FILES[0])}
    drives = postgres.ask(questions["Drives"])
    assert all(miles is not None and 0 <= miles < 100 for _, _, miles, *_ in drives)
    assert any(miles > 1 and 100 < used < 600 and 10 < mph < 120 for _, _, miles, _, used, mph in drives if used and mph)
    charges = postgres.ask(questions["Charges"])
    assert any(low < high and kwh > 0 and kw > 5 for _, _, low, high, kwh, kw in charges if kwh and kw)
    battery = postgres.ask(questions["Energy of a full battery"])
    assert len(battery) > 10
    assert all(50 < kwh < 100 for _, kwh in battery)
    assert [vin for (vin,) in postgres.ask(dashboard(FILES[0])["templating"]["list"][1]["query"])] == [VIN]


# ---- InfluxDB


@pytest.fixture(scope="module")
def influxdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from tests.support.influx import Influx
    from tests.support.influx_stage import output_for

    folder: Path = tmp_path_factory.mktemp("influx")
    with Influx(folder) as database:
        store_history(output_for(database.url))
        yield database


def filled_influxql(question: str) -> str:
    question = question.replace("$timeFilter", "time > now() - 24h").replace("$__interval", "1m").replace("$vin", VIN)
    assert "$" not in question, question
    return question


@pytest.mark.outputs
@pytest.mark.parametrize("title", titles(FILES[1]))
def test_a_panel_over_influxdb_shows_something(influxdb: Any, title: str) -> None:
    [panel] = [panel for panel in panels(FILES[1]) if panel["title"] == title]
    for target in panel["targets"]:
        found = influxdb.ask(filled_influxql(target["query"]))
        assert any(value is not None for row in found for name, value in row.items() if name not in ("time", "vin"))


@pytest.mark.outputs
def test_over_influxdb_the_battery_is_believable_over_months(influxdb: Any) -> None:
    questions = {panel["title"]: filled_influxql(panel["targets"][0]["query"]) for panel in panels(FILES[1])}
    battery = [row["full battery"] for row in influxdb.ask(questions["Energy of a full battery"])]
    assert len(battery) > 10
    assert all(50 < kwh < 100 for kwh in battery)
    miles = [row["Odometer"] for row in influxdb.ask(questions["Distance a day"])]
    assert len(miles) > 60
    assert all(0 < one < 200 for one in miles[1:])
    assert [row["value"] for row in influxdb.ask(dashboard(FILES[1])["templating"]["list"][1]["query"])] == [VIN]
