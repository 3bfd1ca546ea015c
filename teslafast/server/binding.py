"""A listening socket: who may share its port, and what the kernel keeps for it."""

from __future__ import annotations

import socket

BACKLOG = 4096  # the kernel's queue; Linux caps it at net.core.somaxconn, which is 4096 by default
# What the kernel keeps of one connection that is not read, and so what one call of OpenSSL can have to work off: 2,400 KeyUpdates
# are some 20 ms. A vehicle 300 ms away can still send 200 KB a second.
RECEIVE_BUFFER_BYTES = 64 * 1024


def bind(host: str, port: int, shared: bool = False) -> socket.socket:
    """A listening socket; without a host for IPv4 and IPv6, or IPv4 alone. `shared` with other processes. Raises OSError."""
    bound = reserve(host, port, shared)
    try:
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


def reserve(host: str, port: int, shared: bool = False) -> socket.socket:
    """The same, not listening yet: the port is taken, and nobody is let in. Raises OSError."""
    if host:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, kind, protocol)
    elif socket.has_dualstack_ipv6():
        bound, address = socket.socket(socket.AF_INET6, socket.SOCK_STREAM), ("::", port)
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    else:
        bound, address = socket.socket(socket.AF_INET, socket.SOCK_STREAM), ("0.0.0.0", port)  # noqa: S104 — HOST's default
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)  # of those that it will accept
        bound.setblocking(False)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
