"""README's tables say what the code does: settings, close codes, HTTP answers, commands."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from picows import WSCloseCode

from teslafast.cli import commands
from teslafast.config import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def rows(*header: str) -> list[list[str]]:
    """The cells of the table with this header; the one table that has it."""
    tables = re.findall(rf"^\| {re.escape(' | '.join(header))} \|\n\|[-|]+\|\n((?:\|.*\|\n)+)", README, re.MULTILINE)
    assert len(tables) == 1, header
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("| \n"))] for line in tables[0].splitlines()]


def shown(default: object) -> str:
    """A default as the table shows it."""
    if default in (None, "", (), frozenset(), b""):
        return "–"
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    return (
        f"`{str(default).lower()}`"
        if isinstance(default, bool)
        else f"`{default:g}`"
        if isinstance(default, float)
        else f"`{default}`"
    )


def test_the_settings_table_is_what_the_code_reads() -> None:
    expected = [[f"`{row.metadata['variable']}`", shown(row.default), row.metadata["meaning"]] for row in fields(Settings)]
    assert rows("variable", "default", "meaning") == expected


def source(pattern: str) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "teslafast").glob(pattern)))


def test_every_close_code_that_the_code_says_is_in_the_table() -> None:
    said = set(re.findall(r"WSCloseCode\.([A-Z_]+)", source("*.py")))
    answers = {"OK", "NO_INFO"}  # what a peer's own CLOSE is answered with
    used = {str(WSCloseCode[name].value) for name in said - answers} | {"1009"}  # picows says that one by itself
    assert {row[0] for row in rows("close code", "why")} == used


def test_every_http_status_that_the_code_answers_with_is_in_the_table() -> None:
    from http import HTTPStatus

    text = "".join(map(source, ("gate.py", "door.py", "server.py", "auth.py", "identity.py", "errors.py", "page.py")))
    used = {str(HTTPStatus[name].value) for name in re.findall(r"HTTPStatus\.([A-Z_]+)", text)}
    assert {row[0] for row in rows("HTTP", "when")} == used


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_every_command_is_in_the_table(name: str) -> None:
    assert any(row[0].startswith(f"`teslafast {name}") for row in rows("command", "does"))
