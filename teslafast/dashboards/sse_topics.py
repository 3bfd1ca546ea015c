"""What a reader of server-sent events asks for: Teslemetry's topics, of which we have six."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._fanout import KINDS
from ..core.records import CONNECTIVITY
from ..errors import BadQuery
from ..text import one_line
from .subscription import LONGEST_SEQ, Subscription, hint

STATE, CONFIG = "state", "config"
SSE_TOPICS = (
    *(*KINDS, STATE, CONFIG),
    *("vehicle_data", "live_status", "site_info", "tariff_content_v2", "energy_totals", "wall_connector_totals", "credits"),
)  # the last seven are of Tesla's REST API and energy sites: taken, and silent


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client wants to go on: after this seq of this log's life."""

    epoch: str
    seq: int


def parse_topics(query: Sequence[tuple[str, str]]) -> frozenset[str]:
    """All topics unless some are named. Raises BadQuery."""
    given = [value for name, value in query if name == "topics"]
    if not given:
        return frozenset(SSE_TOPICS)
    words = [word.strip() for value in given for word in value.split(",")]
    for word in words:
        if word not in SSE_TOPICS:
            shown = repr(one_line(word, 40)) if word else "an empty topic"
            raise BadQuery(f"topics must be among {', '.join(SSE_TOPICS)}, not {shown}{hint(word, SSE_TOPICS)}")
    return frozenset(words)


def subscription(query: Sequence[tuple[str, str]], topics: frozenset[str], vins: frozenset[str] | None) -> Subscription:
    """`cache=false`: nothing but what happens from now on. Other parameters are passed over, as Teslemetry does."""
    kinds = sum(1 << number for number, kind in enumerate(KINDS) if kind in topics)
    if STATE in topics:
        kinds |= 1 << CONNECTIVITY  # what it is made of
    cached = dict(query).get("cache", "true").lower() != "false"
    return Subscription(vins=vins, kinds=kinds, snapshot=None if cached else False)


def parse_event_id(text: str | None) -> Place | None:
    """What `Last-Event-ID` says, `EPOCH-SEQ`; None for anything else: ids come back from wherever a client has been."""
    epoch, dash, seq = (text or "").rpartition("-")
    if not (dash and seq.isascii() and seq.isdigit() and len(seq) <= LONGEST_SEQ):
        return None
    return Place(epoch, int(seq))
