"""TLS messages that carry no data: a flood of them, from anybody, leaves everybody else their turn."""

from __future__ import annotations

import fcntl
import socket
import ssl
import subprocess
import sys
import termios
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiofastnet.openssl_compat import OPENSSL_DYN_LIBS
from cryptography import x509
from teslafast.dashboards.sse_connection import SseConnection
from teslafast.server._tls_messages import read_one_message_at_once
from teslafast.server.server import Server
from teslafast.websocket.tcp_info import socket_bytes_received
from teslafast.websocket.tls_traffic import LOOKS_APART

from tests.support import ROOT
from tests.support.certificates import World
from tests.support.peers import token, upgrade_head
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


def has_shaken_hands(running: Server) -> bool:
    arrived = [one for acceptor in running.listeners._acceptors for one in acceptor._deadlines]
    return [one.connection is not None and one.handshake is None for one in arrived] == [True]


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
    with Inside(world, VEHICLE_PORT="0", HANDSHAKE_TIMEOUT="60") as server:
        with sending(server.place.port):
            server.wait_until(has_shaken_hands)  # the client may be through before the server is
            assert 0 < server.ask(read_once) <= ONE_MESSAGE
            with server.place.vehicle() as vehicle:
                vehicle.tell({"Soc": {"floatValue": 1.0}})
            assert server.place.get("/health").status == 200
        server.wait_until(lambda running: not len(running.listeners.pending))


def pause_and_go_on(running: Server) -> None:
    for dashboard in running.hub.connections.dashboards:
        connection: Any = dashboard
        transport = connection._transport if isinstance(connection, SseConnection) else connection.transport.underlying_transport
        transport.pause_reading()
        transport.resume_reading()


@pytest.mark.parametrize(("path", "paused"), [("", False), ("/stream", False), ("/stream", True), ("/sse", True)])
def test_who_sends_key_updates_and_resets_is_gone_at_once(world: World, path: str, paused: bool) -> None:
    """libuv tells of a reset once, and the messages before it are read one a turn: nothing but a time limit would end it."""
    with Inside(world, VEHICLE_PORT="0", HANDSHAKE_TIMEOUT="60", PING_INTERVAL="60") as server:
        head = upgrade_head(path, f"Authorization: Bearer {token()}") if path else b""
        command = [sys.executable, "-m", "tests.programs.key_updates", str(server.place.port), "200", head.hex()]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=ROOT) as client:
            if path:
                server.lines.wait_for("dashboard_connected")
            if paused:
                server.ask(pause_and_go_on)
            client.communicate(b"\n")
        assert client.returncode == 0
        if path:
            server.lines.wait_for("dashboard_disconnected", cause="peer")
        server.wait_until(lambda running: not len(running.listeners.pending) + len(running.hub.connections))


def look_four_times(running: Server) -> None:
    for _ in range(LOOKS_APART):
        for connection in running.hub.connections.dashboards:
            connection.check(time.monotonic())


@pytest.mark.parametrize("path", ["/stream", "/sse"])
def test_a_flood_of_key_updates_ends_a_dashboard_at_whatever_door(world: World, path: str) -> None:
    with Inside(world, VEHICLE_PORT="0") as server:
        head = upgrade_head(path, f"Authorization: Bearer {token()}")
        command = [sys.executable, "-m", "tests.programs.key_updates", str(server.place.port), "1000000", head.hex()]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
            server.lines.wait_for("dashboard_connected")
            server.ask(look_four_times)
            assert client.stdin is not None
            client.stdin.write(b"\n")
            client.stdin.flush()
            while server.ask(lambda running: len(running.hub.connections)):
                server.ask(look_four_times)
            server.lines.wait_for("dashboard_disconnected", cause="tls_flood")
            client.kill()
        assert server.counts("closes") == {"tls_flood": 1}


def test_another_library_than_the_ssl_modules_is_not_called() -> None:
    with pytest.raises(OSError, match="not OpenSSL"):
        read_one_message_at_once(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "libc.so.6")


def test_an_open_connection_keeps_the_peers_certificate_but_none_of_its_issuers(world: World) -> None:
    """They were a quarter of what an idle vehicle costs."""

    def kept(running: Server) -> tuple[bytes, list[bytes], list[bytes]]:
        (vehicle,) = running.hub.connections.vehicles
        tls = vehicle.transport.underlying_transport.get_extra_info("ssl_object")  # type: ignore[attr-defined]
        return tls.getpeercert(True), tls.get_unverified_chain(), tls.get_verified_chain()

    with Inside(world, VEHICLE_PORT="0") as server, server.place.vehicle() as vehicle:
        vehicle.tell({"Soc": {"floatValue": 1.0}})
        leaf, sent, verified = server.ask(kept)
        assert x509.load_der_x509_certificate(leaf).public_key()
        assert (sent, verified) == ([leaf], [])
        vehicle.tell({"Soc": {"floatValue": 2.0}})
