"""What a CLOSE is answered with: the code that came in it, if that is one that may be sent at all (RFC 6455 7.4)."""

from __future__ import annotations

from picows import WSCloseCode, WSFrame

_SENDABLE = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})  # IANA's registry; libraries'; applications'


def answer(close: WSFrame) -> WSCloseCode:
    """1000 to a CLOSE without a code, 1002 to one whose code nobody may send."""
    if not close.payload_size:
        return WSCloseCode.OK
    code = close.get_close_code()
    return code if code.value in _SENDABLE else WSCloseCode.PROTOCOL_ERROR
