"""What the tests of ServerConnection share."""

import pytest

from tests.support.websocket_stage import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()
