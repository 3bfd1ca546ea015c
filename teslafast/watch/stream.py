"""
Where a dashboard is in the log, and the address that asks for what follows.

`seq` is the last event seen, `epoch` the log that it is numbered in. After a break both go into the query (`since`, `epoch`).
In a new epoch the server sends all that it still has, so `seq` then begins before the oldest of that. Pure.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from ..errors import Misconfigured
from ..websocket.address import websocket_url
from .board import RECORDS


class Stream:
    """The stream that is asked for, and how far it has been heard."""

    def __init__(self, url: str, token: str | None, vins: Sequence[str], since: int | None, *, flat: bool) -> None:
        parts = websocket_url(url)
        path = parts.path.rstrip("/")
        self._base = parts._replace(path=path if path.endswith("/stream") else path + "/stream", query="")
        query = dict(parse_qsl(parts.query))
        # A token in the address would stand in every log on the way; in a header it does not.
        in_url = query.pop("access_token", None), query.pop("token", None)
        self.token = token or next(filter(None, in_url), None)
        self.epoch: str | None = query.pop("epoch", None)
        if "since" in query:
            since = _number(query.pop("since")) if since is None else since
        self.seq = since
        if vins:
            query["vin"] = ",".join(vins)
        if flat:
            query.pop("format", None)
        self._query = query

    @property
    def url(self) -> str:
        query = dict(self._query)
        if self.seq is not None:
            query["since"] = str(self.seq)
            if self.epoch is not None:
                query["epoch"] = self.epoch
        return self._base._replace(query=urlencode(query, safe=",*")).geturl()

    @property
    def shown(self) -> str:
        """Without the query."""
        return self._base.geturl()

    @property
    def secure(self) -> bool:
        return self._base.scheme == "wss"

    def take(self, event: dict[str, Any]) -> None:
        """Notes how far the stream has come."""
        kind, seq = event.get("type", "data"), event.get("seq")  # the fleet shape has no type
        if kind == "hello" and isinstance(seq, int):
            if self.seq is None:
                self.seq = seq
            elif self.epoch not in (None, event.get("epoch")):
                # Another log: what it still holds is about to follow, from its oldest event on.
                oldest = event.get("oldest")
                self.seq = oldest - 1 if isinstance(oldest, int) and oldest > 0 else 0
            self.epoch = str(event.get("epoch"))
        elif kind in RECORDS and isinstance(seq, int):
            self.seq = seq
        elif kind == "gap" and isinstance(event.get("to"), int):
            self.seq = event["to"]


def _number(text: str) -> int:
    if not text.isdecimal():
        raise Misconfigured("URL", f"since={text} is no number", "give the last SEQ that you have")
    return int(text)
