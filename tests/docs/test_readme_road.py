"""What the README says of set-up is so: its commands and options, what its presets cost, the causes in its table."""

from __future__ import annotations

import re
import shlex

import click
import pytest
from teslafast.cli.commands import teslafast
from teslafast.onboarding import presets

from tests.support import ROOT
from tests.support.documents import rows

README = (ROOT / "README.md").read_text()


def invocations() -> list[str]:
    """Every `teslafast …` with words after it: in indented lines, after variables or in $( ), and in back-quotes."""
    indented = [line.split("#")[0] for line in README.splitlines() if line.startswith("    ") and "teslafast " in line]
    quoted = re.findall(r"`(teslafast [^`]*)`", README)
    found = [part for line in [*indented, *quoted] for part in re.split(r"[()`']|\|\||&&", line)]
    calls = [match[0] for part in found if (match := re.search(r"\bteslafast (?!0|//)[a-z].*", part))]
    return sorted({call.replace("\\|", "|").strip() for call in calls})


@pytest.mark.parametrize("call", invocations())
def test_a_command_in_the_readme_is_one_with_these_options(call: str) -> None:
    words = shlex.split(re.sub(r"[\[\]…]", " ", call))[1:]
    command: click.Command = teslafast
    while isinstance(command, click.Group) and words:
        name = words.pop(0).split("|")[0]
        assert name in command.commands, f"no command {name!r}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


def test_the_presets_cost_what_it_says() -> None:
    told = {cells[0].strip("`"): cells[2] for cells in rows("| preset | fields | about, a month and vehicle |")}
    assert told == {name: f"${presets.dollars_a_month(fields):.2f}" for name, fields in presets.PRESETS.items()}
