from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.nats_servers import NatsServers


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsServers]:
    with NatsServers(tmp_path) as servers:
        yield servers
