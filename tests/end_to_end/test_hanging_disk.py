"""A disk that does not answer while the server runs: nobody waits for it, and one line says so."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import World
from tests.support.peers import PATIENCE_S
from tests.support.servers import Process

SIZES = {"RING_BYTES": "1MiB", "MAX_FRAME_BYTES": "100KiB"}


class OnDisk(Process):
    """Certificates, keys of tokens and the journal are on a disk that hangs from `hang` to `answer`."""

    module = "tests.programs.hanging_disk"

    def __init__(self, world: World, folder: Path, **environment: str) -> None:
        self._flag = folder / "hangs"
        disk = folder / "disk"
        disk.mkdir()
        names = ("CERT_PATH", "KEY_PATH", "CA_PATH")
        copies = {name: str(shutil.copy(world.environment[name], disk / name)) for name in names}
        paths = {"JOURNAL_PATH": str(disk / "journal"), "DISK": str(disk), "DISK_HANGS_WHILE": str(self._flag)}
        super().__init__(world, **copies, **paths, **SIZES, REQUEST_CLIENT_CERT="true", **environment)

    def hang(self) -> None:
        self._flag.touch()

    def answer(self) -> None:
        self._flag.unlink(missing_ok=True)

    def hung(self, cause: str) -> list[dict[str, object]]:
        return self.lines.wait_for("disk_hangs", cause=cause)


@pytest.fixture
def server(world: World, tmp_path: Path) -> Iterator[OnDisk]:
    with OnDisk(world, tmp_path) as process:
        yield process
        process.answer()


def tell(server: OnDisk, events: int) -> None:
    with server.place.vehicle("device-1") as vehicle:
        for number in range(events):
            vehicle.tell({"Odometer": {"doubleValue": float(number)}, "VehicleName": {"stringValue": "x" * 2000}})


def test_vehicles_dashboards_and_health_go_on_while_files_journal_and_checkpoint_hang(server: OnDisk) -> None:
    tell(server, 1)
    server.hang()
    server.process.send_signal(signal.SIGHUP)
    for cause in ("files", "journal"):
        [line] = server.hung(cause)
        assert line["level"] == "error"
        assert line["remedy"] == "look at the disk or the network share"
    with server.place.dashboard() as dashboard:
        dashboard.until("hello")
        tell(server, 100)  # more than what makes a checkpoint due
        assert dashboard.until("data")["data"]["Odometer"] == 0.0
    server.hung("checkpoint")
    assert server.place.get("/health").status == 200
    server.answer()
    for cause in ("files", "journal", "checkpoint"):
        server.lines.wait_for("disk_answers", cause=cause)
        assert len(server.hung(cause)) == 1, "one line a hang"
    server.lines.wait_for("certificate_unchanged")


def test_a_server_on_a_disk_that_hangs_says_so_at_the_end_and_a_second_signal_ends_it(world: World, tmp_path: Path) -> None:
    with OnDisk(world, tmp_path) as server:
        tell(server, 1)
        server.hang()
        server.process.send_signal(signal.SIGTERM)
        server.hung("end")
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(PATIENCE_S)
        server.lines.wait_for("not_finished")
        server.answer()
    with Process(world, JOURNAL_PATH=str(tmp_path / "disk" / "journal"), **SIZES) as again:
        assert again.lines.wait_for("journal_recovered", lost=0, new_epoch=False)[0]["events"] == 3


def test_a_sync_that_hangs_is_said_and_nothing_is_acknowledged(world: World, tmp_path: Path) -> None:
    with OnDisk(world, tmp_path, JOURNAL_SYNC_MS="10") as server:
        tell(server, 1)
        server.hang()
        with server.place.vehicle("device-1") as vehicle:
            vehicle.send({"Odometer": {"doubleValue": 1.0}})
            server.hung("journal_sync")
            assert server.place.get("/health").status == 200
            server.answer()
            vehicle.reply()
