"""Heights from GeoTIFFs that are made here: byte orders, strips and tiles, sample types, and everything that cannot be used."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.dashboards.elevation import height_model
from teslafast.errors import Misconfigured

COLUMNS, ROWS = 41, 31
STEP = 0.025  # degrees: from 13°E to 14°E, from 53°N to 52.25°N
LETTERS = {(1, 16): "H", (2, 16): "h", (2, 32): "i", (3, 32): "f", (3, 64): "d"}
Ground = Callable[[int, int], float]


def plane(row: int, column: int) -> float:
    """Ten metres a row southwards, one a column eastwards: whatever is drawn between samples lies in it."""
    return 10 * row + column


def geotiff(
    path: Path,
    ground: Ground = plane,
    *,
    order: str = "<",
    big: bool = False,
    sample: tuple[int, int] = (2, 16),
    block: tuple[int, int] | None = None,
    point: bool = False,
    change: dict[int, tuple[str, list[Any]] | None] | None = None,
) -> Path:
    """`block`: columns and rows of a tile, None = strips of eight rows. `change`: tags to set, or with None to leave out."""
    wide, high = block or (COLUMNS, 8)
    blocks = []
    for top in range(0, ROWS, high):
        for left in range(0, COLUMNS, wide):
            rows = range(top, top + high) if block else range(top, min(top + high, ROWS))
            kept = [ground(r, c) if r < ROWS and c < COLUMNS else 0 for r in rows for c in range(left, left + wide)]
            numbers = kept if sample[0] == 3 else [int(value) for value in kept]
            blocks.append(struct.pack(f"{order}{len(kept)}{LETTERS[sample]}", *numbers))
    body, offsets, at = b"".join(blocks), [], 16
    for one in blocks:
        offsets.append(at)
        at += len(one)
    corner = 0.0 if point else STEP / 2
    tags: dict[int, tuple[str, list[Any]] | None] = {
        256: ("H", [COLUMNS]),
        257: ("H", [ROWS]),
        258: ("H", [sample[1]]),
        259: ("H", [1]),
        277: ("H", [1]),
        339: ("H", [sample[0]]),
        33550: ("d", [STEP, STEP, 0.0]),
        33922: ("d", [0.0, 0.0, 0.0, 13.0 - corner, 53.0 + corner, 0.0]),
        34735: ("H", [1, 1, 0, 2, 1024, 0, 1, 2, 1025, 0, 1, 2 if point else 1]),
        **({322: ("H", [wide]), 323: ("H", [high]), 324: ("I", offsets)} if block else {273: ("I", offsets), 278: ("H", [high])}),
    }
    path.write_bytes(_assembled(order, big, body, tags | (change or {})))
    return path


def _assembled(order: str, big: bool, body: bytes, tags: dict[int, tuple[str, list[Any]] | None]) -> bytes:
    kinds = {"B": 1, "c": 2, "H": 3, "I": 4, "d": 12}
    place, count, inline = ("Q", "Q", 8) if big else ("I", "H", 4)
    said = [(tag, value) for tag, value in sorted(tags.items()) if value is not None]
    start = 16 + len(body)
    beyond = (
        start + struct.calcsize("=" + count) + len(said) * struct.calcsize(f"=HH{place}{place}") + struct.calcsize("=" + place)
    )
    entries, extra = b"", b""
    for tag, (letter, values) in said:
        packed = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(packed) > inline:
            where = struct.pack(order + place, beyond + len(extra))
            extra += packed
        else:
            where = packed.ljust(inline, b"\0")
        entries += struct.pack(f"{order}HH{place}", tag, kinds[letter], len(values)) + where
    mark = b"II" if order == "<" else b"MM"
    head = mark + (struct.pack(order + "HHHQ", 43, 8, 0, start) if big else struct.pack(order + "HI", 42, start))
    return head.ljust(16, b"\0") + body + struct.pack(order + count, len(said)) + entries + struct.pack(order + place, 0) + extra


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("block", [None, (16, 16), (64, 48)])
@pytest.mark.parametrize("sample", list(LETTERS))
def test_a_height_is_drawn_between_the_samples_around_a_place(
    tmp_path: Path, order: str, big: bool, block: tuple[int, int] | None, sample: tuple[int, int]
) -> None:
    height = height_model(geotiff(tmp_path / "a.tif", order=order, big=big, block=block, sample=sample))
    assert height(53.0, 13.0) == 0
    assert height(52.25, 14.0) == 340
    assert height(52.5, 13.5) == 220
    assert height(53.0 - 3.5 * STEP, 13.0 + 4 * STEP) == 39
    assert height(53.0 - 20 * STEP, 13.0 + 7.5 * STEP) == 208


@pytest.mark.parametrize("point", [False, True])
def test_a_sample_is_the_height_of_its_areas_middle_or_of_its_point(tmp_path: Path, point: bool) -> None:
    height = height_model(geotiff(tmp_path / "a.tif", point=point))
    assert height(53.0 - 10 * STEP, 13.0 + 10 * STEP) == 110


@given(st.floats(52.25, 53.0), st.floats(13.0, 14.0))
def test_every_place_inside_lies_in_the_plane(
    tmp_path_factory: pytest.TempPathFactory, latitude: float, longitude: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "plane.tif"
    height = height_model(path if path.exists() else geotiff(path, block=(16, 16)))
    found = height(latitude, longitude)
    assert found is not None
    assert abs(found - (10 * (53.0 - latitude) + (longitude - 13.0)) / STEP) <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("latitude", "longitude"), [(53.1, 13.5), (52.1, 13.5), (52.5, 12.9), (52.5, 14.1), (float("nan"), 13.5)]
)
def test_a_place_outside_has_no_height(tmp_path: Path, latitude: float, longitude: float) -> None:
    assert height_model(geotiff(tmp_path / "a.tif"))(latitude, longitude) is None


@pytest.mark.parametrize("sample", [(2, 16), (3, 32)])
def test_samples_without_data_leave_the_places_around_them_unknown(tmp_path: Path, sample: tuple[int, int]) -> None:
    path = tmp_path / "a.tif"
    no_data: dict[int, tuple[str, list[Any]] | None] = {42113: ("c", [bytes([letter]) for letter in b"-9999\0"])}
    height = height_model(geotiff(path, lambda r, c: -9999 if (r, c) == (10, 10) else plane(r, c), sample=sample, change=no_data))
    assert height(53.0 - 10.5 * STEP, 13.0 + 10.5 * STEP) is None
    assert height(53.0 - 11 * STEP, 13.0 + 11 * STEP) == 121


@pytest.mark.parametrize("metres", [float("nan"), float("inf"), -3.4e38])
def test_a_float_that_is_no_height_is_unknown(tmp_path: Path, metres: float) -> None:
    height = height_model(geotiff(tmp_path / "a.tif", lambda r, c: metres, sample=(3, 32)))
    assert height(52.5, 13.5) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({259: ("H", [8])}, "it is compressed"),
        ({277: ("H", [3])}, "several bands"),
        ({258: ("H", [8])}, "neither whole numbers nor floats"),
        ({34735: ("H", [1, 1, 0, 1, 1024, 0, 1, 1])}, "it is projected"),
        ({33550: None}, "it does not say where it is"),
        ({33550: ("d", [30.0, 30.0, 0.0])}, "these are no degrees"),
        ({273: ("I", [16])}, "too few places"),
        ({273: ("I", [16, 10**9, 16, 16])}, "it is cut short"),
        ({256: None}, "its tag 256"),
        ({257: ("H", [1])}, "a grid of"),
        ({278: ("H", [0])}, "its blocks are empty"),
        ({273: ("d", [16.0] * 4)}, "too few places"),
        ({33550: ("c", [b"a", b"b"])}, "it does not say where it is"),
    ],
)
def test_a_file_that_cannot_be_used_stops_the_start_with_a_remedy(
    tmp_path: Path, change: dict[int, tuple[str, list[Any]] | None], reason: str
) -> None:
    with pytest.raises(Misconfigured, match=reason) as stopped:
        height_model(geotiff(tmp_path / "a.tif", change=change))
    assert "ELEVATION_PATH" in str(stopped.value)


@given(st.data())
def test_a_damaged_file_is_refused_or_read_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    whole = (folder / "whole.tif") if (folder / "whole.tif").exists() else geotiff(folder / "whole.tif", block=(16, 16))
    text = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    path = folder / "damaged.tif"
    path.write_bytes(text[: data.draw(st.integers(0, len(text)))])
    try:
        height = height_model(path)
    except Misconfigured:
        return
    assert isinstance(height(52.6, 13.4), int | None)
