"""What a dashboard is told besides events, as whole WebSocket frames: hello, snapshot, gap, and answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import __version__
from .._fanout import frame
from ..rfc3339 import rfc3339
from ..websocket.text_frames import TEXT, message


def hello(epoch: str, seq: int, oldest: int) -> bytes:
    return message(type="hello", epoch=epoch, seq=seq, oldest=oldest, server=f"teslafast/{__version__}")


def gap(first: int, last: int) -> bytes:
    return frame(TEXT, b'{"type":"gap","from":%d,"to":%d}' % (first, last))


def snapshot(seq: int, vin: str, created_ns: int, data: Mapping[str, Any]) -> bytes:
    return message(type="snapshot", seq=seq, vin=vin, createdAt=rfc3339(created_ns), isCache=True, data=data)


def subscribed(vins: Iterable[str] | None, types: Iterable[str] | None) -> bytes:
    return message(type="subscribed", vins=None if vins is None else sorted(vins), types=None if types is None else list(types))


def token_expiring(exp: float) -> bytes:
    return message(type="token_expiring", exp=int(exp))
