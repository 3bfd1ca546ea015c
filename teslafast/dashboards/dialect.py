"""What a dashboard is told besides events, in the words of the protocol that it speaks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from .._fanout import frame
from ..core.hub import Hub
from ..core.records import DATA
from ..websocket.text_frames import TEXT_OPCODE
from . import messages


class Dialect(Protocol):
    """Each gives the bytes that go out as they are, frame and all; b"": this protocol has no word for it."""

    def hello(self, hub: Hub) -> bytes: ...
    def event(self, seq: int, kind: int, vin: str, text: bytes) -> bytes:
        """One of the log that does not come from the ring."""

    def gap(self, first: int, last: int) -> bytes: ...
    def token_expiring(self, exp: float) -> bytes: ...
    def has_snapshots(self, kinds: int) -> bool:
        """Whether somebody who sees these kinds is told what holds now."""

    def vins(self, hub: Hub) -> Iterator[str]:
        """The vehicles of which there is something to tell."""

    def snapshot(self, hub: Hub, vin: str) -> bytes | None:
        """What holds now of this vehicle."""


class StreamDialect:
    """Our own protocol's, at `/stream`. `clock()`: ns since 1970."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock

    def hello(self, hub: Hub) -> bytes:
        return messages.hello(hub.epoch, hub.log.seq, hub.log.oldest)

    def event(self, seq: int, kind: int, vin: str, text: bytes) -> bytes:
        return frame(TEXT_OPCODE, text)

    def gap(self, first: int, last: int) -> bytes:
        return messages.gap(first, last)

    def token_expiring(self, exp: float) -> bytes:
        return messages.token_expiring(exp)

    def has_snapshots(self, kinds: int) -> bool:
        return bool(kinds & 1 << DATA)

    def vins(self, hub: Hub) -> Iterator[str]:
        return hub.last_values.vins()

    def snapshot(self, hub: Hub, vin: str) -> bytes | None:
        vehicle = hub.last_values.get(vin)
        if vehicle is None:
            return None
        return messages.snapshot(hub.log.seq, vin, vehicle.newest_at(self._clock()), vehicle.values)


STREAM_DIALECT = StreamDialect(time.time_ns)
