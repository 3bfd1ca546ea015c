"""
A /stream that shares nothing with ours, for the tests of `teslafast watch`: scripts over the `websockets` package.

`watched` runs the client against it and returns what the client wrote, `refused` what it reported.
"""

import asyncio
import io
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import pytest
from teslafast.errors import Misconfigured
from teslafast.watch.client import watch
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.support.peers import PATIENCE_S

VIN = "5YJ3TEST5PF000001"
HELLO = {"type": "hello", "epoch": "e1", "seq": 4, "oldest": 1, "server": "teslafast/0.1.0"}
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eabc"  # what a terminal would obey

Script = Callable[[ServerConnection], Awaitable[None]]


def data(seq: int, vin: str = VIN, **values: Any) -> dict[str, Any]:
    return {"type": "data", "seq": seq, "vin": vin, "createdAt": "2026-11-23T08:00:00.123Z", "data": values, "isResend": False}


def sending(*messages: dict[str, Any] | str | bytes, then: Script | None = None) -> Script:
    async def script(connection: ServerConnection) -> None:
        for message in messages:
            await connection.send(json.dumps(message) if isinstance(message, dict) else message)
        if then is not None:
            await then(connection)

    return script


def closing(code: int, reason: str = "") -> Script:
    async def script(connection: ServerConnection) -> None:
        await connection.close(code, reason)

    return script


async def dropping(connection: ServerConnection) -> None:
    connection.transport.abort()


@dataclass
class FakeStreamServer:
    """Connection n is served by script n, and those after the last script by the last. `refusals` come before any script."""

    scripts: list[Script]
    requests: list[Request] = field(default_factory=list)
    closes: list[tuple[int | None, str | None]] = field(default_factory=list)
    refusals: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    served: int = 0

    @asynccontextmanager
    async def listening(self, context: ssl.SSLContext | None = None) -> AsyncIterator["FakeStreamServer"]:
        server = serve(self.handle, "127.0.0.1", 0, ssl=context, process_request=self.before_upgrade, close_timeout=1)
        async with server as bound:
            port = next(iter(bound.sockets)).getsockname()[1]
            self.url = f"{'wss' if context else 'ws'}://localhost:{port}"
            yield self

    async def handle(self, connection: ServerConnection) -> None:
        script = self.scripts[min(self.served, len(self.scripts) - 1)]
        self.served += 1
        with suppress(ConnectionClosed):
            await script(connection)
        await connection.wait_closed()
        self.closes.append((connection.close_code, connection.close_reason))

    def before_upgrade(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if not self.refusals:
            return None
        status, reason, headers = self.refusals.pop(0)
        response = connection.respond(HTTPStatus(status), reason)
        response.headers.update(headers)
        return response


class Output(io.StringIO):
    """A text stream that can be waited for."""

    def __init__(self, *, terminal: bool = False) -> None:
        super().__init__()
        self._terminal = terminal
        self._written = asyncio.Event()

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        self._written.set()
        return super().write(text)

    async def until(self, condition: Callable[[str], object]) -> str:
        while not condition(self.getvalue()):
            self._written.clear()
            await self._written.wait()
        return self.getvalue()


def run(test: Coroutine[Any, Any, Any]) -> Any:
    """A test's coroutine on an event loop of its own; TimeoutError if it hangs."""

    async def bounded() -> Any:
        async with asyncio.timeout(PATIENCE_S):
            return await test

    return asyncio.run(bounded())


def watched(server: FakeStreamServer, lines: int, context: ssl.SSLContext | None = None, **options: Any) -> tuple[list[str], str]:
    """The client's output once it has at least so many lines, and its stderr. Raises what the client raises before that."""

    async def test() -> tuple[list[str], str]:
        out, err = Output(), io.StringIO()
        async with server.listening(context):
            watching = asyncio.create_task(watch(server.url, out=out, err=err, **options))
            reading = asyncio.create_task(out.until(lambda text: text.count("\n") >= lines))
            done, _ = await asyncio.wait({watching, reading}, return_when=asyncio.FIRST_COMPLETED)
            reading.cancel()
            if watching in done:
                watching.result()
            watching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await watching
        return out.getvalue().splitlines(), err.getvalue()

    output, errors = run(test())
    return output, errors


def refused(*refusals: tuple[int, str, dict[str, str]], scripts: list[Script] | None = None, **options: Any) -> Misconfigured:
    """What the client reports of a server that refuses it so, or whose `scripts` end it."""
    with pytest.raises(Misconfigured) as failure:
        watched(FakeStreamServer(scripts or [sending(HELLO)], refusals=list(refusals)), 10_000, **options)
    assert "\n" not in str(failure.value)
    return failure.value
