"""Every output has a page, and its page shows its settings as they are: docs/outputs/NAME.md."""

from __future__ import annotations

import itertools
import tomllib

import pytest
from teslafast.environment import rows
from teslafast.outputs import OUTPUTS, OutputRow, SharedSettings
from teslafast.outputs.settings import settings_class

from tests.support import ROOT
from tests.support.documents import shown

PAGES = ROOT / "docs" / "outputs"


@pytest.mark.parametrize("row", OUTPUTS, ids=lambda row: row.name)
def test_the_page_of_an_output_shows_every_setting_with_its_default_and_its_meaning(row: OutputRow) -> None:
    lines = (PAGES / f"{row.name}.md").read_text().splitlines()
    start = lines.index("| setting | default | meaning |") + 2
    table = list(itertools.takewhile(lambda line: line.startswith("|"), lines[start:]))
    assert table == [f"| `{one.variable}` | {shown(one.default)} | {one.meaning} |" for one in rows(settings_class(row))]


def test_the_index_shows_the_settings_that_outputs_share_and_every_output() -> None:
    page = (PAGES / "index.md").read_text()
    lines = page.splitlines()
    start = lines.index("| setting | default | meaning |") + 2
    table = list(itertools.takewhile(lambda line: line.startswith("|"), lines[start:]))
    assert table == [f"| `{one.variable}` | {shown(one.default)} | {one.meaning} |" for one in rows(SharedSettings)]
    assert [row.switch for row in OUTPUTS if f"| `{row.switch}` | [{row.name}]({row.name}.md) |" not in page] == []


@pytest.mark.parametrize("row", OUTPUTS, ids=lambda row: row.name)
def test_the_first_setting_of_an_output_turns_it_on(row: OutputRow) -> None:
    assert rows(settings_class(row))[0].variable == row.switch


@pytest.mark.parametrize("row", [row for row in OUTPUTS if row.extra], ids=lambda row: row.name)
def test_the_extra_of_an_output_exists(row: OutputRow) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert row.extra in project["optional-dependencies"]


def test_there_is_no_page_without_an_output() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} <= {row.name for row in OUTPUTS} | {"index", "cluster"}
