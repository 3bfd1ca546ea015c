"""The documents as text: their pages, fenced blocks, headings and links."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import ROOT

FENCE = re.compile(r"^```(.*)$")
LINK = re.compile(r"!?\[(?:[^\]]|\](?!\())*\]\(([^)\s]+)\)|<img[^>]*\bsrc=\"([^\"]+)\"")


def pages() -> list[Path]:
    """Every page that people read; not the rules for those who write them with a tool."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    return [*top, *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Block:
    """A fenced block. `info`: what stands behind the fence."""

    info: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    info: str | None = None
    lines: list[str] = []
    start = 0
    for number, line in enumerate(page.read_text().splitlines(), 1):
        match = FENCE.match(line)
        if match and info is None:
            info, lines, start = match[1].strip(), [], number
        elif match:
            found.append(Block(info or "", "\n".join(lines), start))
            info = None
        elif info is not None:
            lines.append(line)
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks and indented code."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"^ {4}(?![*|-]).*$", "", text, flags=re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    used: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose(page), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.add(f"{slug}-{used[slug]}" if used[slug] else slug)
        used[slug] += 1
    return found


def links(page: Path) -> Iterator[str]:
    """Relative ones and those within the page."""
    text = re.sub(r"`[^`]*`", "", prose(page).replace("[`", "[").replace("`]", "]"))
    for target, source in LINK.findall(text):
        if not re.match(r"[a-z]+:", target or source):
            yield target or source
