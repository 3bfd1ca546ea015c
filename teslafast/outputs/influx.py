"""
InfluxDB 1, 2 and 3: each event is a point, written with the line protocol over HTTP, compressed.

The client is ours (http_client.py), on the event loop; a batch is made SLICE events at a time, with a turn of the loop between.
Writing the same points again changes nothing, so what was not answered is written again.

    2xx              all of it is stored
    400, 422         some lines are bad, the others may be stored: InfluxDB 1, and 3 with accept_partial, keep those, 2 not
                     always. If it names a field of another type, that field goes by another name from now on, and all is written
                     again. Else the batch is halved until the bad event is found; that one is dropped (`refused`)
    413              too large: halved in the same way
    429, 503         tried again after `Retry-After`
    401, 403, 404    what the settings name is not there, or not for us: tried again until somebody has mended it
    anything else    tried again
"""

from __future__ import annotations

import asyncio
import re
import time
import zlib
from collections.abc import Sequence

from ..errors import Undelivered
from ..logs import fields, log
from . import Context, Event
from .http_client import HttpAnswer, retry_after_s
from .influx_lines import LineEncoder
from .influx_settings import InfluxSettings
from .kept_connection import KeptConnection
from .runner_options import REFUSED

__all__ = ["InfluxOutput", "InfluxSettings"]

LINES_SLICE = 16  # events: some 0.4 ms of the event loop
_BAD_LINES = frozenset({400, 422})
_TOO_LARGE = 413
_CONFLICT = re.compile(r"""(?:input field|column) (?:\\?["'])([^"'\\]+)\\?["']""")  # InfluxDB 1 and 2; 3
_PROBE = b"# teslafast\n"  # a comment: it writes nothing, and is refused as a line would be
_WORDS_AT_MOST = 200  # characters of an answer's body in the log
_ANOTHER = {
    404: "; for InfluxDB 1 leave out INFLUX_ORG and INFLUX_TOKEN",
    401: "; look at INFLUX_TOKEN, or the login in INFLUX_URL",
}


class InfluxOutput:
    def __init__(self, settings: InfluxSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        context.dropped[REFUSED] += 0  # a counter is there before it counts
        self._lines = LineEncoder(context.dropped)
        self._server = KeptConnection(settings.url.hostname or "", settings.port, encrypted=settings.url.scheme == "https")
        self._head = _head(settings, self._server.host_header)
        self._refused: set[int] = set()  # seqs of the batch that is being sent

    # ---- of an Output

    async def connect(self) -> None:
        answer = await self._post(zlib.compress(_PROBE, 1, 31))
        if answer.status not in _BAD_LINES:  # which says that there was no line in it
            self._judge(answer)

    async def send(self, events: Sequence[Event]) -> None:
        await self._store([event for event in events if event.seq not in self._refused])
        self._refused.clear()

    async def check(self) -> str:
        """Writes a comment, which stores nothing."""
        try:
            await self.connect()
            return f"{self._server.host} takes writes to {self._settings.bucket} (InfluxDB's {self._settings.version} interface)"
        finally:
            await self.close()

    async def close(self) -> None:
        self._server.close()

    # ---- writing

    async def _store(self, events: Sequence[Event]) -> None:
        """Until everything is stored, but for what nobody will ever store."""
        while True:
            body = await self._compressed(events)
            if body is None:
                return
            answer = await self._post(body)
            if answer.status not in _BAD_LINES and answer.status != _TOO_LARGE:
                self._judge(answer)
                return
            if not self._learn(answer):
                break
        if len(events) > 1:
            half = len(events) // 2
            await self._store(events[:half])
            await self._store(events[half:])
            return
        log.warning("influx_event_dropped", extra=fields(host=self._server.host, seq=events[0].seq, reason=_reason(answer)))
        self._context.give_up(events[0].seq, REFUSED)
        self._refused.add(events[0].seq)

    def _learn(self, answer: HttpAnswer) -> bool:
        """Whether the answer names a field that goes by another name from now on."""
        if answer.status == _TOO_LARGE:
            return False
        found = _CONFLICT.search(answer.body.decode("utf-8", "replace"))
        if found is None or not self._lines.rename(found[1]):
            return False
        log.warning("influx_field_renamed", extra=fields(host=self._server.host, field=found[1], reason=_reason(answer)))
        return True

    async def _compressed(self, events: Sequence[Event]) -> bytes | None:
        """None if these events have no point."""
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)  # 1: most of what there is to save, in a fifth of the time of 6
        parts, empty = [], True
        for start in range(0, len(events), LINES_SLICE):
            text = "".join([self._lines.lines(event) for event in events[start : start + LINES_SLICE]])
            empty = empty and not text
            parts.append(packer.compress(text.encode()))
            await asyncio.sleep(0)
        return None if empty else b"".join([*parts, packer.flush()])

    def _judge(self, answer: HttpAnswer) -> None:
        """Raises what the answer means, unless it is 2xx."""
        if 200 <= answer.status < 300:
            return
        error = Undelivered(f"{self._server.host} answers {_reason(answer)}{_ANOTHER.get(answer.status, '')}")
        error.retry_after_s = retry_after_s(answer, time.time())
        raise error

    async def _post(self, body: bytes) -> HttpAnswer:
        return await self._server.ask(self._head % len(body) + body)


def _head(settings: InfluxSettings, host: str) -> bytes:
    """Everything of a request before its body, but for the body's length."""
    lines = [
        f"POST {settings.target()} HTTP/1.1".replace("%", "%%"),
        f"host: {host}",
        "user-agent: teslafast",
        "content-type: text/plain; charset=utf-8",
        "content-encoding: gzip",
    ]
    authorization = settings.authorization().replace("%", "%%")
    lines += [f"authorization: {authorization}"] if authorization else []
    return ("\r\n".join([*lines, "content-length: %d"]) + "\r\n\r\n").encode()


def _reason(answer: HttpAnswer) -> str:
    """The status, and the first words of the answer."""
    words = answer.body.decode("utf-8", "replace")[:_WORDS_AT_MOST]
    clean = "".join(character if character.isprintable() else " " for character in words).strip()
    return f"{answer.status} {clean}".strip()
