"""What the kernel knows of a connection: how many bytes it has brought, TLS and all, and whether its peer has ended it."""

from __future__ import annotations

import socket
import sys
from typing import Any

_TCP_INFO: int | None = getattr(socket, "TCP_INFO", None) if sys.platform == "linux" else None
_LOOK = int(socket.MSG_PEEK | socket.MSG_DONTWAIT)
_CLOSE_WAIT = 8  # `tcpi_state`, the first byte: the peer has sent its FIN
_BYTES_RECEIVED = slice(128, 136)  # `tcpi_bytes_received` of struct tcp_info; since Linux 4.1


def bytes_received(transport: Any) -> int | None:
    """Of the socket beneath a transport; None where the kernel does not tell."""
    sock = transport.get_extra_info("socket")
    return None if sock is None else socket_bytes_received(sock)


def socket_bytes_received(sock: Any) -> int | None:
    if _TCP_INFO is None:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_RECEIVED.stop)
    except OSError:  # closed, or no TCP: a test's socket pair
        return None
    return int.from_bytes(info[_BYTES_RECEIVED], sys.byteorder) if len(info) == _BYTES_RECEIVED.stop else None


def has_ended(sock: Any) -> bool:
    """Whether the peer has said that nothing more will come; False where the kernel does not tell."""
    if _TCP_INFO is None:
        return False
    try:
        return bool(sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 1)[0] == _CLOSE_WAIT)
    except OSError:
        return False


def has_left(sock: Any) -> bool:
    """Whether the peer is gone without a byte, as health checks and floods are: nothing is made for it."""
    try:
        return not sock.recv(1, _LOOK)
    except BlockingIOError:
        return False
    except OSError:
        return True
