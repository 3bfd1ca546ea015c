"""
Webhooks: each event is posted to a URL, signed, until the receiver has taken it. Each URL is an output of its own.

    batch ──▶ one queue a vehicle ──▶ LANES connections, each works on one vehicle's queue at a time

So events of one vehicle arrive in order, and one slow answer holds up one vehicle. What has arrived of a batch is remembered:
when the rest fails, only the rest is posted again.

    2xx                        it has arrived
    410                        the receiver wants no more: the output stops (Unwanted)
    400, 413, 415, 422, 431    it cannot take this event: dropped after BAD_EVENT_TRIES (`refused`), and the next one follows
    anything else              tried again, after `Retry-After` if that is later than the back-off; a redirect, too
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from ..errors import Undelivered, Unwanted
from ..logs import fields, log
from . import Context, Event
from .http_client import Hasty, HttpAnswer, PostConnection, PostTarget, Resolve, resolve, retry_after_s
from .kept_connection import with_tls
from .runner_options import REFUSED
from .webhook_message import WebhookRequests
from .webhook_settings import WebhookSettings, parts_of
from .webhook_template import read_template

LANES = 8  # posts at once to one URL: 8 × 20 a second at 50 ms each; more would be a burden to a small receiver
BAD_EVENT_TRIES = 5  # tries of an event that the receiver calls bad, over some 10 s: a deployment of its own may be under way
__all__ = ["WebhookOutput", "WebhookSettings"]

_BAD_EVENT = frozenset({400, 413, 415, 422, 431})
_REASON_AT_MOST = 200  # characters of an answer's body in the log


class WebhookOutput:
    """Settings with one URL. Log lines and errors name its host and nothing else of it."""

    def __init__(
        self, settings: WebhookSettings, context: Context, look_up: Resolve = resolve, wall: Callable[[], float] = time.time
    ) -> None:
        """Raises Misconfigured if a template cannot be read."""
        (url,) = settings.urls
        parts = parts_of(url)
        render = read_template(Path(unquote(parts.fragment))) if parts.fragment else None
        self._request = WebhookRequests(parts, context.epoch, settings.secrets, render)
        self._hidden = [one for one in (unquote(parts.path), parts.path, parts.query) if len(one) > 1]
        self._tls = parts.scheme == "https"
        self._signed = bool(settings.secrets)
        self._endpoint = PostTarget(parts.hostname or "", parts.port or (443 if self._tls else 80), None, settings.private)
        self._look_up = look_up
        self._wall = wall
        self._context = context
        context.dropped[REFUSED] += 0  # a counter is there before it counts
        self._free: list[PostConnection] = []
        self._all: set[PostConnection] = set()
        self._arrived: set[int] = set()  # seqs of the batch that is being sent; a batch is small
        self._refusals: Counter[int] = Counter()  # of the same
        self._troubles: list[Undelivered] = []

    # ---- of an Output

    async def connect(self) -> None:
        if self._tls and self._endpoint.tls is None:
            self._endpoint = await with_tls(self._endpoint)
        self._free.append(await self._opened())

    async def send(self, events: Sequence[Event]) -> None:
        queues: dict[str, list[Event]] = {}
        for event in events:
            if event.seq not in self._arrived:
                queues.setdefault(event.vin, []).append(event)
        self._troubles = []
        lanes = iter(queues.values())
        if len(queues) <= 1:
            await self._work(lanes)
        else:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(LANES, len(queues))):
                    group.create_task(self._work(lanes))
        if self._troubles:
            raise _worst(self._troubles)
        self._arrived.clear()
        self._refusals.clear()

    async def gap(self, first: int, last: int) -> None:
        self._judge(await self._post(lambda: self._request.of_gap(first, last, self._wall())))

    async def check(self) -> str:
        """Posts nothing: that would ring a phone."""
        try:
            await self.connect()
            signed = "signed" if self._signed else "unsigned: WEBHOOK_SECRET is not set"
            return f"{self._endpoint.host} answers at {self._free[0].address}; nothing was posted ({signed})"
        finally:
            await self.close()

    async def close(self) -> None:
        for connection in self._all:
            connection.close()
        self._all.clear()
        self._free.clear()

    # ---- one lane

    async def _work(self, queues: Iterator[list[Event]]) -> None:
        """Works on one queue after the other until none is left; after a trouble, nobody begins with another event."""
        for queue in queues:
            for event in queue:
                if self._troubles:
                    return
                try:
                    await self._deliver(event)
                except Undelivered as error:
                    self._troubles.append(error)
                    return

    async def _deliver(self, event: Event) -> None:
        answer = await self._post(lambda: self._request.of_event(event, self._wall()))
        if answer.status in _BAD_EVENT:
            self._refusals[event.seq] += 1
            if self._refusals[event.seq] >= BAD_EVENT_TRIES:
                reason = self._reason(answer)
                log.warning("webhook_event_dropped", extra=fields(host=self._endpoint.host, seq=event.seq, reason=reason))
                self._context.give_up(event.seq, REFUSED)
                self._arrived.add(event.seq)
                return
        self._judge(answer)
        self._arrived.add(event.seq)

    async def _post(self, request: Callable[[], bytes]) -> HttpAnswer:
        """Once, or twice if the connection was an old one that the receiver closed just then."""
        while self._free:
            connection = self._free.pop()
            if connection.usable:
                try:
                    return await self._post_over(connection, request())
                except Hasty:
                    break
            self._discard(connection)
        return await self._post_over(await self._opened(), request())

    async def _post_over(self, connection: PostConnection, request: bytes) -> HttpAnswer:
        answer = await connection.post(request)
        if connection.stands:
            self._free.append(connection)
        else:
            self._discard(connection)
        return answer

    async def _opened(self) -> PostConnection:
        connection = await PostConnection.open(self._endpoint, self._look_up)
        self._all.add(connection)
        return connection

    def _discard(self, connection: PostConnection) -> None:
        connection.close()
        self._all.discard(connection)

    def _judge(self, answer: HttpAnswer) -> None:
        """Raises what the answer means, unless it is 2xx."""
        if 200 <= answer.status < 300:
            return
        if answer.status == 410:
            raise Unwanted(f"{self._endpoint.host} answers 410: it wants no more events")
        error = Undelivered(f"{self._endpoint.host} answers {self._reason(answer)}")
        error.retry_after_s = retry_after_s(answer, self._wall())
        raise error

    def _reason(self, answer: HttpAnswer) -> str:
        """The status, and the first words of the answer: without the address, which many servers repeat in them."""
        if 300 <= answer.status < 400:
            return f"{answer.status}, a redirect, which is not followed: give the address that it leads to"
        words = answer.body.decode("utf-8", "replace")
        for hidden in self._hidden:
            words = words.replace(hidden, "…")
        clean = "".join(character if character.isprintable() else " " for character in words[:_REASON_AT_MOST]).strip()
        return f"{answer.status} {clean}".strip()


def _worst(troubles: Sequence[Undelivered]) -> Undelivered:
    """That which ends the output, else that which has to be waited for longest."""
    return max(troubles, key=lambda one: (isinstance(one, Unwanted), one.retry_after_s))
