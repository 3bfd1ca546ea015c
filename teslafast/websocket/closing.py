"""The end of a connection: what a CLOSE is answered with, and the line that the log has of how it came."""

from __future__ import annotations

import time

from picows import WSCloseCode, WSFrame, WSTransport

from ..logs import fields, log

_SENDABLE = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})  # IANA's registry; libraries'; applications'


def close_reply(close: WSFrame) -> WSCloseCode:
    """1000 to a CLOSE without a code, 1002 to one whose code nobody may send (RFC 6455 7.4), else the code that came in it."""
    if not close.payload_size:
        return WSCloseCode.OK
    code = close.get_close_code()
    return code if code.value in _SENDABLE else WSCloseCode.PROTOCOL_ERROR


def log_end(event: str, transport: WSTransport, cause: str, began_s: float, **members: object) -> str:
    """Logs the end of a connection that was opened at `began_s` (monotonic); returns its cause. `cause`: as far as we know it."""
    handshake = transport.close_handshake
    sent, received = (handshake.sent, handshake.recv) if handshake else (None, None)
    if cause == "peer" and sent and not received:
        cause = "protocol"  # picows has ended it, over a frame that breaks RFC 6455
    codes = {"code_sent": sent.code.value if sent else None, "code_received": received.code.value if received else None}
    log.info(event, extra=fields(cause=cause, **codes, seconds=round(time.monotonic() - began_s, 3), **members))
    return cause
