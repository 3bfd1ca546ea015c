"""
A dashboard in the terminal: connects to /stream, shows what comes, and connects again when the network or the server fails.

The first connection must succeed, so that a wrong URL or token is reported at once; later only a refusal that waiting would not
mend ends the program. Each new connection asks for what followed the last event (stream.py): nothing is shown twice, and nothing
is missing as long as the server's log still has it.
"""

import asyncio
import os
import random
import shutil
import signal
import ssl
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from picows import WSCloseCode, WSError, WSTransport

from ..backoff import delay_s
from ..certificates.trust_store import client_context
from ..errors import Misconfigured
from ..text import printable
from ..websocket.connect import connect, is_final
from ..websocket.connect_error import connect_error
from .connection import StreamConnection
from .display import Display, Lines, Table
from .stream import Stream

CLOSE_REPLY_S = 1.0  # a server answers a CLOSE within a round trip; nobody wants to wait longer after Ctrl-C
_MINT = "mint a token with `teslafast token` and the server's JWT_SECRET, and pass it with --token"
DASHBOARD_REMEDIES = {
    400: "correct --vin, --since or the query of the URL",
    401: _MINT,
    403: "ask for vehicles that the token grants; for a page in a browser, ALLOWED_ORIGINS decides",
    404: "dashboards connect to /stream",
    426: "a proxy in front of the server does not pass WebSocket upgrades on",
}


async def watch(
    url: str,
    *,
    token: str | None = None,
    vins: Sequence[str] = (),
    since: int | None = None,
    as_json: bool = False,
    ca_file: Path | None = None,
    out: TextIO | None = None,
    err: TextIO | None = None,
    size: Callable[[], os.terminal_size] = shutil.get_terminal_size,
) -> None:
    """
    Shows the stream until it is cancelled: as a table, or as lines of JSON if `as_json` or if `out` is not a terminal. Raises
    Misconfigured if the first connection fails or waiting would not help, BrokenPipeError once nobody reads `out`.
    """
    out, err = out or sys.stdout, err or sys.stderr
    as_json = as_json or not out.isatty()
    stream = Stream(url, token, vins, since, flat=not as_json)
    context = client_context(ca_file) if stream.secure else None
    display: Display = Lines(out, err) if as_json else Table(out, stream.shown, size)
    tasks = {asyncio.create_task(display.run()), asyncio.create_task(_follow(stream, display, context))}
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()  # neither task ends without an error: this raises it
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(stream: Stream, display: Display, context: ssl.SSLContext | None) -> None:
    """Connects, again and again. Raises Misconfigured if waiting would not help."""
    failures, connected_once = 0, False
    while True:
        headers = {"Authorization": f"Bearer {stream.token}"} if stream.token else {}
        try:
            transport, connection = await connect(
                lambda: StreamConnection(stream, display), stream.url, context, headers, pings=True
            )
        except (OSError, WSError) as error:
            fault = connect_error(error, stream.shown, DASHBOARD_REMEDIES)
            if is_final(error) or not connected_once:
                raise fault from None
            display.note(fault.fault)
        else:
            connected_once = True
            display.set_status("connected")
            await _until_ended(transport)
            if connection.code == WSCloseCode.POLICY_VIOLATION.value:
                raise Misconfigured("--token", f"the server ended the stream ({printable(connection.reason)})", _MINT)
            # A server that accepts connections and ends them at once is a failing server too.
            failures = 0 if connection.received else failures
            display.note(f"the connection ended ({connection.code} {connection.reason}".rstrip() + ")")
        display.set_status("reconnecting")
        await asyncio.sleep(delay_s(failures, random.random()))
        failures += 1


async def _until_ended(transport: WSTransport) -> None:
    """Waits for the end of the connection; raises what the display raised. If cancelled, closes the connection first."""
    try:
        await transport.wait_disconnected()
    except WSError:
        pass  # the server broke the protocol: picows has closed the connection, and _follow opens the next
    except asyncio.CancelledError:
        transport.send_close(WSCloseCode.OK)
        asyncio.get_running_loop().call_later(CLOSE_REPLY_S, transport.disconnect, False)
        with suppress(TimeoutError, WSError):
            async with asyncio.timeout(CLOSE_REPLY_S):
                await transport.wait_disconnected()
        raise


def run(url: str, **options: Any) -> None:
    """`watch` on an event loop of its own, until SIGINT or SIGTERM."""

    async def interruptible() -> None:
        loop, watching = asyncio.get_running_loop(), asyncio.create_task(watch(url, **options))
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, watching.cancel)
        with suppress(asyncio.CancelledError):
            await watching

    try:
        import uvloop
    except ImportError:  # there is no uvloop for some platforms
        asyncio.run(interruptible())
    else:
        uvloop.run(interruptible())
