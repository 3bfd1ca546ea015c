"""TLS handshakes of many at once: who sends nothing is in nobody's way, and nobody sends without a bound."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from aiofastnet.ssl_transport import SSLTransport_Socket  # type: ignore[import-not-found]  # compiled, without a stub
from teslafast.certificates import peer
from teslafast.config import Settings
from teslafast.server import acceptor, handshakes, tls
from teslafast.server.arrival import DECODED_BYTES, TLS_BYTES
from teslafast.server.handshakes import HANDSHAKE_BYTES

from tests.support.certificates import Pair, World
from tests.support.handshakes import Ends
from tests.support.peers import PATIENCE_S, Place, Raw, ack, envelope, payload, upgrade_head
from tests.support.servers import BASE, Inside

SILENT = 400
TIMES_AS_LONG = 40  # with silent connections than without; it was several hundred times


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[Inside]:
    with Inside(world, VEHICLE_PORT="0") as running:
        yield running


def seconds_to_get_in(place: Place) -> float:
    began = time.monotonic()
    assert status(place) == 101
    return time.monotonic() - began


def status(place: Place, pair: Pair | None = None) -> int:
    assert place.world is not None
    with place.raw(pair or place.world.vehicle("device-1"), place.vehicle_port) as raw:
        raw.send(upgrade_head("/"))
        return raw.status()


def silent(place: Place) -> socket.socket:
    return socket.create_connection(("127.0.0.1", place.vehicle_port), PATIENCE_S)


def test_silent_connections_keep_no_vehicle_out(server: Inside) -> None:
    alone = min(seconds_to_get_in(server.place) for _ in range(3))
    with ExitStack() as strangers:
        for _ in range(SILENT):
            strangers.enter_context(silent(server.place))
        assert min(seconds_to_get_in(server.place) for _ in range(3)) < TIMES_AS_LONG * alone


def test_a_handshake_that_comes_byte_by_byte_is_as_good_as_any(server: Inside) -> None:
    end, to_client, to_server = vehicle_end(server)
    with silent(server.place) as connected:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                end.do_handshake()
                break
            except ssl.SSLWantReadError:
                for byte in to_server.read():
                    connected.send(bytes([byte]))
                to_client.write(connected.recv(65536))
        end.write(upgrade_head("/"))
        connected.sendall(to_server.read())
        answer = b""
        while b"\r\n\r\n" not in answer:
            to_client.write(connected.recv(65536))
            try:
                answer += end.read()
            except ssl.SSLWantReadError:
                continue
        assert answer.startswith(b"HTTP/1.1 101 ")


def test_a_chain_of_many_kilobytes_is_refused_before_all_of_it_has_come(server: Inside, tmp_path: Path) -> None:
    world = server.place.world
    assert world is not None
    good = world.vehicle("device-1")
    long = tmp_path / "long.pem"
    one = len(ssl.PEM_cert_to_DER_cert(world.issuing.pem.decode()))
    long.write_bytes(good.certificate.read_bytes() + world.issuing.pem * (HANDSHAKE_BYTES // one + 20))
    with pytest.raises((OSError, EOFError)):
        status(server.place, Pair(long, good.key))
    server.lines.wait_for("tls_failed", cause="too_large")
    assert status(server.place) == 101


def vehicle_end(server: Inside) -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    """A vehicle's end of a connection in memory, and the ways to it and from it."""
    world = server.place.world
    assert world is not None
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    end = world.client(world.vehicle("device-1")).wrap_bio(to_client, to_server, server_hostname="localhost")
    return end, to_client, to_server


def unfinished(server: Inside) -> socket.socket:
    """A handshake of which the server has had the hello, and answered it."""
    end, _, to_server = vehicle_end(server)
    with pytest.raises(ssl.SSLWantReadError):
        end.do_handshake()
    connected = silent(server.place)
    connected.sendall(to_server.read())
    assert connected.recv(1), "the server's hello"
    return connected


def test_handshakes_that_do_not_go_on_are_bounded_in_bytes_and_the_oldest_gives_its_memory_back(world: World) -> None:
    gc.collect()  # what earlier tests left
    with Inside(world, VEHICLE_PORT="0") as server, ExitStack() as strangers:
        server.ask(lambda inside: setattr(inside.listeners.pending, "_held_bytes", 3 * TLS_BYTES))
        first, *_ = [strangers.enter_context(unfinished(server)) for _ in range(5)]
        with suppress(ConnectionResetError):
            while first.recv(65536):
                pass
        server.wait_until(lambda inside: transports() == 2)  # of five: each has more than TLS_BYTES
        assert server.counts("refused_connections") == {"crowded_bytes": 3}
        assert status(server.place) == 101


def transports() -> int:
    """Handshakes that hold memory, in this process."""
    return sum(isinstance(one, handshakes._Transport) for one in gc.get_objects())


def last_flight(server: Inside, connected: socket.socket) -> bytes:
    """A vehicle's certificates and the handshake's end, after the hellos."""
    end, to_client, to_server = vehicle_end(server)
    with pytest.raises(ssl.SSLWantReadError):
        end.do_handshake()
    connected.sendall(to_server.read())
    while True:
        to_client.write(connected.recv(65536))
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
            return to_server.read()


def held(server: Inside, wanted: Callable[[int], bool]) -> int:
    """Bytes that connections not admitted yet count as, once they are as wanted, or after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        now = server.ask(lambda inside: inside.listeners.pending._held_sum)
        if wanted(now) or time.monotonic() > deadline:
            return int(now)


def test_a_certificate_chain_counts_as_what_it_takes_decoded_until_the_handshake_is_over(world: World) -> None:
    with Inside(world, VEHICLE_PORT="0") as server, silent(server.place) as connected:
        flight = last_flight(server, connected)
        connected.sendall(flight[:-50])
        decoded = TLS_BYTES + DECODED_BYTES * (len(flight) - 50)
        assert held(server, lambda now: now >= decoded) >= decoded
        connected.sendall(flight[-50:])
        assert TLS_BYTES <= held(server, lambda now: now < decoded) < TLS_BYTES + len(flight)


def test_who_leaves_without_a_byte_or_right_after_a_hello_costs_no_handshake(world: World) -> None:
    with Inside(world, VEHICLE_PORT="0") as server:
        hellos = [b"", b"\x16\x03\x01\x00\x05hello"]

        def come_and_leave(running: object) -> None:
            """While the event loop stands still: it finds them gone."""
            for hello in hellos:
                with silent(server.place) as connected:
                    connected.sendall(hello)

        server.ask(come_and_leave)
        server.lines.wait_for("tls_failed", len(hellos), cause="cut")
        assert server.counts("tls_failures") == {"cut": 2}


def test_many_long_messages_over_tls_in_one_write_are_all_answered(server: Inside) -> None:
    """OpenSSL then keeps the end of a record that the socket does not tell of any more."""
    with server.place.vehicle() as vehicle:
        content = payload({"VehicleName": {"stringValue": "x" * 3_001}})
        messages = [envelope(b"V", b"%d" % number, content) for number in range(100)]
        for message in messages:
            vehicle.connection._protocol.send_binary(message)
        vehicle.connection._flush()
        assert [vehicle.reply() for _ in messages] == [ack(b"%d" % number) for number in range(100)]


def test_a_stranger_who_sends_and_sends_is_shown_out(server: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptor, "UNADMITTED_BYTES", 2_000)
    world = server.place.world
    assert world is not None
    with server.place.raw(world.vehicle("device-1"), server.place.vehicle_port) as raw:
        raw.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 4_000)
        assert raw.rest() == b""
    server.lines.wait_for("connection_refused", cause="too_many_bytes")
    assert server.counts("refused_connections")["too_many_bytes"] == 1


# ---- certificates that end


def test_a_certificate_that_has_ended_ends_its_connection_and_what_comes_in_by_resumption(
    server: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = server.place.world
    assert world is not None
    context = world.client(world.vehicle("device-1"))
    with silent(server.place) as connected, context.wrap_socket(connected, server_hostname="localhost") as secure:
        raw = Raw(secure)
        raw.send(upgrade_head("/"))
        assert raw.status() == 101
        session = secure.session

        def expire(running: object) -> None:
            for connection in server.server.hub.connections.vehicles:
                monkeypatch.setattr(connection, "_ends_at", 0.0)
            for digest, known in peer._known.items():
                monkeypatch.setitem(peer._known, digest, type(known)(known.common_name, known.issuer, known.usages, (), 0.0))

        server.ask(expire)
        assert raw.close_code() == 1008
    server.lines.wait_for("vehicle_disconnected", cause="certificate_expired")
    with silent(server.place) as connected, context.wrap_socket(connected, server_hostname="localhost", session=session) as again:
        again.sendall(upgrade_head("/"))
        assert again.session_reused
        assert again.recv(65536).startswith(b"HTTP/1.1 403 ")
    server.lines.wait_for("request_refused", cause="expired")


def test_anchors_are_loaded_without_a_temporary_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", nowhere)
    context = tls.contexts(Settings.from_env(BASE | world.environment | {"VEHICLE_PORT": "0"}))[1]
    assert context is not None
    Ends(world.client(world.vehicle("device-1")), context).shake()


def test_a_flood_over_tls_is_read_again_once_a_turn_however_long_it_lasts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What OpenSSL holds is read besides what the socket tells of; the calls must not add up."""
    turns, at_turns = [0], Counter[int]()

    def counted(transport: Any) -> None:
        at_turns[turns[0]] += 1
        SSLTransport_Socket._retry_ssl_read(transport)

    def tick() -> None:
        turns[0] += 1
        if not ended:
            asyncio.get_running_loop().call_soon(tick)

    monkeypatch.setattr(handshakes._Transport, "_retry_ssl_read", counted, raising=False)
    ended: list[bool] = []
    content = payload({"VehicleName": {"stringValue": "x" * 16_000}})
    with Inside(world, VEHICLE_PORT="0") as server, server.place.vehicle() as vehicle:
        server.ask(lambda one: tick())
        for number in range(400):
            vehicle.connection._protocol.send_binary(envelope(b"V", b"%d" % number, content))
        vehicle.connection._flush()
        assert [vehicle.reply() for _ in range(400)] == [ack(b"%d" % number) for number in range(400)]
        server.ask(lambda one: ended.append(True))
    del at_turns[0]  # before the first tick: the handshake's own
    assert at_turns
    assert max(at_turns.values()) == 1
