"""Text messages that we send: whole WebSocket frames of one JSON object each."""

from __future__ import annotations

import orjson

from .._fanout import frame

TEXT_OPCODE, BINARY_OPCODE = 1, 2  # opcodes


def message(**members: object) -> bytes:
    """One text frame of a JSON object."""
    return frame(TEXT_OPCODE, orjson.dumps(members))


def refusal(reason: str) -> bytes:
    return message(type="error", reason=reason)
