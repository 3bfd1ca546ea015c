"""
How far a dashboard has read the stream, and the URL that asks for what follows.

`seq` is the last event received, `epoch` the log in which it has that number. A new connection asks for what follows with both
(`since`, `epoch`). In a new epoch the server sends all events that it still has, so `seq` is then set to just before the oldest.
Pure.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from ..errors import Misconfigured
from ..websocket.address import websocket_url
from .board import RECORDS


class Stream:
    """The stream that the user asked for, and how far it has been received."""

    def __init__(self, url: str, token: str | None, vins: Sequence[str], since: int | None, *, flat: bool) -> None:
        parts = websocket_url(url)
        path = parts.path.rstrip("/")
        self._base = parts._replace(path=path if path.endswith("/stream") else path + "/stream", query="")
        query = dict(parse_qsl(parts.query))
        # Every proxy on the way logs a token in a URL; none logs one in a header.
        in_fragment = dict(parse_qsl(urlsplit(url).fragment)).get("token")  # a page's link: http://…/#token=…
        in_url = query.pop("access_token", None), query.pop("token", None), in_fragment
        self.token = token or next(filter(None, in_url), None)
        self.epoch: str | None = query.pop("epoch", None)
        if "since" in query:
            since = _whole_number(query.pop("since")) if since is None else since
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
        """The URL without its query, for messages."""
        return self._base.geturl()

    @property
    def secure(self) -> bool:
        return self._base.scheme == "wss"

    def advance(self, event: dict[str, Any]) -> None:
        """An event was received: the next URL asks for what follows it."""
        kind, seq = event.get("type", "data"), event.get("seq")  # the fleet shape has no type
        if kind == "hello" and isinstance(seq, int):
            if self.seq is None:
                self.seq = seq
            elif self.epoch not in (None, event.get("epoch")):
                # Another log: the server is about to send all that it holds, from the oldest event on.
                oldest = event.get("oldest")
                self.seq = oldest - 1 if isinstance(oldest, int) and oldest > 0 else 0
            self.epoch = str(event.get("epoch"))
        elif kind in RECORDS and isinstance(seq, int):
            self.seq = seq
        elif kind == "gap" and isinstance(event.get("to"), int):
            self.seq = event["to"]


def _whole_number(text: str) -> int:
    if not text.isdecimal():
        raise Misconfigured("URL", f"since={text} is not a number", "give the seq of the last event that you have")
    return int(text)
