"""TLS messages that carry no data: a flood of them, from anybody, leaves everybody else their turn."""

from __future__ import annotations

import fcntl
import socket
import ssl
import subprocess
import sys
import termios
from array import array
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiofastnet.openssl_compat import OPENSSL_DYN_LIBS
from teslafast.server._tls_messages import read_one_message_at_once
from teslafast.server.server import Server
from teslafast.websocket.tcp_info import socket_bytes_received

from tests.support import ROOT
from tests.support.certificates import World
from tests.support.servers import Inside

pytestmark = pytest.mark.skipif(OPENSSL_DYN_LIBS is None, reason="OpenSSL is linked into this Python: aiofastnet reads otherwise")


QUEUED = 2_700  # bytes: a hundred KeyUpdates
ONE_MESSAGE = 64  # bytes, at most


def consumed(sock: socket.socket) -> tuple[int, int]:
    """Bytes that have been read from it, and those that wait in the kernel."""
    waiting = array("i", [0])
    fcntl.ioctl(sock, termios.FIONREAD, waiting)
    received = socket_bytes_received(sock)
    assert received is not None
    return received - waiting[0], waiting[0]


def read_once(running: Server) -> int:
    """Has the stranger's connection read from once, when a hundred messages wait; the bytes that this has taken."""
    (arrival,) = (one for acceptor in running.listeners._acceptors for one in acceptor._deadlines)
    assert arrival.connection is not None
    while consumed(arrival.sock)[1] < QUEUED:
        pass  # the event loop stands still; the stranger does not
    before, _ = consumed(arrival.sock)
    arrival.connection._transport._read_ready()
    return consumed(arrival.sock)[0] - before


@contextmanager
def sending(port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.programs.key_updates", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as stranger:
        try:
            assert stranger.stdout is not None
            assert stranger.stdout.readline() == "sending\n"
            yield
        finally:
            stranger.kill()


def test_key_updates_are_read_one_at_a_time(world: World) -> None:
    """OpenSSL went on as long as they came, and one stranger held up everybody."""
    with Inside(world, VEHICLE_PORT="0", HANDSHAKE_TIMEOUT="2") as server:
        with sending(server.place.port):
            assert 0 < server.ask(read_once) <= ONE_MESSAGE
            with server.place.vehicle() as vehicle:
                vehicle.tell({"Soc": {"floatValue": 1.0}})
            assert server.place.get("/health").status == 200
        while server.ask(lambda running: len(running.listeners.pending)):
            pass  # libuv tells of a reset once, when only one message of what waits is read: then the time limit ends it


def test_another_library_than_the_ssl_modules_is_not_called() -> None:
    with pytest.raises(OSError, match="not OpenSSL"):
        read_one_message_at_once(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "libc.so.6")
