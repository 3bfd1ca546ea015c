"""Lines leave through a thread: whoever stalls the log stalls nobody else."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator

import pytest
from teslafast.log_writer import QUEUED_AT_MOST, LogWriter

LINE = "x" * 1000


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        with contextlib.suppress(OSError):  # a test has closed it
            os.close(descriptor)


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("teslafast", logging.INFO, "", 0, text, None, None)


def read_all(reader: int, into: list[bytes]) -> None:
    while data := os.read(reader, 1 << 16):
        into.append(data)


def test_lines_are_written_whole_and_in_order(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = LogWriter(descriptor)
    for number in range(100):
        writer.handle(record(f"line {number}"))
    writer.close()
    assert os.read(reader, 1 << 16).decode().splitlines() == [f"line {number}" for number in range(100)]


def test_a_stalled_reader_costs_lines_but_nobody_waits_and_the_loss_is_told(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = LogWriter(descriptor)
    count = 2 * QUEUED_AT_MOST // len(LINE)
    for _ in range(count):
        writer.handle(record(LINE))  # returns although nobody reads: the pipe takes 64 KiB, the queue QUEUED_AT_MOST
    dropped = writer.dropped
    assert 0 < dropped < count
    read: list[bytes] = []
    thread = threading.Thread(target=read_all, args=(reader, read))
    thread.start()
    while writer._written_bytes < writer._put_bytes:
        writer.flush()
    writer.handle(record("after"))
    writer.close()
    os.close(descriptor)
    thread.join()
    lines = b"".join(read).decode().splitlines()
    assert lines[-2:] == ["log_lines_dropped", "after"]
    assert lines.count(LINE) == count - dropped


def test_a_reader_that_has_gone_raises_nothing_and_is_counted(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    os.close(reader)
    writer = LogWriter(descriptor)
    writer.handle(record("nobody hears this"))
    writer.close()
    assert writer.dropped == 1


def test_invalid_unicode_costs_no_line(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = LogWriter(descriptor)
    writer.handle(record("a\ud800b"))
    writer.close()
    assert os.read(reader, 1 << 16) == b"a\\ud800b\n"


def test_a_descriptor_that_somebody_has_made_non_blocking_costs_no_line(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    os.set_blocking(descriptor, False)
    writer = LogWriter(descriptor)
    for _ in range(1000):
        writer.handle(record(LINE))  # a megabyte: the pipe takes 64 KiB of it
    read: list[bytes] = []
    thread = threading.Thread(target=read_all, args=(reader, read))
    thread.start()
    writer.close()
    while writer._written_bytes < writer._put_bytes:
        writer.flush()
    os.close(descriptor)
    thread.join()
    assert b"".join(read).decode().splitlines() == [LINE] * 1000
    assert writer.dropped == 0
