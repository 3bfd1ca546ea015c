"""The documents name every interval that a dashboard may ask for."""

from __future__ import annotations

import re

import pytest
from teslafast.dashboards.subscription import INTERVALS_MS

from tests.support.documents import pages


@pytest.mark.parametrize("interval", INTERVALS_MS)
def test_every_interval_is_named(interval: int) -> None:
    assert any(re.search(rf"interval=MS.*\b{interval}\b", page.read_text()) for page in pages())
