"""A running server in each layout, once for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.certificates import World
from tests.support.servers import Inside


@pytest.fixture(scope="module")
def plain() -> Iterator[Inside]:
    with Inside() as server:
        yield server


@pytest.fixture(scope="module")
def one_port(world: World) -> Iterator[Inside]:
    with Inside(world, REQUEST_CLIENT_CERT="true") as server:
        yield server


@pytest.fixture(scope="module")
def two_ports(world: World) -> Iterator[Inside]:
    with Inside(world, VEHICLE_PORT="0") as server:
        yield server
