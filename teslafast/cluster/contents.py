"""What stands in a message of the log, as far as this version can read it. Pure."""

from __future__ import annotations

from typing import Any

import orjson

from .batch import VERSION, BatchHead, Entry, NotABatch, read_entries
from .engine import StreamMessage
from .finder import head_of


def entries_of(message: StreamMessage) -> list[Entry]:
    """Those of a batch that this version can read; none of anything else."""
    head = head_of(message)
    return [] if head is None else entries_in(message, head)


def entries_in(message: StreamMessage, head: BatchHead) -> list[Entry]:
    """Those of a message with this head."""
    if head.version != VERSION or not head.entries:
        return []
    try:
        return read_entries(message.payload, head)
    except NotABatch:
        return []


def body_of(entry: Entry) -> dict[str, Any]:
    """The JSON of an event that a node made; {} if it is none."""
    try:
        body = orjson.loads(entry.payload)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}
