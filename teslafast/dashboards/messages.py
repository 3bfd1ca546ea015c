"""What a dashboard is told besides events, as whole WebSocket frames: hello, snapshot, gap, and answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import __version__
from .._fanout import KINDS, frame
from ..errors import BadQuery
from ..rfc3339 import rfc3339
from ..websocket.text_frames import TEXT_OPCODE, message


def hello(epoch: str, seq: int, oldest: int) -> bytes:
    return message(type="hello", epoch=epoch, seq=seq, oldest=oldest, server=f"teslafast/{__version__}")


def gap(first: int, last: int) -> bytes:
    return frame(TEXT_OPCODE, b'{"type":"gap","from":%d,"to":%d}' % (first, last))


def snapshot(seq: int, vin: str, created_ns: int, data: Mapping[str, Any]) -> bytes:
    return message(type="snapshot", seq=seq, vin=vin, createdAt=rfc3339(created_ns), isCache=True, data=data)


def subscribed(vins: Iterable[str] | None, kinds: int) -> bytes:
    """`kinds`: bit k = KINDS[k]."""
    types = [kind for number, kind in enumerate(KINDS) if kinds >> number & 1]
    every = len(types) == len(KINDS)
    return message(type="subscribed", vins=None if vins is None else sorted(vins), types=None if every else types)


def token_expiring(exp: float) -> bytes:
    return message(type="token_expiring", exp=int(exp))


PONG_MESSAGE = message(type="pong")


def invalid(reason: str) -> BadQuery:
    """A dashboard's message that cannot be taken; `reason` goes back to the dashboard."""
    return BadQuery(reason)
