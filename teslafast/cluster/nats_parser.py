"""
nats-py's parser, with a short way for what a consumer delivers.

nats-py spends some 8 µs on a message, and puts it into a queue whose reader takes everything that waits in one go. A node that
joins is sent hundreds of thousands: it answered nobody for seconds, not even the server's pings. Here deliveries are read in
compiled code and taken at once, as many as one read from the socket brought. All other frames go to nats-py's own parser, one by
one. What waits for its end is kept here.

Imported only by the engine, when it connects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from ._deliveries import frame_end, read_deliveries
from .engine import StreamMessage

NO_SID = b""


class DeliveryParser(Parser):
    def __init__(self, client: Any) -> None:
        self._rest = bytearray()
        self._sid = NO_SID
        self.taken = 0  # bytes that have come
        self._take: Callable[[list[StreamMessage]], object] = lambda messages: None
        super().__init__(client)

    def watch(self, sid: int, take: Callable[[list[StreamMessage]], object]) -> None:
        """From now on `take` is given what is delivered to this subscription; what came for the one before is nobody's."""
        self._sid, self._take = b"%d" % sid, take

    def reset(self) -> None:
        """For a new connection."""
        self._rest = bytearray()
        super().reset()

    async def parse(self, data: bytes = b"") -> None:
        """Raises ProtocolError."""
        rest = self._rest
        rest += data
        self.taken += len(data)
        place = 0
        try:
            while place < len(rest):
                place = self._deliver(rest, place)
                end = frame_end(rest, place)
                if end < 0:
                    break
                frame, place = bytes(rest[place:end]), end
                await super().parse(frame)
                if rest is not self._rest:  # that frame has ended the connection
                    return
        except ValueError as error:
            raise ProtocolError(f"nats: {error}") from None
        finally:
            del rest[:place]

    def _deliver(self, rest: bytearray, place: int) -> int:
        found: list[StreamMessage] = []
        place = read_deliveries(rest, place, self._sid, StreamMessage, found)
        if found:
            self._take(found)
        return place


def watched(client: Any) -> DeliveryParser | None:
    """Puts the parser into a client of nats-py that is not connected yet; None if that has changed so that it cannot be."""
    if type(getattr(client, "_ps", None)) is not Parser:
        return None
    parser = client._ps = DeliveryParser(client)
    return parser
