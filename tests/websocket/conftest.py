"""What the tests of ServerConnection share."""

import asyncio
from collections.abc import Iterator

import pytest
import uvloop

from tests.support.websocket_stage import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner.get_loop()
