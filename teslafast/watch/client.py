"""
A dashboard in the terminal: connects to /stream, shows what comes, and comes back after the line or the server has failed.

The first call must succeed, so that a wrong address or token is said at once. Later only what no waiting mends ends it. After a
break it asks for what followed the last event that it saw (stream.py), so nothing is shown twice and nothing missed while the
log has it.
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

import orjson
from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport

from ..backoff import delay_s
from ..certificates.trust_store import client_context
from ..errors import Misconfigured
from ..text import printable
from ..websocket import closing
from ..websocket.connect import LARGEST_FRAME, connect, is_final
from ..websocket.connect_error import connect_error
from .display import Display, Lines, Table
from .stream import Stream

CLOSE_GRACE_S = 1.0
_MINT = "mint one with `teslafast token` and the server's JWT_SECRET, and give it with --token"
REMEDIES = {
    400: "correct --vin, --since or the query",
    401: _MINT,
    403: "ask for vehicles that the token grants; from a browser's page ALLOWED_ORIGINS decides",
    404: "dashboards connect to /stream",
    426: "something in front of the server does not pass WebSocket upgrades on",
}


class Viewer(WSListener):
    """One connection. `code` and `reason` are those of the server's CLOSE; 1006 if there was none."""

    def __init__(self, stream: Stream, display: Display) -> None:
        self.code, self.reason = 1006, ""
        self.heard = False
        self._stream, self._display = stream, display
        self._parts: list[bytes] | None = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            self.code, self.reason = frame.get_close_code().value or 1005, frame.get_close_reason() or ""
            transport.send_close(closing.close_reply(frame))
            transport.disconnect()
        elif kind == WSMsgType.TEXT and frame.fin:
            self._take(frame.get_payload_as_bytes())
        elif kind in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._take_part(transport, frame)
        elif kind == WSMsgType.BINARY:
            self._display.note("a binary message was passed over: this is no stream for dashboards")
        if frame.last_in_buffer:
            self._display.flush()

    def _take_part(self, transport: WSTransport, frame: WSFrame) -> None:
        """A proxy may send a message in fragments; they are put together as long as they are not too large."""
        self._parts = [] if frame.msg_type == WSMsgType.TEXT or self._parts is None else self._parts
        self._parts.append(frame.get_payload_as_bytes())
        if sum(map(len, self._parts)) > LARGEST_FRAME:
            transport.send_close(WSCloseCode.MESSAGE_TOO_BIG)
            transport.disconnect()
        elif frame.fin:
            message, self._parts = b"".join(self._parts), None
            self._take(message)

    def _take(self, message: bytes) -> None:
        try:
            event = orjson.loads(message)
        except orjson.JSONDecodeError:
            event = None
        if not isinstance(event, dict):
            self._display.note("a message that is no JSON object was passed over")
            return
        self.heard = True
        self._stream.take(event)
        self._display.show(message.decode(), event)

    def pause_writing(self) -> None:
        """We say next to nothing."""

    def resume_writing(self) -> None:
        """We say next to nothing."""


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
    Shows the stream until it is cancelled: as a table, or as lines of JSON if asked or if `out` is no terminal.
    Raises Misconfigured when the first call fails, and whenever waiting would not help; BrokenPipeError when nobody reads `out`.
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
            task.result()  # neither ends by itself: this raises why it did
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(stream: Stream, display: Display, context: ssl.SSLContext | None) -> None:
    attempt, connected_once = 0, False
    while True:
        headers = {"Authorization": f"Bearer {stream.token}"} if stream.token else {}
        try:
            transport, viewer = await connect(lambda: Viewer(stream, display), stream.url, context, headers, pings=True)
        except (OSError, WSError) as error:
            fault = connect_error(error, stream.shown, REMEDIES)
            if is_final(error) or not connected_once:
                raise fault from None
            display.note(fault.fault)
        else:
            connected_once = True
            display.link("connected")
            await _until_ended(transport)
            if viewer.code == WSCloseCode.POLICY_VIOLATION.value:
                raise Misconfigured("--token", f"the server ended the stream ({printable(viewer.reason)})", _MINT)
            attempt = 0 if viewer.heard else attempt
            display.note(f"the connection ended ({viewer.code} {viewer.reason}".rstrip() + ")")
        display.link("reconnecting")
        await asyncio.sleep(delay_s(attempt, random.random()))
        attempt += 1


async def _until_ended(transport: WSTransport) -> None:
    """Raises what the display raised. A cancelled wait says goodbye to the server."""
    try:
        await transport.wait_disconnected()
    except WSError:
        pass  # the server broke the protocol; picows has told it so, and we come back
    except asyncio.CancelledError:
        transport.send_close(WSCloseCode.OK)
        asyncio.get_running_loop().call_later(CLOSE_GRACE_S, transport.disconnect, False)
        with suppress(TimeoutError, WSError):
            async with asyncio.timeout(CLOSE_GRACE_S):
                await transport.wait_disconnected()
        raise


def run(url: str, **options: Any) -> None:
    """`watch` on a loop of its own, uvloop's if it is there. SIGINT and SIGTERM end it cleanly."""

    async def interruptible() -> None:
        loop, watching = asyncio.get_running_loop(), asyncio.create_task(watch(url, **options))
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, watching.cancel)
        with suppress(asyncio.CancelledError):
            await watching

    try:
        import uvloop
    except ImportError:  # it is not made for every platform
        asyncio.run(interruptible())
    else:
        uvloop.run(interruptible())
