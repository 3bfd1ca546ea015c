"""No test of the client waits for its back-off."""

import pytest


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teslafast.backoff.FIRST_S", 0.01)
