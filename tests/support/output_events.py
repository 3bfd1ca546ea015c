"""Events as the log has them, for outputs that are given some, and an event loop for such an output."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson
from teslafast.outputs import Event, Output

from tests.support.peers import PATIENCE_S

Made = TypeVar("Made", bound=Output)

EPOCH = "0123456789abcdef"
VIN = "5YJ3E1EA7KF000001"
CREATED = "2026-11-23T08:00:00.123Z"
RECEIVED_MS = 1_795_420_801_000


def data(seq: int, values: dict[str, Any], vin: str = VIN, created: str = CREATED, resend: bool = False) -> Event:
    text = {"type": "data", "seq": seq, "vin": vin, "createdAt": created, "data": values, "isResend": resend}
    return Event(seq, 0, vin, orjson.dumps(text), RECEIVED_MS)


def alert(seq: int, *names: str) -> Event:
    alerts = [
        {"name": name, "startedAt": CREATED, "endedAt": None, "audiences": ["Customer"]} for name in names or ("VCFRONT_a182",)
    ]
    text = {"type": "alerts", "seq": seq, "vin": VIN, "createdAt": CREATED, "alerts": alerts}
    return Event(seq, 1, VIN, orjson.dumps(text), RECEIVED_MS)


def error_event(seq: int) -> Event:
    errors = [{"name": "unsupported_field", "createdAt": CREATED, "tags": {"field_name": "SunroofInstalled"}, "body": "no"}]
    text = {"type": "errors", "seq": seq, "vin": VIN, "createdAt": CREATED, "errors": errors}
    return Event(seq, 2, VIN, orjson.dumps(text), RECEIVED_MS)


def connectivity(seq: int) -> Event:
    said = {"status": "CONNECTED", "connectionId": "c1", "networkInterface": "wifi"}
    text = {"type": "connectivity", "seq": seq, "vin": VIN, "createdAt": CREATED} | said
    return Event(seq, 3, VIN, orjson.dumps(text), RECEIVED_MS)


async def most_in_one_turn(sending: Awaitable[object], counted: list[object]) -> int:
    """How many times at most something was done in one turn of the event loop; `counted` grows by one each time."""
    task, most, before = asyncio.ensure_future(sending), 0, len(counted)
    while not task.done():
        await asyncio.sleep(0)
        most, before = max(most, len(counted) - before), len(counted)
    await task
    return most


def run_output(make: Callable[[], Made], scene: Callable[[Made], Awaitable[object]]) -> None:
    """Plays the scene with an output that is connected, on an event loop of its own."""

    async def played() -> None:
        output = make()
        try:
            await output.connect()
            await scene(output)
        finally:
            await output.close()
            await _all_closed()

    asyncio.run(played())


async def _all_closed() -> None:
    """An end takes some turns of the loop; a connection that goes with its loop before is a warning, in whatever test is next."""
    loop: Any = asyncio.get_running_loop()
    until_s = time.monotonic() + PATIENCE_S
    while left := [one for one in list(loop._transports.values()) if one._sock is not None]:
        assert time.monotonic() < until_s, left
        await asyncio.sleep(0.001)
