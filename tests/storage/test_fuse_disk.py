"""A real file system that hangs and fails under a running server: nobody waits for it but those that must."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import World
from tests.support.fuse import FuseDisk
from tests.support.peers import PATIENCE_S, token
from tests.support.servers import Process

pytestmark = pytest.mark.faults

SIZES = {"RING_BYTES": "1MiB", "MAX_FRAME_BYTES": "100KiB"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FuseDisk]:
    with FuseDisk(tmp_path) as made:
        yield made


class OnFuse(Process):
    """Journal, certificates and an output's lines are there. What counts as a hang is half a second."""

    module = "tests.programs.hanging_disk"

    def __init__(self, world: World, disk: FuseDisk, **environment: str) -> None:
        names = ("CERT_PATH", "KEY_PATH", "CA_PATH")
        copies = {name: str(shutil.copy(world.environment[name], disk.folder / name)) for name in names}
        paths = {"JOURNAL_PATH": str(disk.folder / "journal"), "JSONL_PATH": str(disk.folder / "lines")}
        nowhere = {"DISK": "/nowhere", "DISK_HANGS_WHILE": "/nowhere"}
        super().__init__(world, **copies, **paths, **nowhere, **SIZES, REQUEST_CLIENT_CERT="true", **environment)


def test_all_but_acknowledgements_go_on_while_it_hangs_and_these_come_when_it_answers(world: World, disk: FuseDisk) -> None:
    with OnFuse(world, disk) as server, server.place.dashboard() as dashboard, server.place.vehicle("device-1") as vehicle:
        vehicle.tell({"Odometer": {"doubleValue": 0.0}})
        server.lines.wait_for("journal_file_system", file_system="fuse")
        disk.trouble("hang")
        server.process.send_signal(signal.SIGHUP)
        for number in range(1, 200):
            vehicle.send({"Odometer": {"doubleValue": float(number)}, "VehicleName": {"stringValue": "x" * 2000}})
        while dashboard.until("data")["data"]["Odometer"] != 199.0:
            pass
        assert server.place.get("/health").status == 200
        for cause in ("journal_sync", "journal", "files"):
            server.lines.wait_for("disk_hangs", cause=cause)
        disk.trouble("")
        for _ in range(1, 200):
            vehicle.reply()
        server.lines.wait_for("disk_answers", cause="journal_sync")
    assert server.lines.wait_for("stopped")[0]["cleanly"]
    with OnFuse(world, disk) as again:
        assert again.lines.wait_for("journal_recovered", lost=0, new_epoch=False)[0]["events"] > 199


def test_an_error_ends_the_journal_and_nothing_else(world: World, disk: FuseDisk) -> None:
    with OnFuse(world, disk) as server, server.place.dashboard() as dashboard, server.place.vehicle("device-1") as vehicle:
        vehicle.tell({"Odometer": {"doubleValue": 0.0}})
        disk.trouble("ESTALE")
        vehicle.tell({"Odometer": {"doubleValue": 1.0}})
        while dashboard.until("data")["data"]["Odometer"] != 1.0:
            pass
        server.lines.wait_for("journal_stopped", cause="write_failed")
        vehicle.tell({"Odometer": {"doubleValue": 2.0}})
        disk.trouble("")
    with OnFuse(world, disk) as again:
        again.lines.wait_for("journal_recovered", new_epoch=True)


def test_a_server_ends_although_its_disk_hangs(world: World, disk: FuseDisk) -> None:
    with OnFuse(world, disk, DRAIN_SECONDS="0.5") as server:
        with server.place.vehicle("device-1") as vehicle:
            vehicle.tell({"Odometer": {"doubleValue": 0.0}})
            disk.trouble("hang")
            vehicle.send({"Odometer": {"doubleValue": 1.0}})
            server.lines.wait_for("disk_hangs", cause="journal_sync")
            server.process.send_signal(signal.SIGTERM)
            server.lines.wait_for("not_finished", cause="disk_hangs")
            server.lines.wait_for("stopped")
        disk.trouble("")  # what the kernel has begun is out of the process's hands
        assert server.process.wait(PATIENCE_S) == 0


def test_after_a_kill_while_it_hangs_what_was_acknowledged_is_there_under_a_new_epoch(world: World, disk: FuseDisk) -> None:
    with OnFuse(world, disk) as server, server.place.vehicle("device-1") as vehicle:
        for number in range(20):
            vehicle.tell({"Odometer": {"doubleValue": float(number)}})
        disk.trouble("hang")
        vehicle.send({"Odometer": {"doubleValue": 99.0}})
        server.lines.wait_for("disk_hangs", cause="journal_sync")
        server.process.kill()
        disk.trouble("")
        server.process.wait(PATIENCE_S)
        server.process.returncode = 0
    with OnFuse(world, disk) as again:
        again.lines.wait_for("journal_recovered", new_epoch=True)
        assert b'"Odometer":{"value":19.0' in again.place.get("/vehicles/device-1", Authorization=f"Bearer {token()}").body
