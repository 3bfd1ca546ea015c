"""A reader of QR codes, for lines that a terminal would show."""

from __future__ import annotations

import re

import zxingcpp

PIXELS = 4  # a module's width


def read_back(drawn: list[str]) -> str:
    """What a reader finds in the lines, drawn as a terminal draws them: half blocks, black on white."""
    rows: list[list[bool]] = []
    for line in drawn:
        bare = re.sub(r"\x1b\[[\d;]*m", "", line)
        rows += [[char in "▀█" for char in bare], [char in "▄█" for char in bare]]
    wide = [b"".join(bytes([0 if dark else 255]) * PIXELS for dark in row) for row in rows]
    pixels = b"".join(row * PIXELS for row in wide)
    (found,) = zxingcpp.read_barcodes(memoryview(pixels).cast("B", (len(rows) * PIXELS, len(rows[0]) * PIXELS)))
    return str(found.text)
