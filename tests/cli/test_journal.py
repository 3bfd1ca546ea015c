"""`teslafast journal`: what a stopped server left, without changing it, and another RING_BYTES for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from teslafast.cli.commands import teslafast
from teslafast.errors import Misconfigured

from tests.support.journals import MIB, Kept
from tests.support.peers import Place
from tests.support.servers import Process

VIN = "5YJ3TEST5PF000001"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of 50 events of seven vehicles."""
    made = tmp_path / "journal"
    with Kept(made) as kept:
        kept.fill(50)
        kept.journal.close(50)
    return made


def run(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(teslafast, ["journal", *words], env=environment)


def lines(result: Result) -> list[Mapping[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_info_says_what_the_journal_of_the_environment_holds(path: Path) -> None:
    result = run("info", JOURNAL_PATH=str(path))
    assert result.exit_code == 0, result.output
    for text in ("events    50 (seq 1 to 50)", "vehicles  7", "goes on at the next start", "closed    cleanly"):
        assert text in result.stdout


def test_info_as_json_is_one_object(path: Path) -> None:
    [report] = lines(run("info", str(path), "--json"))
    assert (report["events"], report["ring_bytes"], report["goes_on"]) == (50, MIB, True)


def test_info_of_an_empty_journal_says_none(tmp_path: Path) -> None:
    with Kept(tmp_path / "journal"):
        pass
    result = run("info", str(tmp_path / "journal"))
    assert "events    none" in result.stdout


def test_export_prints_the_events_as_dashboards_get_them(path: Path) -> None:
    with Kept(path) as kept:
        expected = [text.decode() for *_, text, _ in kept.events]
    assert run("export", str(path)).stdout.splitlines() == expected


def test_export_leaves_out_what_was_not_asked_for(path: Path) -> None:
    found = lines(run("export", str(path), "--since", "40", "--vin", "V3", "--vin", "V4"))
    assert [event["seq"] for event in found] == [46, 47]
    assert {event["vin"] for event in found} == {"V3", "V4"}


def test_resize_says_how_many_events_the_new_ring_has(path: Path) -> None:
    result = run("resize", str(path), RING_BYTES="2MiB")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("with 50 events; 0 were left out.\n")


@pytest.mark.parametrize("size", ["1KiB", "lots", "-1"])
def test_a_size_that_no_server_takes_is_refused(path: Path, size: str) -> None:
    result = run("resize", str(path), "--ring-bytes", size)
    assert result.exit_code == 2
    assert "at least 1MiB" in result.output


def test_without_a_path_and_its_variable_the_argument_is_named() -> None:
    result = run("info", JOURNAL_PATH="")
    assert result.exit_code == 2
    assert "Missing argument 'PATH'" in result.output


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    result = run("info", str(tmp_path / "none"))
    assert isinstance(result.exception, Misconfigured)


def streamed(place: Place, level: float) -> None:
    with place.dashboard() as dashboard, place.vehicle(VIN) as vehicle:
        vehicle.tell({"Soc": {"floatValue": level}})
        dashboard.until("data")


def test_a_server_goes_on_with_a_resized_journal_under_its_epoch(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Process(JOURNAL_PATH=str(path)) as server:
        streamed(server.place, 50.0)
        before = server.place.get("/health").json
    assert run("resize", str(path), "--ring-bytes", "16MiB").exit_code == 0
    with Process(JOURNAL_PATH=str(path), RING_BYTES="16MiB") as server:
        after = server.place.get("/health").json
        with server.place.dashboard(f"?since={before['seq'] - 1}&epoch={before['epoch']}") as dashboard:
            missed = dashboard.until("connectivity")
    assert (after["epoch"], after["oldest"]) == (before["epoch"], before["oldest"])
    assert missed["seq"] >= before["seq"]
