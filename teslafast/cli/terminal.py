"""
What a terminal, or whatever stands in its place, can show.

A terminal that obeys no escape sequence (TERM=dumb: an editor's, a log's) gets plain lines. One whose encoding lacks our marks
(an old console) gets the nearest ASCII: a command must not end because a tick cannot be printed. Where the encoding is said to be
ASCII, nobody has set one, and it is UTF-8: so Python does by itself for LC_ALL=C, and click for what it prints.
"""

from __future__ import annotations

import codecs
import io
import os
from typing import IO, TextIO

_NEAREST = {"✓": "+", "✗": "x", "…": "...", "→": "->", "—": "-", "–": "-", "“": '"', "”": '"', "’": "'", "·": "-"}
_HANDLER = "teslafast_nearest"


def obeys_escapes(stream: IO[str]) -> bool:
    """Whether a line can be rewritten there."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colours(stream: IO[str]) -> bool:
    """Whether colours are shown there, and wanted: NO_COLOR says that they are not."""
    return obeys_escapes(stream) and not os.environ.get("NO_COLOR")


def shows(stream: TextIO, text: str) -> bool:
    """Whether the stream's encoding has every character of the text."""
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def print_anything(*streams: TextIO) -> None:
    """From now on, what a stream's encoding lacks is replaced there."""
    codecs.register_error(_HANDLER, _nearest)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if is_ascii else stream.encoding, errors=_HANDLER)


def _nearest(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_NEAREST.get(one, "?") for one in error.object[error.start : error.end]), error.end
