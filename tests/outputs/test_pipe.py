"""JSON lines on standard output: a pipe that nobody reads, or that is closed, holds nobody up and tears no line."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from teslafast.errors import Undelivered
from teslafast.outputs import pipe as module
from teslafast.outputs.pipe import Pipe
from teslafast.outputs.rotating_file import Line

from tests.support.peers import PATIENCE_S

LARGE = 4096


def lines(first: int, last: int) -> list[Line]:
    """Far more than a pipe holds."""
    return [(seq, b'{"seq":%d,"pad":"%s"}\n' % (seq, b"x" * LARGE)) for seq in range(first, last + 1)]


def text(of: list[Line]) -> bytes:
    return b"".join(line for _, line in of)


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        os.close(descriptor)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stalled at once, as far as the pipe is concerned."""
    monkeypatch.setattr(module, "PIPE_STALLED_S", 0.0)
    monkeypatch.setattr(module, "PIPE_LOOK_S", 0.01)


class Reading:
    """Reads everything until `size` bytes have come."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.data = b""
        self._thread = threading.Thread(target=self._read, args=[descriptor, size])
        self._thread.start()

    def _read(self, descriptor: int, size: int) -> None:
        while len(self.data) < size:
            self.data += os.read(descriptor, 1 << 16)

    def all(self) -> bytes:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        return self.data


def test_lines_go_out_as_they_are(ends: tuple[int, int]) -> None:
    sent = lines(1, 50)
    reading = Reading(ends[0], len(text(sent)))
    Pipe(ends[1]).write(sent)
    assert reading.all() == text(sent)


def test_a_pipe_that_nobody_reads_counts_as_failed_and_goes_on_in_the_middle_of_a_line(
    ends: tuple[int, int], soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = lines(1, 50)
    pipe = Pipe(ends[1])
    for _ in range(3):
        with pytest.raises(Undelivered, match="is not read"):
            pipe.write(sent)
        pipe.close()
        pipe.open()
    assert os.read(ends[0], 10_000) == text(sent)[:10_000]
    monkeypatch.setattr(module, "PIPE_STALLED_S", PATIENCE_S)  # the reader is a thread, and may not be the next to run
    sent_rest = text(sent)[10_000:]
    reading = Reading(ends[0], len(sent_rest) + len(text(lines(51, 52))))
    pipe.write(sent)
    pipe.write(lines(51, 52))
    assert reading.all() == sent_rest + text(lines(51, 52))


def test_a_pipe_whose_reader_has_gone_counts_as_failed() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(Undelivered, match="nobody reads it any more"):
        Pipe(writing).write(lines(1, 1))
    os.close(writing)


def test_a_write_that_waits_ends_soon_when_it_is_given_up(ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIPE_STALLED_S", 10 * PATIENCE_S)
    pipe = Pipe(ends[1])
    pipe.give_up()
    with pytest.raises(Undelivered):
        pipe.write(lines(1, 50))
