"""
A dashboard's client for teslafast's /stream that loses nothing it could have had: it resumes after a break, says what it missed,
notices a new log, renews its token, and waits longer each time before it comes back. docs/stream.md has the rules; the numbers
in the comments are those of its section Reconnecting.

    pip install websockets
    TOKEN=… python client.py wss://telemetry.example.com/stream
"""

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

LARGEST_MESSAGE = 16 << 20  # bytes; a vehicle's message is at most 1 MB, its JSON is longer
FINAL = {400, 403, 404}  # no use in trying again
Event = dict[str, Any]


class Stream:
    """
    url     ws:// or wss://…/stream
    token   gives a token that is good now; called for each connection, and when one is about to end
    query   vin, type, interval …

    `values` holds the last known values, VIN → field → value. `events()` yields every message that is new, in order, gaps too.
    """

    def __init__(self, url: str, token: Callable[[], str], **query: str) -> None:
        self.url = url
        self.token = token
        self.query = query
        self.values: dict[str, dict[str, Any]] = {}
        self._forget()
        self.epoch: str | None = None

    def _forget(self) -> None:
        """3. Another log: nothing that was remembered means anything there."""
        self.values.clear()
        self.last = 0  # 1.
        self._seen: dict[tuple[str, str], int] = {}  # 4. (VIN, type) → seq
        self._measured: dict[str, dict[str, str]] = {}  # VIN → field → createdAt
        self._snapshot_at: dict[str, int] = {}  # 5. VIN → seq
        self._whole = False  # 2. whether all snapshots that were due have come

    async def events(self) -> AsyncIterator[Event]:
        """Never ends by itself. Raises InvalidStatus where trying again is no use."""
        attempt = 0
        refused = False
        while True:
            try:
                async with connect(
                    self._address(),
                    additional_headers={"Authorization": f"Bearer {self.token()}"},
                    max_size=LARGEST_MESSAGE,
                    compression=None,
                ) as socket:
                    async for text in socket:
                        message = json.loads(text)
                        if message["type"] == "hello":
                            attempt, refused = 0, False
                        if await self._take(socket, message):
                            yield message
            except InvalidStatus as error:
                status = error.response.status_code
                if status in FINAL or (status == 401 and refused):
                    raise
                refused = status == 401  # the next attempt has a fresh token
            except (OSError, ConnectionClosed, InvalidHandshake, TimeoutError):
                pass
            ceiling = min(30.0, 0.5 * 2 ** min(attempt, 6))  # 6.
            await asyncio.sleep(random.uniform(ceiling / 2, ceiling))
            attempt += 1

    def _address(self) -> str:
        """2."""
        resume = {"since": str(self.last), "epoch": self.epoch} if self.epoch is not None else {}
        resume |= {"snapshot": "1"} if resume and not self._whole else {}
        return f"{self.url}?{urlencode(self.query | resume)}"

    async def _take(self, socket: ClientConnection, message: Event) -> bool:
        """Whether the message is news to whoever reads the events."""
        match message["type"]:
            case "hello":
                self._begin(message)
            case "snapshot":
                self._replace(message)
            case "gap":
                self.last, self._whole = message["to"], False
                return True
            case "token_expiring":
                await socket.send(json.dumps({"type": "auth", "token": self.token()}))
            case "data" | "alerts" | "errors" | "connectivity":
                return self._is_new(message)
            case "error":
                print(f"the server did not take what we sent: {message['reason']}", file=sys.stderr)
        return False

    def _begin(self, hello: Event) -> None:
        if self.epoch is None:
            self.last = hello["seq"]
        elif self.epoch != hello["epoch"]:
            self._forget()
        self.epoch = hello["epoch"]

    def _replace(self, snapshot: Event) -> None:
        vin = snapshot["vin"]
        self.values[vin] = dict(snapshot["data"])
        at: str = snapshot["createdAt"]
        self._measured[vin] = dict.fromkeys(snapshot["data"], at)
        self._snapshot_at[vin] = snapshot["seq"]

    def _is_new(self, event: Event) -> bool:
        vin, kind, seq = event["vin"], event["type"], event["seq"]
        self.last, self._whole = max(self.last, seq), True
        if seq <= self._seen.get((vin, kind), 0):
            return False
        self._seen[vin, kind] = seq
        if kind == "data" and seq > self._snapshot_at.get(vin, 0):
            self._merge(event)
        return True

    def _merge(self, event: Event) -> None:
        """What a vehicle sends late does not take the place of what it has measured since."""
        values = self.values.setdefault(event["vin"], {})
        measured = self._measured.setdefault(event["vin"], {})
        at = event["createdAt"] or ""  # null: the vehicle gave no time
        for field, value in event["data"].items():
            if not event["isResend"] or at >= measured.get(field, ""):
                values[field], measured[field] = value, at


async def main(url: str) -> None:
    stream = Stream(url, lambda: os.environ["TOKEN"])
    async for event in stream.events():
        print(json.dumps(event), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
