"""The tables of README.md, SECURITY.md and docs/, wherever they stand: found by their header line."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

from tests.support import ROOT


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]


def rows(header: str) -> list[list[str]]:
    """The cells of each row of the table that has this header. Exactly one document has it."""
    tables = [table for page in pages() for table in _tables(page.read_text().splitlines(), header)]
    assert len(tables) == 1, f"{len(tables)} documents have the table {header}"
    return tables[0]


def _tables(lines: list[str], header: str) -> list[list[list[str]]]:
    starts = [number + 2 for number, line in enumerate(lines) if line == header]
    tables = [takewhile(lambda line: line.startswith("|"), lines[start:]) for start in starts]
    return [[[cell.strip() for cell in line.strip("|").split("|")] for line in table] for table in tables]


def shown(default: object) -> str:
    """A setting's default, as a table writes it."""
    match default:
        case _ if str(default) == "":
            return "–"
        case None | "" | b"" | () | frozenset():
            return "–"
        case bool():
            return f"`{default}`".lower()
        case tuple():
            return f"`{','.join(default)}`"
        case float():
            return f"`{default:g}`"
    return f"`{default}`"
