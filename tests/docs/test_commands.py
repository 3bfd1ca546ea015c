"""Every `teslafast …`, `make …` and `python -m …` in the documents is one that there is, with these options."""

from __future__ import annotations

import importlib.util
import re
import shlex

import click
import pytest
from teslafast.cli.commands import teslafast

from tests.support import ROOT
from tests.support.pages import blocks, pages


def invocations() -> list[str]:
    """Words after `teslafast`: in code, after variables or in $( ), and in back-quotes."""
    parts: list[str] = []
    for page in pages():
        text = page.read_text()
        code = [line for line in text.splitlines() if line.startswith("    ")]
        code += [line for block in blocks(page) if block.info.startswith("sh") for line in block.text.splitlines()]
        parts += [part for line in code for part in re.split(r"[()`']|\|\||&&|[|>]", line.split("#")[0])]
        parts += re.findall(r"`(teslafast [^`]*)`", text)
    calls = [match[0] for part in parts if (match := re.search(r"(?<![\w./-])teslafast (?!0|//|teslafast)[a-z].*", part))]
    return sorted({call.replace("\\|", "|").strip().rstrip("\\").strip() for call in calls})


@pytest.mark.parametrize("call", invocations())
def test_a_command_in_the_documents_is_one_with_these_options(call: str) -> None:
    words = shlex.split(re.sub(r"[\[\]…]", " ", call), comments=True)[1:]
    command: click.Command = teslafast
    while isinstance(command, click.Group) and words:
        name = words.pop(0).split("|")[0]
        assert name in command.commands, f"no command {name!r}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known | {"--help"}


TEXT = "\n".join(page.read_text() for page in pages())


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^ {4}|`|&& )make ([a-z-]+)", TEXT, re.MULTILINE))))
def test_a_target_of_make_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m ([a-z_.]+)", TEXT)) - {"build", "venv"}))
def test_a_module_that_is_to_be_run_exists(module: str) -> None:
    assert importlib.util.find_spec(module)
