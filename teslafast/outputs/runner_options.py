"""What a runner goes by: its limits, and what differs from one output to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ..config import MIB
from . import Confirmations
from .shapes import Shaper

BATCH_EVENTS = 512  # at most at once, unless the output's row says less: what a broker confirms within a moment
BATCH_BYTES = MIB  # or so many bytes of their texts; a larger event goes alone
BATCH_LINGER_S = 0.1  # from one batch to the next: some events share the cost of a batch; the first after a pause goes at once
LINGER_ACKS_S = 0.02  # the same where vehicles' acks wait for it
ATTEMPT_S = 60.0  # a connect or a send that takes longer counts as failed: no broker keeps a confirmation back for that long
CLOSE_S = 1.0  # an output that does not let go of its connection is not waited for

CONNECTING, UP, FAILING = "connecting", "up", "failing"
OVERTAKEN = "overtaken"  # why events were dropped: they left the ring before they could be sent
REFUSED = "refused"  # who was to get one said that this event is bad
UNWANTED = "unwanted"  # the receiver said that it wants no more
WAIT_AT_MOST_S = 3600.0  # a receiver that asks for a longer pause is tried once an hour: a clock of it may be wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerOptions:
    """
    kinds      the events that the output gets, None = all
    linger_s   from one batch to the next
    acks       whom to tell what has arrived
    given_up   the Context's: seqs of a batch's events that the output did not deliver
    ending     is set when the end is wanted: the Context's
    shaper     gives events the bodies that the output wants; None: it wants their texts
    permit     returns when a batch may be sent; False: none may any more. None: whenever there is one
    """

    kinds: frozenset[int] | None = None
    batch_events: int = BATCH_EVENTS
    linger_s: float = BATCH_LINGER_S
    acks: Confirmations | None = None
    given_up: list[int] = field(default_factory=list)
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    shaper: Shaper | None = None
    permit: Callable[[], Awaitable[bool]] | None = None
