"""
What a dashboard asks `/stream` for: its query as a value, or a refusal that says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._fanout import ALL_KINDS, KINDS
from ..core.views import ViewKey
from ..errors import BadQuery
from ..vin import is_vin

INTERVALS_MS = (100, 250, 500, 1000, 2000, 5000, 10_000)


@dataclass(frozen=True, slots=True)
class Subscription:
    """
    What a dashboard asked `/stream` for (contract.md). `vins`: only these, and no others than its token grants (None = all);
    `kinds`: bit k = KINDS[k]; `since`: a seq, `epoch`: whose.
    """

    vins: frozenset[str] | None = None
    kinds: int = ALL_KINDS
    since: int | None = None
    epoch: str | None = None
    snapshot: bool = True
    fleet: bool = False
    interval_ms: int = 0

    @property
    def view(self) -> ViewKey:
        return ViewKey("fleet" if self.fleet else "flat", self.interval_ms)


def parse_subscription(query: Mapping[str, str]) -> Subscription:
    since = query.get("since")
    if since is not None and not (since.isascii() and since.isdigit() and len(since) <= 20):
        raise BadQuery("since is not a sequence number")
    interval = query.get("interval", "0")
    if interval != "0" and interval not in map(str, INTERVALS_MS):
        raise BadQuery(f"interval is not one of {', '.join(map(str, INTERVALS_MS))}")
    shape = query.get("format", "flat")
    if shape not in ("flat", "fleet"):
        raise BadQuery("format is neither flat nor fleet")
    if shape == "fleet" and interval != "0":
        raise BadQuery("interval goes with format=flat only")
    snapshot = query.get("snapshot", "0" if since is not None else "1")
    if snapshot not in ("0", "1"):
        raise BadQuery("snapshot is neither 0 nor 1")
    return Subscription(
        kinds=parse_kinds(query["type"].split(",")) if query.get("type") else ALL_KINDS,
        since=None if since is None else int(since),
        epoch=query.get("epoch"),
        snapshot=snapshot == "1",
        fleet=shape == "fleet",
        interval_ms=int(interval),
    )


def parse_kinds(words: Sequence[str]) -> int:
    """The mask of the kinds named. Raises Refused (400)."""
    mask = 0
    for word in words:
        if word not in KINDS:
            raise BadQuery(f"type is not among {', '.join(KINDS)}")
        mask |= 1 << KINDS.index(word)
    return mask


def parse_vins(text: str | None) -> list[str] | None:
    if not text:
        return None
    vins = text.split(",")
    if not all(map(is_vin, vins)):
        raise BadQuery("vin holds something that is no VIN")
    return vins
