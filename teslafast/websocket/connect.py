"""
A WebSocket client's connection: the call made, and a failed call explained in words that say what to mend.

Redirects are not followed: they would carry a token or a vehicle's identity to another host.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from picows import WSError, WSHandshakeError, WSListener, WSTransport, ws_connect

from ..errors import Misconfigured
from ..text import one_line

TIMEOUT_S = 10.0
PING_S = 20.0  # after so long a silence, and so long again without an answer the line is dead
LARGEST_FRAME = 16 * 1024 * 1024
# These say "not now"; every other refusal will be the same next time.
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})

Listener = TypeVar("Listener", bound=WSListener)


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts what this system trusts (SSL_CERT_FILE counts) and the certificates in `ca_file`. Raises Misconfigured."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        trust(context, ca_file)
    return context


def trust(context: ssl.SSLContext, ca_file: Path) -> None:
    """Adds the certificates in a PEM file. Raises Misconfigured."""
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise Misconfigured(str(ca_file), f"cannot be read ({error})", "give a PEM file of CA certificates") from None


async def dial(
    make_listener: Callable[[], Listener],
    url: str,
    context: ssl.SSLContext | None,
    headers: Mapping[str, str],
    *,
    pings: bool = False,
) -> tuple[WSTransport, Listener]:
    """Connects; with `pings` a silent line is noticed. Raises OSError or WSError, which `explained` puts into words."""
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
            websocket_handshake_timeout=TIMEOUT_S,
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
    """Whether trying again would end the same way: the certificate does not verify, or a refusal that is no "not now"."""
    if isinstance(error, WSHandshakeError):
        return error.response is not None and error.response.status not in _TRANSIENT
    return isinstance(error, ssl.SSLCertVerificationError)


def explained(error: Exception, url: str, remedies: Mapping[int, str]) -> Misconfigured:
    """The failure of `dial` for the user; `remedies` says what to do about an HTTP status."""
    where = urlsplit(url)._replace(query="").geturl()  # a token may stand in the query
    match error:
        case WSHandshakeError(response=response) if response is not None:
            status = response.status
            body = one_line((error.raw_body or b"").decode("utf-8", "replace"), 200)
            if location := response.headers.get("Location"):
                return Misconfigured("URL", f"{where} redirects", f"use {one_line(location, 200)} if you trust it")
            said = f"{int(status)} {status.phrase}"
            reason = body.removeprefix(said).lstrip(": ")  # ours begins with the status
            fault = f"{where} answers {said}" + (f": {reason}" if reason else "")
            return Misconfigured("--token" if status == 401 else "URL", fault, remedies.get(status, _remedy(status)))
        case ssl.SSLCertVerificationError():
            fault = f"the certificate of {where} does not verify ({error.verify_message})"
            return Misconfigured("URL", fault, "name the CA that signed it, or use the host name that it was made for")
        case ssl.SSLError():
            return Misconfigured(
                "URL", f"no TLS with {where} ({error.reason or error})", "use ws:// if the server has no TLS, wss:// if it has"
            )
        case socket.gaierror():
            return Misconfigured("URL", f"{where}: the host name is not known", "correct the host name, or its DNS entry")
        case TimeoutError():
            return Misconfigured("URL", f"{where} does not answer", "check port, firewall and that the server runs")
        case ConnectionRefusedError():
            return Misconfigured("URL", f"nothing listens at {where}", "start `teslafast serve`, or correct the port")
        case ConnectionError():
            fault = f"{where} ended the connection during the handshake"
            return Misconfigured("URL", fault, remedies.get(0, "its log says why; ws:// is without TLS, wss:// with it"))
        case WSError():
            return Misconfigured(
                "URL", f"{where} does not speak WebSocket ({one_line(str(error), 200)})", "give the address of a teslafast server"
            )
    return Misconfigured("URL", f"{where} cannot be reached ({one_line(str(error), 200)})", "check the address and the network")


def _remedy(status: HTTPStatus) -> str:
    return "try again later" if status in _TRANSIENT else "see the server's log"
