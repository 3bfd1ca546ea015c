"""What the kernel knows of a connection."""

from __future__ import annotations

import socket
import sys

import pytest
from teslafast.websocket.tcp_info import has_ended, socket_bytes_received

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not tell")


def test_the_bytes_that_came_and_the_peers_end_are_told_before_anything_is_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as peer:
        accepted, _ = listening.accept()
        with accepted:
            peer.sendall(b"hello")
            assert accepted.recv(5, socket.MSG_PEEK) == b"hello"
            assert (socket_bytes_received(accepted), has_ended(accepted)) == (5, False)
            peer.shutdown(socket.SHUT_WR)
            assert accepted.recv(6, socket.MSG_PEEK | socket.MSG_WAITALL) == b"hello"
            assert has_ended(accepted)


def test_what_is_closed_or_no_tcp_tells_nothing() -> None:
    closed = socket.socket()
    closed.close()
    one, other = socket.socketpair()
    with one, other:
        for sock in (closed, one):
            assert (socket_bytes_received(sock), has_ended(sock)) == (None, False)
