"""
A WebSocket client's connection.

Redirects are not followed: they would carry a token or a vehicle's identity to another host.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import TypeVar

from picows import WSHandshakeError, WSListener, WSTransport, ws_connect

HANDSHAKE_S = 10.0  # to connect and to upgrade; a server in reach needs far less than a second
PING_S = 20.0  # after so long a silence; a connection that is as long without an answer is dead
LARGEST_FRAME = 16 * 1024 * 1024  # bytes, far more than any server of ours sends: a broken one must not fill the memory

# These statuses say "not now"; every other refusal will be the same next time.
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})

Listener = TypeVar("Listener", bound=WSListener)


async def connect(
    make_listener: Callable[[], Listener],
    url: str,
    context: ssl.SSLContext | None,
    headers: Mapping[str, str],
    *,
    pings: bool = False,
) -> tuple[WSTransport, Listener]:
    """Connects; with `pings` a silent connection is noticed. Raises OSError or WSError, which `connect_error` explains."""
    made: list[Listener] = []

    def factory(_request: object, _response: object) -> Listener:
        made.append(make_listener())
        return made[0]

    call = asyncio.ensure_future(
        ws_connect(
            factory,
            url,
            ssl_context=context,
            extra_headers=headers,
            websocket_handshake_timeout=HANDSHAKE_S,
            max_redirects=0,
            # Its TLS reports a peer that hangs up during the handshake with a class instead of an exception: a traceback follows.
            use_aiofastnet=False,
            enable_auto_ping=pings,
            auto_ping_idle_timeout=PING_S,
            auto_ping_reply_timeout=PING_S,
            max_frame_size=LARGEST_FRAME,
            read_buffer_init_size=2048,
        )
    )
    try:
        transport, _ = await asyncio.shield(call)
    except asyncio.CancelledError:
        call.add_done_callback(_hang_up)  # picows would leave the connection open
        raise
    if not made:
        # So picows reports a peer that ends the connection before it has answered.
        raise ConnectionResetError("the connection was ended before the WebSocket handshake")
    return transport, made[0]


def _hang_up(call: "asyncio.Future[tuple[WSTransport, WSListener]]") -> None:
    if not call.cancelled() and call.exception() is None:
        call.result()[0].disconnect(graceful=False)


def is_final(error: Exception) -> bool:
    """Whether trying again would end the same way: the certificate does not verify, or the refusal is not a "not now"."""
    if isinstance(error, WSHandshakeError):
        return error.response is not None and error.response.status not in TRANSIENT
    return isinstance(error, ssl.SSLCertVerificationError)
