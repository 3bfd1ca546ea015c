"""Where in the log a dashboard goes on that says what it has had: `since`, and the epoch that this counts in."""

from __future__ import annotations

from ..core.hub import Hub
from .subscription import Subscription

AHEAD_S = 5.0  # a dashboard that comes from another node may have seen more than this one has: it is told a gap after so long
_UNKNOWN_PLACE = -1  # what `Fanout.subscribe` takes for a seq that this log never had


def resume_place(asked: Subscription, hub: Hub) -> int | None:
    """The seq after which it wants to go on, None if it only wants what comes."""
    if asked.since is None:
        return None
    known = asked.epoch in (None, hub.epoch) and asked.since <= hub.log.seq
    return asked.since if known else _UNKNOWN_PLACE


def is_ahead(asked: Subscription, hub: Hub) -> bool:
    """Whether it has seen, at another node, what this one has not read yet."""
    return hub.shares_log and asked.since is not None and asked.since > hub.log.seq and asked.epoch in (None, hub.epoch)
