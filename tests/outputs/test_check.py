"""`teslafast outputs check`: one line an output, and exit 1 if one of them cannot be used."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from teslafast.errors import Misconfigured
from teslafast.outputs import Context, Shape, SharedSettings
from teslafast.outputs.check import CHECK_S, Verdict, check

from tests.support import virtual_time
from tests.support.servers import Process, spawn


class Plan:
    """Stands for an OutputPlan whose output does this when it connects."""

    name = "fake"
    shared = SharedSettings()
    shape: Shape = "flat"

    def __init__(self, connect: Callable[[], object]) -> None:
        self._connect = connect
        self.closed = 0

    def make(self, context: Context) -> Plan:
        return self

    async def connect(self) -> None:
        found = self._connect()
        if asyncio.iscoroutine(found):
            await found

    async def close(self) -> None:
        self.closed += 1


def verdict(plan: object) -> Verdict:
    (found,) = virtual_time.run(check([plan]))  # type: ignore[list-item]
    return found


def test_an_output_that_connects_is_well_and_closed_again() -> None:
    plan = Plan(lambda: None)
    assert verdict(plan) == ("fake", True, "connected")
    assert plan.closed == 1


def test_an_output_that_cannot_connect_says_why_and_is_closed() -> None:
    def refuse() -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    plan = Plan(refuse)
    assert verdict(plan) == ("fake", False, "[Errno 111] Connection refused")
    assert plan.closed == 1


def test_an_output_that_does_not_answer_is_not_waited_for() -> None:
    assert verdict(Plan(lambda: asyncio.sleep(1000))) == ("fake", False, f"no answer within {CHECK_S:g} s")


def test_an_output_whose_package_is_missing_says_which_extra_brings_it() -> None:
    class Missing(Plan):
        def make(self, context: Context) -> Plan:
            raise Misconfigured("FAKE_URL", "needs the package fake, which is not installed", 'pip install "teslafast[fake]"')

    assert 'pip install "teslafast[fake]"' in verdict(Missing(lambda: None)).says


# ---- the command


def run(*words: str, **environment: str) -> tuple[int, str, str]:
    process = spawn(
        ["outputs", "check", *words], {"NODE_ENV": "development"} | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said, complaint = process.communicate()
    return process.returncode, said, complaint


def test_a_file_that_can_be_written_is_well_and_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert run(JSONL_PATH=str(path), JSONL_MAX_BYTES="1024") == (0, f"✓ jsonl: {path} can be written\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "nowhere"
    code, said, _ = run("--json", JSONL_PATH=str(folder / "events.jsonl"))
    assert (code, json.loads(said)) == (1, {"output": "jsonl", "well": False, "says": f"the folder {folder} does not exist"})


def test_files_that_may_outgrow_the_disk_are_said(tmp_path: Path) -> None:
    code, said, _ = run(JSONL_PATH=str(tmp_path / "events.jsonl"), JSONL_MAX_BYTES="1024GiB")
    assert code == 0
    assert "all files together may take" in said


def test_a_server_that_writes_there_is_not_disturbed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with Process(JSONL_PATH=str(path)) as server:
        server.lines.wait_for("output_up")
        assert run(JSONL_PATH=str(path))[0] == 0
        with server.place.vehicle("one") as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
    assert len(path.read_bytes().splitlines()) == 3


def test_without_an_output_the_command_says_what_would_set_one() -> None:
    code, said, complaint = run()
    assert (code, said) == (0, "")
    assert "JSONL_PATH" in complaint


def test_a_bad_value_is_one_line_and_exit_2() -> None:
    code, _, complaint = run(JSONL_PATH="x", JSONL_KEEP="many")
    assert code == 2
    assert complaint == "teslafast: JSONL_KEEP: 'many' is not usable — give a number, 0 to 1000\n"


def test_standard_output_is_always_well() -> None:
    assert run(JSONL_PATH="-")[0] == 0
