"""What docs/operate.md promises to whoever keeps a server: backup, restore, roll back, resize, and new secrets."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from teslafast._fanout import bytes_needed
from teslafast.cli.commands import teslafast
from teslafast.storage.journal_nature import PAGE

from tests.support import ROOT
from tests.support.peers import SECRET, Place, token
from tests.support.servers import Process, spawn

VIN = "5YJ3TEST5PF000001"
NAMES = ("journal", "journal.state")
PAGE_TEXT = (ROOT / "docs" / "operate.md").read_text()
SIZES = {"MiB": 1 << 20, "GiB": 1 << 30}


def told(place: Place, level: float) -> None:
    with place.dashboard() as dashboard, place.vehicle(VIN) as vehicle:
        vehicle.tell({"Soc": {"floatValue": level}})
        dashboard.until("data")


def look(place: Place) -> tuple[dict[str, Any], object]:
    """/health, and the vehicle's last known charge."""
    report: dict[str, Any] = place.get("/health").json
    vehicle = place.get(f"/vehicles/{VIN}", Authorization=f"Bearer {token()}").json
    return report, vehicle["data"]["Soc"]["value"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a server that was stopped after one event."""
    (tmp_path / "data").mkdir()
    with Process(JOURNAL_PATH=f"{tmp_path}/data/journal") as server:
        told(server.place, 50.0)
    return tmp_path / "data"


def test_a_backup_that_is_put_back_has_the_values_of_its_time_under_a_new_epoch(folder: Path) -> None:
    backup = folder.with_name("backup")
    backup.mkdir()
    for name in NAMES:
        shutil.copy(folder / name, backup)
    with Process(JOURNAL_PATH=str(folder / "journal")) as server:
        told(server.place, 40.0)
        before, charge = look(server.place)
        assert charge == 40.0
    for name in NAMES:
        shutil.copyfile(backup / name, folder.with_name(name))
    with Process(JOURNAL_PATH=str(folder.with_name("journal"))) as server:
        after, charge = look(server.place)
    assert charge == 50.0
    assert after["epoch"] != before["epoch"]


def test_another_ring_bytes_is_refused_with_the_command_that_resizes(folder: Path) -> None:
    process = spawn(["serve"], {"JWT_SECRET": SECRET, "JOURNAL_PATH": str(folder / "journal"), "RING_BYTES": "16MiB"}, stderr=-1)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "holds a ring of 8388608 bytes" in err
    assert "teslafast journal resize" in err


def test_resized_up_and_down_again_the_server_goes_on_with_epoch_and_values(folder: Path) -> None:
    journal = str(folder / "journal")
    with Process(JOURNAL_PATH=journal) as server:
        before, _ = look(server.place)
    for size in ("16MiB", "8MiB"):
        result = CliRunner().invoke(teslafast, ["journal", "resize", journal, "--ring-bytes", size])
        assert result.exit_code == 0, result.output
        with Process(JOURNAL_PATH=journal, RING_BYTES=size) as server:
            after, charge = look(server.place)
        assert (after["epoch"], charge) == (before["epoch"], 50.0)


def test_a_version_that_does_not_know_the_journal_leaves_it_alone(folder: Path) -> None:
    content = bytearray((folder / "journal").read_bytes())
    content[8:12] = (99).to_bytes(4, "little")
    (folder / "journal").write_bytes(content)
    process = spawn(["serve"], {"JWT_SECRET": SECRET, "JOURNAL_PATH": str(folder / "journal"), "RING_BYTES": "8MiB"}, stderr=-1)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "version 99" in err
    assert (folder / "journal").read_bytes() == bytes(content)


def minted(secret: str) -> str:
    return CliRunner().invoke(teslafast, ["token", "--sub", "me"], env={"JWT_SECRET": secret}).stdout.strip()


@pytest.mark.parametrize(("previous", "status"), [("o" * 32, 200), ("", 401)])
def test_old_tokens_are_accepted_as_long_as_the_previous_secret_is_set(previous: str, status: int) -> None:
    with Process(JWT_SECRET="n" * 32, JWT_PREVIOUS_SECRETS=previous) as server:
        assert server.place.get("/vehicles", Authorization=f"Bearer {minted('o' * 32)}").status == status
        assert server.place.get("/vehicles", Authorization=f"Bearer {minted('n' * 32)}").status == 200


def bytes_of(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"KB": 1e3, "MB": 1e6, "GB": 1e9, **SIZES}[unit]


def test_the_journals_size_in_the_sizing_table_is_what_a_file_takes() -> None:
    rows = re.findall(r"^\| `(\d+)(MiB|GiB)` \| ([\d.]+ [MG]B) \|", PAGE_TEXT, re.MULTILINE)
    assert len(rows) >= 4
    for number, unit, shown in rows:
        assert bytes_of(shown) == pytest.approx(PAGE + bytes_needed(int(number) * SIZES[unit]), rel=0.03)


def test_the_hours_in_the_sizing_table_follow_from_the_volume_an_hour() -> None:
    volume = {name: bytes_of(size) for name, size in re.findall(r"^\| `([a-z]+)` \| ([\d.]+ [KM]B) \|", PAGE_TEXT, re.MULTILINE)}
    assert volume.keys() == {"minimal", "driving", "everything"}
    header = re.search(r"^\| `RING_BYTES` \|.*$", PAGE_TEXT, re.MULTILINE)
    assert header is not None
    columns = re.findall(r"(\d[\d,]*) × `(\w+)`", header[0])
    rows = re.findall(r"^\| `(\d+)(MiB|GiB)` \| [^|]* \|(.*)\|$", PAGE_TEXT, re.MULTILINE)
    assert len(columns) == 4
    for number, unit, cells in rows:
        for (cars, preset), shown in zip(columns, cells.split("|"), strict=True):
            expected = int(number) * SIZES[unit] / (volume[preset] * int(cars.replace(",", "")))
            assert hours(shown) == pytest.approx(expected, rel=0.12)


def hours(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"min": 1 / 60, "h": 1, "days": 24}[unit]
