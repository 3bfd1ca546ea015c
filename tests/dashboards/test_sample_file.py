"""Height models that change under a running server: heights are unknown then, and nothing ends."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from teslafast.dashboards.sample_file import SampleFile
from teslafast.logs import log

FORM = struct.Struct(">h")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "N52E013.hgt"
    path.write_bytes(struct.pack(">10000h", *range(10_000)))
    return path


@pytest.mark.parametrize("size", [0, 9_001])
def test_what_was_cut_off_is_unknown_and_said_once(
    path: Path, size: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "propagate", True)
    samples = SampleFile(path)
    assert (samples.size, samples.read(FORM, 2 * 4_500)) == (20_000, 4_500)
    os.truncate(path, size)
    assert [samples.read(FORM, 2 * 4_500), samples.read(FORM, 2 * 9_999)] == [None, None]
    assert samples.read(FORM, 2 * 100) == (100 if size else None)
    assert [record.getMessage() for record in caplog.records] == ["elevation_tile_unusable"]


def test_a_file_that_is_written_over_is_read_as_it_is_now(path: Path) -> None:
    samples = SampleFile(path)
    path.write_bytes(struct.pack(">10000h", *range(10_000, 0, -1)))
    assert samples.read(FORM, 0) == 10_000


def test_its_descriptor_goes_with_it(path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        SampleFile(path).read(FORM, 0)
    assert len(os.listdir("/proc/self/fd")) == before
