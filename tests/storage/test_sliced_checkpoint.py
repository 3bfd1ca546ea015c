"""Checkpoints of a running server: written in slices, and none any more once the last one is written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from teslafast.disk_thread import AtOnce
from teslafast.storage.sliced_checkpoint import MODE, SlicedCheckpoint
from teslafast.whole_file import WholeFile

CAPACITY = 1 << 20


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def lines(count: int = 3) -> Iterator[bytes]:
    return (b"%d\n" % number for number in range(count))


def test_a_checkpoint_is_due_at_the_first_and_after_a_sixteenth_of_the_ring(
    tmp_path: Path, loop: asyncio.AbstractEventLoop
) -> None:
    file = SlicedCheckpoint(tmp_path / "state", loop, 0, AtOnce())
    assert file.due(0, CAPACITY)
    file.begin(lines(), 1000, 7)
    assert not file.due(CAPACITY, CAPACITY)  # one at a time
    loop.run_until_complete(_saved(file, 7))
    assert not file.due(1000 + CAPACITY // 16 - 1, CAPACITY)
    assert file.due(1000 + CAPACITY // 16, CAPACITY)
    assert (tmp_path / "state").read_bytes() == b"".join(lines())


async def _saved(file: SlicedCheckpoint, seq: int) -> None:
    while file.saved_seq != seq:  # noqa: ASYNC110 — nothing tells of its end
        await asyncio.sleep(0)


@pytest.mark.parametrize("whole", [True, False])
def test_none_is_due_after_the_end_and_the_file_is_anybodys(tmp_path: Path, loop: asyncio.AbstractEventLoop, whole: bool) -> None:
    path = tmp_path / "state"
    file = SlicedCheckpoint(path, loop, 0, AtOnce())
    if whole:
        file.write_whole(lines())
    else:
        file.discard()
    assert not file.due(1 << 40, CAPACITY)
    WholeFile(path, MODE).discard()  # raises BlockingIOError if somebody still writes it
    assert [entry.name for entry in tmp_path.iterdir()] == (["state"] if whole else [])
