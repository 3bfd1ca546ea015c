"""What the README says of answers and close codes is what the code can give: no more, no less."""

from __future__ import annotations

import itertools
import re
from http import HTTPStatus

import pytest
from teslafast.close_reasons import CLOSE_REASONS
from teslafast.dashboards.subscription import INTERVALS_MS

from tests.support import ROOT

README = (ROOT / "README.md").read_text()
ANSWERING = ("errors.py", "server", "dashboards", "vehicles", "websocket/handshake.py", "protocol", "http_messages.py")


def first_column(header: str) -> list[str]:
    """The first cell of each row of the table that has this header."""
    lines = README.splitlines()
    start = lines.index(header) + 2
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[start:])
    return [row.split("|")[1].strip() for row in rows]


def named_in_the_code(pattern: str) -> set[str]:
    """What stands behind this pattern in the modules that answer requests."""
    roots = [ROOT / "teslafast" / name for name in ANSWERING]
    modules = [path for root in roots for path in ([root] if root.is_file() else root.glob("*.py"))]
    return {name for path in modules for name in re.findall(pattern, path.read_text())}


def test_every_http_answer_stands_in_the_table_and_no_other() -> None:
    used = {HTTPStatus[name].value for name in named_in_the_code(r"HTTPStatus\.([A-Z_]+)")}
    assert {int(cell) for cell in first_column("| HTTP | when |")} == used


def test_every_close_code_stands_in_the_table_and_no_other() -> None:
    assert {int(cell) for cell in first_column("| close code | why |")} == {reason.code for reason in CLOSE_REASONS}


@pytest.mark.parametrize("interval", INTERVALS_MS)
def test_every_interval_is_named(interval: int) -> None:
    assert re.search(rf"interval=MS.*\b{interval}\b", README)
