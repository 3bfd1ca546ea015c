"""RFC 3339 times as the stream and the vehicles write them. Values in, values out."""

from __future__ import annotations

import math
from datetime import UTC, datetime


def rfc3339(time_ns: int) -> str:
    """RFC 3339, UTC, milliseconds, `Z`; `time_ns`: ns since 1970, years 1 to 9999."""
    moment = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat()  # strftime's %Y has no leading zeros
    return f"{moment[:19]}.{time_ns // 1_000_000 % 1000:03}Z"


def parse_rfc3339(text: str) -> int | None:
    """ns since 1970, None if the text is no such time."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: its year in UTC is 0 or 10000
        return None
    seconds = moment.replace(microsecond=0).timestamp()
    return int(seconds) * 1_000_000_000 + moment.microsecond * 1000


def rfc3339_ns(now_s: float) -> str:
    """UTC with nanoseconds, as vehicles' timestamps have (a double holds about 240 of them)."""
    whole = math.floor(now_s)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{int((now_s - whole) * 1e9):09}Z"
