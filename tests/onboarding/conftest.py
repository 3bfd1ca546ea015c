"""What several files of this room stand on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_tesla import FakeTesla
from tests.support.fake_tesla_server import TeslaServer
from tests.support.upkeep_stage import Begin, UpkeepStage, stage


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    running: list[TeslaServer] = []

    def made(at: FakeTesla, **options: bool) -> UpkeepStage:
        running.append(TeslaServer(at).__enter__())
        return stage(running[0], tmp_path, **options)

    yield made
    for server in running:
        server.__exit__(None, None, None)
