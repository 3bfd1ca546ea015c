"""The ten questions of docs/outputs/postgres.md and influx.md, asked of real databases that the simulator has filled."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.deploy.test_history_dashboards import influxdb, postgres
from tests.support import ROOT

pytestmark = pytest.mark.outputs
__all__ = ["influxdb", "postgres"]  # fixtures


def questions(page: str, language: str) -> list[tuple[str, str]]:
    """(what is asked, the question in the database's words) of a page."""
    text = (ROOT / "docs" / "outputs" / page).read_text()
    return re.findall(rf"^(\S[^\n]*\?)[^\n]*\n\n```{language} question\n(.*?)\n```", text, re.MULTILINE | re.DOTALL)


SQL, INFLUXQL = questions("postgres.md", "sql"), questions("influx.md", "influxql")


def test_there_are_ten_of_each() -> None:
    assert (len(SQL), len(INFLUXQL)) == (10, 10)


@pytest.mark.parametrize(("asked", "sql"), SQL, ids=[asked for asked, _ in SQL])
def test_postgres_answers(postgres: Any, asked: str, sql: str) -> None:
    found = postgres.ask(sql)
    assert found, asked
    assert any(all(value is not None for value in row) for row in found) or "last that is known" in asked


@pytest.mark.parametrize(("asked", "influxql"), INFLUXQL, ids=[asked for asked, _ in INFLUXQL])
def test_influxdb_answers(influxdb: Any, asked: str, influxql: str) -> None:
    found = influxdb.ask(influxql)
    assert any(all(value is not None for value in row.values()) for row in found) or "Where did it" in asked, found[:3]
    assert any(value is not None for row in found for name, value in row.items() if name not in ("time", "vin"))
