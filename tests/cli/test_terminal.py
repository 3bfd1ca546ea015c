"""What is printed where something is missing: escape sequences, colours, or the letters themselves."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from teslafast.cli.terminal import has_colours, obeys_escapes, print_anything, shows

from tests.cli.test_setup import run
from tests.support.certificates import World
from tests.support.setup_stage import VIN, SetupStage, setup_stage


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Iterator[SetupStage]:
    with setup_stage(world, tmp_path) as running:
        yield running


@pytest.mark.parametrize(
    ("environment", "obeys", "colours"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
    ],
)
def test_a_terminal_says_by_its_environment_what_it_can_do(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], obeys: bool, colours: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (obeys_escapes(Screen()), has_colours(Screen())) == (obeys, colours)
    assert (obeys_escapes(io.StringIO()), has_colours(io.StringIO())) == (False, False)


@pytest.mark.parametrize(
    ("encoding", "shown"), [("cp866", b"+ 5YJ3...0001 -> ? x"), ("latin-1", b"+ 5YJ3...0001 -> \xe9 x"), ("utf-8", None)]
)
def test_a_letter_that_the_encoding_lacks_becomes_the_nearest(encoding: str, shown: bytes | None) -> None:
    text, written = "✓ 5YJ3…0001 → é ✗", io.BytesIO()
    stream = io.TextIOWrapper(written, encoding=encoding)
    assert shows(stream, text) == (shown is None)
    print_anything(stream, io.StringIO())
    stream.write(text)
    stream.flush()
    assert written.getvalue() == (shown or text.encode())


@pytest.mark.parametrize(
    "places", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_a_set_up_goes_its_whole_way_where_no_encoding_is_set(stage: SetupStage, places: dict[str, str]) -> None:
    stage.drive()
    shown = run(stage, "setup", "--yes", **places)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert " 7 vehicle          ✓ Road (5YJ3…0001, Model 3" in shown.stdout


def test_a_set_up_goes_its_whole_way_where_no_tick_can_be_printed(stage: SetupStage) -> None:
    stage.drive()
    stage.tesla.cars[VIN].paired = False
    shown = run(stage, "setup", "--yes", "--wait", "0", PYTHONIOENCODING="iso8859-2")
    assert (shown.returncode, "Traceback" in shown.stderr) == (3, False), shown.stderr
    assert " 7 vehicle          + Road (5YJ3...0001, Model 3" in shown.stdout
    assert "????" not in shown.stdout  # what would be left of a QR code
    stage.tesla.cars[VIN].paired = True
    done = run(stage, "setup", "--yes", "--json", PYTHONIOENCODING="iso8859-2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "5YJ3…0001" in json.loads(done.stdout.splitlines()[6])["says"]
