"""What a WebSocket connection is given: the rules of its role, and what its bytes go through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..event_loop import Timer
from ..metrics import Counts


class Incoming(Protocol):
    """What the bytes of a connection go through (`_frame_limit.FrameLimit`)."""

    @property
    def received(self) -> int:
        """Bytes, in all."""

    def stop(self) -> None:
        """From now on only the peer's CLOSE is looked for."""


@dataclass(frozen=True, slots=True)
class Rules:
    """
    What all connections of one role have in common.

    event            names them in the log: `vehicle`, `dashboard`
    message_limit    bytes of a whole message
    ping_interval_s  silence before a ping
    """

    event: str
    message_limit: int
    ping_interval_s: float
    timer: Timer
    counts: Counts
