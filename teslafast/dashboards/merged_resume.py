"""
`since` together with `interval`: what came after it, data merged to one message a vehicle, the other kinds one by one.

The replay starts an interval and a bit earlier than asked: a merged message on its way may have been lost with the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from .._fanout import Fanout
from ..core.records import DATA
from ..websocket.text_frames import message

STEP = 256  # events merged between two looks at whether others wait: about a millisecond
SLACK_MS = 50  # between the end of an interval and the message's way into the socket


def merged_since(log: Fanout, after: int, interval_ms: int, sees: Callable[[str], bool], kinds: int) -> Iterator[bytes]:
    """
    Frames for all that is in `log` (the flat one) after the seq `after`. `sees(vin)`: whether the dashboard may see it now.

    An empty one among them means: enough for this turn (`Reader.say`).
    """
    merged: dict[str, dict[str, Any]] = {}
    seq = log.seq_before(max(after, 0), interval_ms + SLACK_MS)
    while batch := log.events_after(seq, STEP):
        for seq, kind, _, text, _ in batch:
            event = orjson.loads(text)
            if not kinds >> kind & 1 or not sees(event["vin"]):
                continue
            if kind == DATA:
                known = merged.get(event["vin"])
                if known is not None:
                    known["data"].update(event["data"])
                    event["data"] = known["data"]
                merged[event["vin"]] = event
            elif seq > after:
                yield message(**event)
        yield b""
    yield from (message(**event | {"seq": seq}) for vin, event in merged.items() if sees(vin))
