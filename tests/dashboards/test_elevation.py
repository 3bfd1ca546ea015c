"""Heights from tiles that are made here: a slope, a void, an edge, no tile."""

from __future__ import annotations

import logging
import struct
from pathlib import Path

import pytest
from teslafast.dashboards.elevation import TILES_AT_MOST, VOID, Elevation
from teslafast.errors import Misconfigured

from tests.support.peers import token
from tests.support.servers import Inside
from tests.support.teslamate import TeslaMate

SIDE = 1201


def tile(folder: Path, name: str, void: tuple[int, int] | None = None) -> None:
    """A plane: ten metres for each hundredth of the way north, one for each hundredth of the way east."""
    rows = []
    for row in range(SIDE):
        north = (SIDE - 1 - row) / (SIDE - 1)
        samples = [round(1000 * north + 100 * column / (SIDE - 1)) for column in range(SIDE)]
        if void is not None and void[0] == row:
            samples[void[1]] = VOID
        rows.append(struct.pack(f">{SIDE}h", *samples))
    (folder / name).write_bytes(b"".join(rows))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tile(tmp_path, "N52E013.hgt")
    return tmp_path


@pytest.mark.parametrize(
    ("latitude", "longitude", "metres"),
    [(52.0, 13.0, 0), (52.5, 13.0, 500), (52.5, 13.5, 550), (52.123, 13.77, 200), (52.99999, 13.99999, 1100)],
)
def test_a_height_is_drawn_between_the_samples_around_a_place(
    folder: Path, latitude: float, longitude: float, metres: int
) -> None:
    assert Elevation.from_folder(folder).height(latitude, longitude) == metres


@pytest.mark.parametrize(("latitude", "longitude"), [(51.9, 13.5), (52.5, 14.0), (-52.5, -13.5), (95.0, 13.0), (52.0, 400.0)])
def test_a_place_without_a_tile_has_no_height(folder: Path, latitude: float, longitude: float) -> None:
    assert Elevation.from_folder(folder).height(latitude, longitude) is None


def test_tiles_are_named_by_their_south_west_corner(tmp_path: Path) -> None:
    tile(tmp_path, "S34W059.hgt")
    assert Elevation.from_folder(tmp_path).height(-33.5, -58.5) == 550


def test_a_void_sample_leaves_the_places_around_it_unknown_and_no_others(tmp_path: Path) -> None:
    tile(tmp_path, "N52E013.hgt", void=(600, 600))
    heights = Elevation.from_folder(tmp_path)
    assert heights.height(52.5, 13.5) is None
    assert heights.height(52.5 + 0.5 / 1200, 13.5 + 0.5 / 1200) is None
    assert heights.height(52.5 + 1.1 / 1200, 13.5) is not None


@pytest.mark.parametrize("content", [b"", b"\0" * 100])
def test_a_file_of_another_size_is_told_once_and_passed_over(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "N52E013.hgt").write_bytes(content)
    heights = Elevation.from_folder(tmp_path)
    with caplog.at_level(logging.WARNING, "teslafast"):
        assert heights.height(52.5, 13.5) is None
        assert heights.height(52.6, 13.6) is None
    assert [record.getMessage() for record in caplog.records] == ["elevation_tile_unusable"]


def test_no_more_tiles_are_open_than_the_limit(folder: Path) -> None:
    heights = Elevation.from_folder(folder)
    for degree in range(2 * TILES_AT_MOST):
        heights.height(-40.5, degree + 0.5)
    assert len(heights._tiles) == TILES_AT_MOST
    assert heights.height(52.5, 13.5) == 550


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_a_folder_without_tiles_stops_the_start(tmp_path: Path, kind: str) -> None:
    with pytest.raises(Misconfigured, match="ELEVATION_PATH"):
        Elevation.from_folder(tmp_path if kind == "empty" else tmp_path / "not-there")


def test_a_row_of_teslamates_has_the_height_of_its_place(folder: Path) -> None:
    vin = "5YJ3E1EA7KF000001"
    with Inside(ELEVATION_PATH=str(folder)) as server, TeslaMate(server.place, vin) as client, server.place.vehicle(vin) as car:
        client.subscribe(token())
        client.until("control:hello")
        client.until("control:hello")
        place = {"locationValue": {"latitude": 52.5, "longitude": 13.5}}
        car.tell({"Location": place, "Gear": {"shiftStateValue": "ShiftStateD"}})
        assert client.rows_until(1)[0].cells["elevation"] == 550
