"""
Heights above the sea, from SRTM tiles on this machine: no service is asked, and no place leaves the server.

A tile is one square degree, named by its south-west corner (`N37W123.hgt`): rows from north to south, each from west to east, of
big-endian 16-bit metres; 1,201 or 3,601 in a row and as many rows, so that neighbouring tiles share an edge. A height is drawn
between the four samples around a place; a void one among them (−32,768) leaves it unknown. Tiles are opened as they are needed:
what is never looked up is never read.
"""

from __future__ import annotations

import math
import struct
from collections import OrderedDict
from functools import partial
from pathlib import Path

from ..errors import Misconfigured
from ..logs import fields, log
from .bilinear import height_between
from .geotiff import open_geotiff
from .sample_file import SampleFile, heights_disk
from .teslamate_rows import HeightModel

SIDES = {2 * side * side: side for side in (1201, 3601)}  # bytes of a file → samples in a row: three arc seconds, or one
VOID = -32768
TILES_AT_MOST = 64  # open at once, a descriptor each: more than a fleet crosses in an hour
_SUFFIX = ".hgt"
_SAMPLE = struct.Struct(">h")


def height_model(path: Path) -> HeightModel:
    """Of a folder with SRTM tiles, or of a GeoTIFF. Raises Misconfigured."""
    return open_geotiff(path).height if path.is_file() else Elevation.from_folder(path).height


class Tile:
    """One square degree. `side`: samples in a row."""

    __slots__ = ("_samples", "_side")

    def __init__(self, samples: SampleFile, side: int) -> None:
        self._samples = samples
        self._side = side

    def height(self, north: float, east: float) -> int | None:
        """Metres at a place inside the tile; `north`, `east`: from its south-west corner, 0 to 1."""
        last = self._side - 1
        return height_between((1 - north) * last, east * last, self._side, self._side, self._sample)

    def _sample(self, row: int, column: int) -> float | None:
        metres: int | None = self._samples.read(_SAMPLE, 2 * (row * self._side + column))
        return None if metres == VOID else metres


class Elevation:
    """The tiles of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tiles: OrderedDict[str, Tile | None] = OrderedDict()  # the one that was used longest ago first; None: there is none

    @classmethod
    def from_folder(cls, folder: Path) -> Elevation:
        """Raises Misconfigured if there are no tiles in it."""
        if not folder.is_dir():
            raise Misconfigured(
                "ELEVATION_PATH",
                f"{folder} is neither a folder nor a file",
                "give a folder with SRTM tiles (N37W123.hgt), or a GeoTIFF",
            )
        if not any(path.suffix == _SUFFIX for path in folder.iterdir()):
            raise Misconfigured("ELEVATION_PATH", f"{folder} holds no .hgt file", "put SRTM tiles there (N37W123.hgt)")
        return cls(folder)

    def height(self, latitude: float, longitude: float) -> int | None:
        """Metres above the sea at a place in degrees; None where nothing is known."""
        if not (-90 <= latitude < 90 and -180 <= longitude < 180):
            return None
        south, west = math.floor(latitude), math.floor(longitude)
        tile = self._tile(f"{'N' if south >= 0 else 'S'}{abs(south):02}{'E' if west >= 0 else 'W'}{abs(west):03}{_SUFFIX}")
        return None if tile is None else tile.height(latitude - south, longitude - west)

    def _tile(self, name: str) -> Tile | None:
        if name not in self._tiles:
            path = self._folder / name
            try:
                self._tiles[name] = heights_disk.make(path, partial(_opened, path))
            except TimeoutError:
                return None  # not now
            if len(self._tiles) > TILES_AT_MOST:
                self._tiles.popitem(last=False)
        self._tiles.move_to_end(name)
        return self._tiles[name]


def _opened(path: Path) -> Tile | None:
    """In the thread. None if there is none that can be used."""
    try:
        samples = SampleFile(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("elevation_tile_unusable", extra=fields(cause="unreadable", file=path.name, reason=str(error)))
        return None
    side = SIDES.get(samples.size)
    if side is None:
        log.warning("elevation_tile_unusable", extra=fields(cause="size", file=path.name, reason=f"{samples.size} bytes"))
        return None
    return Tile(samples, side)
