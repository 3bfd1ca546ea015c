"""JSON lines of a real server: killed and started again, with a file that cannot be had, with nobody who reads."""

from __future__ import annotations

import json
import random
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.support.faults import Load, Victim, events_since
from tests.support.peers import PATIENCE_S, Place
from tests.support.servers import BASE, Inside, Lines, Process, spawn

VINS = ["one", "two", "three"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def read(*files: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def drive(place: Place, vin: str = "one", count: int = 5, first: int = 0) -> None:
    with place.vehicle(vin) as vehicle:
        for number in range(first, first + count):
            vehicle.tell({"Odometer": {"doubleValue": float(number)}})


def caught_up(place: Place) -> str:
    """The metrics, once the file has everything."""
    until_s = time.monotonic() + PATIENCE_S
    while 'teslafast_output_lag_events{output="jsonl"} 0.0' not in (text := place.get("/metrics").body.decode()):
        assert time.monotonic() < until_s, text
    return text


# ---- kills


def test_a_kill_under_load_loses_nothing_repeats_nothing_and_keeps_the_order(tmp_path: Path, path: Path) -> None:
    chance = random.Random(7)
    environment = {
        "JOURNAL_PATH": str(tmp_path / "journal"),
        "JSONL_PATH": str(path),
        "JSONL_MAX_BYTES": "200000",
        "JSONL_KEEP": "1000",
    }
    load = None
    for _ in range(4):
        with Victim(None, **environment) as victim:
            load = Load(victim.place, VINS, 1) if load is None else load.resumed(victim.place)
            with load:
                load.wait_for(load.total + chance.randint(100, 1500))
                victim.kill()
    assert load is not None
    with Process(None, **environment) as process:
        published = events_since(process.place, 0)
        epoch = process.place.get("/health").json["epoch"]
    rotated = sorted(tmp_path.glob(f"{path.name}.*"), key=lambda one: -int(one.suffix[1:]))
    lines = read(*rotated, path)
    assert len(rotated) > 1
    assert [line["id"] for line in lines] == [f"{epoch}-{seq}" for seq in range(1, len(lines) + 1)]
    assert [line for line in lines if line["type"] == "data"][: len(published)] == [
        {"id": f"{epoch}-{event['seq']}"} | event for event in published if event["type"] == "data"
    ]
    for vin, acked in load.acked.items():
        assert set(acked) <= {line["data"]["Odometer"] for line in lines if line["type"] == "data" and line["vin"] == vin}


def test_what_was_published_while_the_file_could_not_be_written_is_there_after_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    environment = {"JOURNAL_PATH": str(tmp_path / "journal"), "JSONL_PATH": str(folder / "events.jsonl")}
    with Victim(None, **environment) as victim:
        victim.lines.wait_for("output_failing", output="jsonl")
        drive(victim.place)
        victim.kill()
    folder.mkdir()
    with Process(None, **environment):
        pass
    assert [line["seq"] for line in read(folder / "events.jsonl")][:6] == list(range(1, 7))


def test_without_a_journal_a_restart_begins_with_the_next_event_under_another_epoch(path: Path) -> None:
    for _ in range(2):
        with Process(JSONL_PATH=str(path)) as process:
            drive(process.place)
    ids = [line["id"].split("-") for line in read(path)]
    assert [seq for _, seq in ids] == [str(seq) for seq in range(1, 8)] * 2
    assert len({epoch for epoch, _ in ids}) == 2


def test_an_output_that_is_new_to_a_journal_begins_with_the_next_event(tmp_path: Path, path: Path) -> None:
    journal = {"JOURNAL_PATH": str(tmp_path / "journal")}
    with Process(None, **journal) as process:
        drive(process.place)
    with Process(None, **journal, JSONL_PATH=str(path)) as process:
        drive(process.place, "two")
    assert {line["vin"] for line in read(path)} == {"two"}


# ---- the server beside it


def test_a_clean_end_writes_everything_that_was_acknowledged(path: Path) -> None:
    with Process(JSONL_PATH=str(path)) as process:
        drive(process.place, count=300)
    lines = read(path)
    assert [line["data"]["Odometer"] for line in lines if line["type"] == "data"] == list(range(300))
    assert lines[-1]["status"] == "DISCONNECTED"


def test_a_folder_that_is_missing_gates_nothing_and_is_said_once_until_it_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with Inside(JSONL_PATH=str(folder / "events.jsonl")) as server:
        server.lines.wait_for("output_failing", output="jsonl")
        drive(server.place)
        health = server.place.get("/health")
        assert (health.status, health.json["status"], health.json["outputs"]) == (200, "ok", {"jsonl": "failing"})
        assert 'teslafast_output_up{output="jsonl"} 0.0' in server.place.get("/metrics").body.decode()
        folder.mkdir()
        server.lines.wait_for("output_up", output="jsonl")
        assert server.place.get("/health").json["outputs"] == {"jsonl": "up"}
        assert len(server.lines.wait_for("output_failing")) == 1
        caught_up(server.place)
    assert [line["seq"] for line in read(folder / "events.jsonl")][:6] == list(range(1, 7))


def test_what_the_ring_overtook_meanwhile_is_a_gap_in_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with Inside(JSONL_PATH=str(folder / "events.jsonl"), RING_BYTES="1MiB", MAX_FRAME_BYTES="65536") as server:
        with server.place.vehicle("one") as vehicle:
            while server.ask(lambda it: it.hub.log.oldest) < 10:
                vehicle.tell({"VehicleName": {"stringValue": "x" * 30_000}})
        folder.mkdir()
        gauges = caught_up(server.place)
    gap, *rest = read(folder / "events.jsonl")
    assert (gap["type"], gap["from"]) == ("gap", 1)
    assert [line["seq"] for line in rest] == list(range(gap["to"] + 1, gap["to"] + 1 + len(rest)))
    assert f'teslafast_output_dropped_total{{cause="overtaken",output="jsonl"}} {gap["to"]}.0' in gauges


# ---- standard output


class Standard:
    """A server whose standard output is a pipe of ours."""

    def __init__(self, drain_seconds: str = "60") -> None:
        environment = BASE | {"NODE_ENV": "development", "JSONL_PATH": "-", "DRAIN_SECONDS": drain_seconds}
        self.process = spawn(["serve"], environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines = Lines()
        assert self.process.stderr is not None
        while not self.lines.read or self.lines.read[-1]["event"] != "listening":
            self.lines.add(self.process.stderr.readline())
        port = self.lines.read[-1]["port"]
        self.place = Place(port, port, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


def test_standard_output_has_the_lines_and_the_log_goes_elsewhere() -> None:
    with Standard() as server:
        drive(server.place)
        server.process.terminate()
        output, _ = server.process.communicate(timeout=PATIENCE_S)
    assert server.process.returncode == 0
    assert [json.loads(line)["seq"] for line in output.splitlines()] == list(range(1, 8))


def test_a_standard_output_that_nobody_reads_holds_up_neither_vehicles_nor_the_end() -> None:
    with Standard(drain_seconds="1") as server:
        with server.place.vehicle("one") as vehicle:
            for _ in range(30):
                vehicle.tell({"VehicleName": {"stringValue": "x" * 30_000}})  # in all, far more than a pipe holds
        assert server.place.get("/health").status == 200
        server.process.terminate()
        assert server.process.wait(PATIENCE_S) == 0
        _, said = server.process.communicate()
    assert "output_left_behind" in said
    assert "Traceback" not in said


def test_a_standard_output_that_is_closed_is_said_and_holds_nobody_up() -> None:
    with Standard(drain_seconds="1") as server:
        assert server.process.stdout is not None
        assert server.process.stderr is not None
        server.process.stdout.close()
        drive(server.place)
        while "output_failing" not in server.lines.text:
            server.lines.add(server.process.stderr.readline())
        assert server.place.get("/health").json["outputs"] == {"jsonl": "failing"}
        server.process.terminate()
        said = server.lines.text + server.process.stderr.read()
        assert server.process.wait(PATIENCE_S) == 0
    assert "nobody reads it any more" in said
    assert "Traceback" not in said
