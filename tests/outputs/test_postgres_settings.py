"""PostgreSQL's settings: what is taken, and what stops the start in one line that shows no password."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from teslafast.config import Settings
from teslafast.errors import Misconfigured
from teslafast.outputs import Context
from teslafast.outputs.postgres_settings import TableName
from teslafast.outputs.settings import planned

SERVER = Settings.from_env({"NODE_ENV": "development"})
URL = "postgres://me:secret@db.example.com/telemetry"


@pytest.mark.parametrize(
    "url", [URL, "postgresql://db/x?sslmode=verify-full", "postgres:///x?host=/var/run/postgresql", "postgres://[::1]:5433/x"]
)
def test_an_address_is_taken_as_libpq_takes_it(url: str) -> None:
    [plan] = planned({"POSTGRES_URL": url}, SERVER)
    assert (plan.name, plan.settings.url) == ("postgres", url)
    assert "secret" not in repr(plan.settings)


@pytest.mark.parametrize(
    "url", ["db.example.com", "mysql://secret@db/x", "postgres://", "postgres://db:0/x", "postgres://db:x/x"]
)
def test_another_address_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(
        Misconfigured, match="POSTGRES_URL: its value is not usable — give postgres://user:password@host"
    ) as caught:
        planned({"POSTGRES_URL": url}, SERVER)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "table"),
    [("telemetry", TableName("", "telemetry")), ("cars.Fleet_1", TableName("cars", "Fleet_1"))],
)
def test_a_table_may_be_in_a_schema(text: str, table: TableName) -> None:
    [plan] = planned({"POSTGRES_URL": URL, "POSTGRES_TABLE": text}, SERVER)
    assert plan.settings.table == table
    assert str(table) == text


@pytest.mark.parametrize("text", ['a"b', "a b", "a.b.c", ".a", "a.", "1a", "a;drop", "é", "x" * 49])
def test_a_name_that_is_more_than_a_name_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="POSTGRES_TABLE"):
        planned({"POSTGRES_URL": URL, "POSTGRES_TABLE": text}, SERVER)


def test_without_the_package_the_start_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "asyncpg":
            raise ModuleNotFoundError("No module named 'asyncpg'", name="asyncpg")
        return imported(name, *arguments, **options)

    [plan] = planned({"POSTGRES_URL": URL}, SERVER)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Misconfigured) as caught:
        plan.make(Context("epoch", Counter()))
    fault = "POSTGRES_URL: needs the package asyncpg, which is not installed"
    assert str(caught.value) == f'{fault} — pip install "teslafast[postgres]"'


def test_nothing_is_asked_of_it_that_no_variable_asks_for() -> None:
    nothing: Mapping[str, str] = {"POSTGRES_TABLE": "x"}
    assert planned(nothing, SERVER) == ()
