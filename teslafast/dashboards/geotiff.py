"""
Heights above the sea from one GeoTIFF: what is never looked up is never read.

Read are grids in degrees of longitude and latitude (EPSG:4326 and its like), north up, of one band, uncompressed, in strips or in
tiles: what `gdal_translate -co COMPRESS=NONE` writes of any height model. TIFF 6.0 and BigTIFF; GeoTIFF 1.1 (OGC 19-008r4). The
file is the operator's, but every offset in it is checked against its length all the same, before anything is looked up.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import Misconfigured
from .bilinear import height_between
from .sample_file import SampleFile

_WIDTH, _LENGTH, _BITS, _COMPRESSION = 256, 257, 258, 259
_STRIP_OFFSETS, _BANDS, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _FORMAT = 273, 277, 278, 322, 323, 324, 339
_PIXEL_SCALE, _TIE_POINT, _GEO_KEYS, _NO_DATA = 33550, 33922, 34735, 42113
_MODEL_TYPE, _RASTER_TYPE = 1024, 1025  # keys of _GEO_KEYS
_GEOGRAPHIC, _PIXEL_IS_POINT, _UNCOMPRESSED = 2, 2, 1
_TYPES = {1: "B", 2: "c", 3: "H", 4: "I", 11: "f", 12: "d", 16: "Q"}  # TIFF's numbers → struct's letters
_WHOLE = "BHIQ"
_KINDS = {_PIXEL_SCALE: "fd", _TIE_POINT: "fd", _NO_DATA: "c"}  # the letters that a tag may have; all others are whole numbers
_SAMPLES = {(1, 16): "H", (1, 32): "I", (2, 16): "h", (2, 32): "i", (3, 32): "f", (3, 64): "d"}  # format, bits → struct's letter
HIGHEST_M = 20_000  # and lowest, below the sea: what lies beyond is no height, and neither is NaN
_TAGS_AT_MOST = 1000  # of a file; some thirty are usual
_PLAIN = "write it anew with: gdal_translate -co COMPRESS=NONE -co TILED=YES in.tif out.tif"
_DEGREES = "write it anew with: gdalwarp -t_srs EPSG:4326 -co COMPRESS=NONE -co TILED=YES in.tif out.tif"


class _Unreadable(Exception):
    """Why a file cannot be used, and what to do about it."""

    def __init__(self, reason: str, remedy: str = _PLAIN) -> None:
        super().__init__(reason)
        self.remedy = remedy


def open_geotiff(path: Path) -> GeoTiff:
    """Raises Misconfigured."""
    try:
        with path.open("rb") as file:
            return GeoTiff(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), SampleFile(path))
    except _Unreadable as error:
        raise Misconfigured("ELEVATION_PATH", f"{path}: {error}", error.remedy) from None
    except (OSError, ValueError) as error:  # the latter: an empty file
        raise Misconfigured("ELEVATION_PATH", f"{path}: {error}", "give a GeoTIFF or a folder with SRTM tiles") from None


class GeoTiff:
    """One grid. `memory`: the file, for its tags. Raises _Unreadable, for `open_geotiff` to say."""

    def __init__(self, memory: mmap.mmap | bytes, samples: SampleFile) -> None:
        self._samples = samples
        order, tags = _tags_of(memory)
        self._columns, self._rows = _one(tags, _WIDTH), _one(tags, _LENGTH)
        if self._columns < 2 or self._rows < 2:
            raise _Unreadable(f"a grid of {self._columns} × {self._rows}")
        if _one(tags, _COMPRESSION, _UNCOMPRESSED) != _UNCOMPRESSED:
            raise _Unreadable("it is compressed, so heights cannot be looked up in it")
        if _one(tags, _BANDS, 1) != 1:
            raise _Unreadable("it has several bands: heights are one")
        letter = _SAMPLES.get((_one(tags, _FORMAT, 1), _one(tags, _BITS)))
        if letter is None:
            raise _Unreadable("its samples are neither whole numbers nor floats of 16 to 64 bits")
        self._sample = struct.Struct(order + letter)
        self._place(tags)
        self._find_blocks(tags)
        self._no_data = _no_data(tags)

    def _place(self, tags: Mapping[int, tuple[Any, ...]]) -> None:
        """Where the first sample is, and how far the next one is away, in degrees."""
        keys = tags.get(_GEO_KEYS, ())
        known = {keys[at]: keys[at + 3] for at in range(4, len(keys) - 3, 4) if keys[at + 1] == 0}
        if known.get(_MODEL_TYPE, _GEOGRAPHIC) != _GEOGRAPHIC:
            raise _Unreadable("it is projected, not in degrees", _DEGREES)
        scale, tie = tags.get(_PIXEL_SCALE, ()), tags.get(_TIE_POINT, ())
        if len(scale) < 2 or len(tie) < 6:
            raise _Unreadable("it does not say where it is", _DEGREES)
        self._east_step, self._south_step = scale[0], scale[1]
        if not (0 < self._east_step <= 1 and 0 < self._south_step <= 1):
            raise _Unreadable(f"its samples are {scale[0]} × {scale[1]} apart: these are no degrees", _DEGREES)
        middle = 0.0 if known.get(_RASTER_TYPE) == _PIXEL_IS_POINT else 0.5  # an area's value is that of its middle
        self._west = tie[3] + (middle - tie[0]) * self._east_step
        self._north = tie[4] - (middle - tie[1]) * self._south_step

    def _find_blocks(self, tags: Mapping[int, tuple[Any, ...]]) -> None:
        """Strips are tiles as wide as the grid."""
        if _TILE_OFFSETS in tags:
            self._block_columns, self._block_rows = _one(tags, _TILE_WIDTH), _one(tags, _TILE_LENGTH)
            self._offsets = tags[_TILE_OFFSETS]
        else:
            self._block_columns = self._columns
            self._block_rows = min(_one(tags, _ROWS_PER_STRIP, self._rows), self._rows)
            self._offsets = tags.get(_STRIP_OFFSETS, ())
        if self._block_columns < 1 or self._block_rows < 1:
            raise _Unreadable("its blocks are empty")
        self._across = math.ceil(self._columns / self._block_columns)
        down = math.ceil(self._rows / self._block_rows)
        if len(self._offsets) < self._across * down:
            raise _Unreadable("it says too few places of its blocks")
        tiled = _TILE_OFFSETS in tags
        for number in range(self._across * down):
            rows = self._block_rows if tiled else min(self._block_rows, self._rows - number * self._block_rows)
            size = self._block_columns * rows * self._sample.size
            if self._offsets[number] + size > self._samples.size:
                raise _Unreadable("it is cut short", "copy it again")

    def height(self, latitude: float, longitude: float) -> int | None:
        """Metres above the sea at a place in degrees; None where nothing is known."""
        row = (self._north - latitude) / self._south_step
        column = (longitude - self._west) / self._east_step
        if not (-0.5 <= row <= self._rows - 0.5 and -0.5 <= column <= self._columns - 0.5):
            return None
        row, column = min(max(row, 0.0), self._rows - 1.0), min(max(column, 0.0), self._columns - 1.0)  # the rim's half sample
        return height_between(row, column, self._rows, self._columns, self._at)

    def _at(self, row: int, column: int) -> float | None:
        block_row, down = divmod(row, self._block_rows)
        block_column, right = divmod(column, self._block_columns)
        offset = self._offsets[block_row * self._across + block_column]
        if offset == 0:  # a block that was never written
            return None
        at = offset + (down * self._block_columns + right) * self._sample.size
        metres: float | None = self._samples.read(self._sample, at)
        return metres if metres is not None and metres != self._no_data and abs(metres) <= HIGHEST_M else None


def _tags_of(memory: mmap.mmap | bytes) -> tuple[str, dict[int, tuple[Any, ...]]]:
    """The byte order, and the first directory's tags with their values."""
    order = {b"II": "<", b"MM": ">"}.get(memory[:2])
    if order is None or len(memory) < 16:
        raise _Unreadable("it is no TIFF", "give a GeoTIFF or a folder with SRTM tiles")
    (magic,) = struct.unpack_from(order + "H", memory, 2)
    if magic not in (42, 43):
        raise _Unreadable("it is no TIFF", "give a GeoTIFF or a folder with SRTM tiles")
    big = magic == 43
    try:
        return order, _read_tags(memory, order, big)
    except struct.error:
        raise _Unreadable("it is cut short", "copy it again") from None


def _read_tags(memory: mmap.mmap | bytes, order: str, big: bool) -> dict[int, tuple[Any, ...]]:
    """Raises struct.error if something lies beyond the file's end."""
    offset, count, inline = ("Q", "Q", 8) if big else ("I", "H", 4)
    (at,) = struct.unpack_from(order + offset, memory, 8 if big else 4)
    (tags,) = struct.unpack_from(order + count, memory, at)
    if tags > _TAGS_AT_MOST:
        raise _Unreadable(f"it has {tags} tags")
    entry = struct.Struct(f"{order}HH{offset}{inline}s")
    found = {}
    for number in range(tags):
        start = at + struct.calcsize("=" + count) + number * entry.size
        tag, kind, values, place = entry.unpack_from(memory, start)
        letter = _TYPES.get(kind, "")
        if not letter or letter not in _KINDS.get(tag, _WHOLE):
            continue
        size = struct.calcsize("=" + letter) * values
        where = start + entry.size - inline if size <= inline else struct.unpack(order + offset, place)[0]
        if where + size > len(memory):
            raise struct.error
        found[tag] = struct.unpack_from(f"{order}{values}{letter}", memory, where)
    return found


def _one(tags: Mapping[int, tuple[Any, ...]], tag: int, default: int | None = None) -> int:
    values = tags.get(tag, ())
    value = values[0] if values else default
    if value is None:
        raise _Unreadable(f"its tag {tag} is missing or no number")
    return int(value)


def _no_data(tags: Mapping[int, tuple[Any, ...]]) -> float | None:
    """GDAL's mark of samples that are unknown; a text."""
    try:
        return float(b"".join(tags.get(_NO_DATA, ())).rstrip(b"\0 ").decode("ascii"))
    except (TypeError, ValueError):
        return None
