"""What the tests of outputs share."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from teslafast.logs import log


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The runner's log lines above debug: what an operator sees."""
    monkeypatch.setattr(log, "propagate", True)
    caplog.set_level(logging.INFO, log.name)
    return lambda: [record.getMessage() for record in caplog.records]
