"""What the tests of outputs share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from teslafast.logs import log

if TYPE_CHECKING:
    from tests.support.postgres import Postgres


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The runner's log lines above debug: what an operator sees."""
    monkeypatch.setattr(log, "propagate", True)
    caplog.set_level(logging.INFO, log.name)
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One for all: it takes a second to make."""
    from tests.support.postgres import Postgres  # wants a package that only the tests of outputs have

    with Postgres() as server:
        yield server


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Postgres]:
    """The server, empty."""
    yield postgres
    postgres.do("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "GRANT USAGE ON SCHEMA public TO public")
