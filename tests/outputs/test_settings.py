"""What the environment asks for of outputs: nothing by default; what cannot be is said at the start, with the remedy."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from teslafast.config import Settings
from teslafast.environment import Rule, setting
from teslafast.errors import Misconfigured
from teslafast.outputs import OUTPUTS, Context, OutputRow
from teslafast.outputs.jsonl import JsonlSettings
from teslafast.outputs.settings import planned

from tests.support import ROOT

SERVER = Settings.from_env({"NODE_ENV": "development", "JOURNAL_PATH": "/var/lib/journal"})


def read(**variables: str) -> list[tuple[str, Any]]:
    return [(plan.row.name, plan.settings) for plan in planned(variables, SERVER)]


def refusal(**variables: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        planned(variables, SERVER)
    return str(caught.value)


def test_no_variable_no_output() -> None:
    assert read() == []
    assert read(JSONL_PATH=" ", JSONL_KEEP="3") == []


def test_an_output_has_the_settings_of_its_variables() -> None:
    settings = JsonlSettings(path=Path("/x/events.jsonl"), max_bytes=1 << 20, keep=2)
    assert read(JSONL_PATH="/x/events.jsonl", JSONL_MAX_BYTES="1MiB", JSONL_KEEP="2") == [("jsonl", settings)]
    assert read(JSONL_PATH="-") == [("jsonl", JsonlSettings(path=Path("-"), max_bytes=64 << 20, keep=5))]


@pytest.mark.parametrize(
    ("variable", "value"), [("JSONL_MAX_BYTES", "10"), ("JSONL_MAX_BYTES", "much"), ("JSONL_KEEP", "-1"), ("JSONL_KEEP", "1001")]
)
def test_a_bad_value_is_refused_with_the_allowed_form(variable: str, value: str) -> None:
    said = refusal(**{"JSONL_PATH": "x"} | {variable: value})
    assert said.startswith(f"{variable}: {value!r} is not usable")
    assert "give " in said


def test_a_path_that_cannot_be_is_refused(tmp_path: Path) -> None:
    assert "is the same as JOURNAL_PATH" in refusal(JSONL_PATH="/var/lib/journal")
    assert f"{tmp_path} is not a file" in refusal(JSONL_PATH=str(tmp_path))


@dataclass(frozen=True)
class FakeSettings:
    url: str = setting("FAKE_URL", None, str, "a URL", "where the fake is")

    @staticmethod
    def rules(server: Settings) -> tuple[Rule[FakeSettings], ...]:
        return (Rule("FAKE_URL", lambda it: it.url == "fake://journal", "is the journal's", "give another"),)


def test_a_package_that_is_not_installed_stops_the_start_and_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fake:
        def __init__(self, settings: FakeSettings, context: Context) -> None:
            __import__("a_package_that_nobody_has")

    module = ModuleType("teslafast.outputs.fake")
    module.FakeSettings, module.Fake = FakeSettings, Fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    row = OutputRow(name="fake", switch="FAKE_URL", module="fake", settings="FakeSettings", output="Fake", extra="fake")
    (plan,) = planned({"FAKE_URL": "fake://"}, SERVER, [row])
    with pytest.raises(Misconfigured) as caught:
        plan.make(Context("epoch", Counter()))
    assert str(caught.value) == (
        'FAKE_URL: needs the package a_package_that_nobody_has, which is not installed — pip install "teslafast[fake]"'
    )


def test_nothing_is_imported_for_an_output_that_is_not_set() -> None:
    program = (
        "import sys, asyncio; from teslafast.config import Settings; from teslafast.outputs.settings import planned\n"
        "from teslafast.server.server import Server\n"
        "settings = Settings.from_env({'NODE_ENV': 'development', 'RING_BYTES': '4MiB'}); loop = asyncio.new_event_loop()\n"
        "Server(settings, loop, outputs=planned({}, settings)); loop.close()\n"
        "print(*sorted(name for name in sys.modules if name.startswith('teslafast.outputs')))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["teslafast.outputs", "teslafast.outputs.settings", "teslafast.outputs.shared"]


def test_the_names_of_the_table_differ_and_fit_the_file_of_cursors() -> None:
    names = [row.name for row in OUTPUTS]
    assert len(names) == len(set(names)) <= 31
    assert all(len(name.encode()) <= 16 for name in names)
