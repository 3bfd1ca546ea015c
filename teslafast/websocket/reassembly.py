"""Fragmented messages put together (RFC 6455, 5.4), within a limit: of a message beyond the limit nothing more is kept. Pure."""

from __future__ import annotations

from typing import NamedTuple

CONTINUATION = 0


class OutOfOrder(Exception):
    """A continuation without a beginning, or a new message inside another."""


class Message(NamedTuple):
    """`payload` is None if the message was larger than the limit."""

    opcode: int
    payload: bytearray | None


class Reassembly:
    """One connection's fragments. `limit`: bytes of a whole message."""

    __slots__ = ("_limit", "_opcode", "_parts", "_too_large")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._opcode = CONTINUATION  # of the message under way; CONTINUATION: there is none
        self._parts = bytearray()
        self._too_large = False

    @property
    def idle(self) -> bool:
        """No message is under way: this object need not be kept."""
        return self._opcode == CONTINUATION

    def add(self, opcode: int, final: bool, payload: memoryview | None) -> Message | None:
        """
        One fragment; the whole message if this was its last. `payload`: None for a frame too large to be kept.

        Raises OutOfOrder.
        """
        if (opcode == CONTINUATION) == self.idle:
            raise OutOfOrder
        if opcode != CONTINUATION:
            self._opcode = opcode
        if payload is None or len(self._parts) + len(payload) > self._limit:
            self._too_large = True
            self._parts = bytearray()
        elif not self._too_large:
            self._parts += payload
        if not final:
            return None
        message = Message(self._opcode, None if self._too_large else self._parts)
        self._opcode, self._parts, self._too_large = CONTINUATION, bytearray(), False
        return message
