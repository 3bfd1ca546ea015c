"""Whether a request opens a WebSocket (RFC 6455, 4.2.1)."""

from __future__ import annotations

import base64
import binascii

from ..errors import Refused
from ..http_messages import Request
from ..refusals import HANDSHAKE, METHOD


def wants_websocket(request: Request) -> bool:
    """Whether it asks for an upgrade to WebSocket, in whatever case and company (Firefox: `keep-alive, Upgrade`)."""
    return "upgrade" in (word.lower() for word in request.tokens("connection")) and "websocket" in (
        word.lower() for word in request.tokens("upgrade")
    )


def check_handshake(request: Request) -> None:
    """The rest of RFC 6455, 4.2.1. Raises Refused (400, 405)."""
    if request.method != "GET":
        raise Refused(METHOD, "a WebSocket is opened with GET")
    try:
        key = base64.b64decode(request.header("sec-websocket-key") or "", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if request.version != "1.1":
        raise Refused(HANDSHAKE, "a WebSocket is opened with HTTP/1.1")
    if len(key) != 16:
        raise Refused(HANDSHAKE, "Sec-WebSocket-Key is missing or is not 16 bytes in base64")
    if request.header("sec-websocket-version") != "13":
        raise Refused(HANDSHAKE, "Sec-WebSocket-Version must be 13")
