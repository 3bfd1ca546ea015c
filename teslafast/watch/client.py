"""
A dashboard in the terminal: connects to /stream, shows what comes, and connects again when the network or the server fails.

The first connection must succeed, so that a wrong URL or token is reported at once; later only a refusal that waiting would not
mend ends the program. Each new connection asks for what followed the last event (stream.py): nothing is shown twice, and nothing
is missing as long as the server's log still has it.
"""

import asyncio
import locale
import os
import random
import shutil
import signal
import ssl
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
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
from .keys import in_the_foreground, read_keys
from .render import View
from .stream import Stream

CLOSE_REPLY_S = 1.0  # a server answers a CLOSE within a round trip; nobody wants to wait longer after Ctrl-C
_MINT = "mint a token with `teslafast token` and the server's JWT_SECRET, and pass it with --token"
_IN_MILES = ("US", "GB", "LR", "MM")
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
    keys: TextIO | None = None,
    metric: bool | None = None,
) -> None:
    """
    Shows the stream until it is cancelled, or until `q` is pressed: as a table, or as lines of JSON if `as_json` or if `out` is
    not a terminal. Raises Misconfigured if the first connection fails or waiting would not help, BrokenPipeError once nobody
    reads `out`.

    keys      where keys are read from (standard input); they are, and there are colours, if that is a terminal, too
    metric    km/h rather than mph; None: as the user's locale has it
    """
    out, err, keys = out or sys.stdout, err or sys.stderr, keys or sys.stdin
    as_json = as_json or not out.isatty()
    stream = Stream(url, token, vins, since, flat=not as_json)
    context = client_context(ca_file) if stream.secure else None
    pressed = not as_json and in_the_foreground(keys)
    view = View(metric=_metric_locale() if metric is None else metric, colour=pressed and _takes_colour(), keys=pressed)
    display: Display = Lines(out, err) if as_json else Table(out, stream.shown, size, view)
    tasks = {asyncio.create_task(display.run()), asyncio.create_task(_follow(stream, display, context))}
    reading = ExitStack()
    try:
        if pressed and isinstance(display, Table):
            reading.enter_context(read_keys(keys, display.press))
            tasks.add(asyncio.create_task(display.until_ended()))
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()  # neither of the first two ends without an error: this raises it
    finally:
        reading.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _metric_locale() -> bool:
    """Whether the user's country measures in kilometres; without a country, the vehicles' own miles."""
    named = os.environ.get("LC_ALL") or os.environ.get("LC_MEASUREMENT") or os.environ.get("LANG") or ""
    _, _, country = locale.normalize(named).partition(".")[0].partition("_")
    return bool(country) and country not in _IN_MILES


def _takes_colour() -> bool:
    """https://no-color.org, and terminals that have none."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


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
