"""Those who come and are not admitted: what they cost, and who goes for whom."""

from __future__ import annotations

import gc
import socket
from contextlib import ExitStack

from teslafast.server.arrival import Arrival
from teslafast.server.server import Server

from tests.support.certificates import World
from tests.support.peers import PATIENCE_S, token
from tests.support.servers import Inside


def silent(port: int, address: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE_S, (address, 0))


def cut(stranger: socket.socket) -> bool:
    """The server has ended it by a reset, of which the kernel keeps nothing."""
    try:
        stranger.recv(1)
    except ConnectionResetError:
        return True
    return False


def arrivals() -> int:
    return sum(isinstance(one, Arrival) for one in gc.get_objects())


def test_strangers_that_are_crowded_out_are_reset_and_leave_nothing_for_the_garbage_collector(world: World) -> None:
    gc.collect()
    gc.disable()
    try:
        with Inside(world, VEHICLE_PORT="0") as server, ExitStack() as strangers:
            server.ask(lambda running: setattr(running.listeners.pending, "_total", 3))
            crowd = [strangers.enter_context(silent(server.place.vehicle_port, "127.2.0.1")) for _ in range(10)]
            assert all(cut(stranger) for stranger in crowd[:7])
            assert server.ask(lambda running: arrivals()) == 3
            with server.place.vehicle() as vehicle:
                vehicle.tell({"Soc": {"floatValue": 1.0}})
    finally:
        gc.enable()


def test_where_descriptors_run_out_strangers_make_room_for_vehicles(world: World) -> None:
    with Inside(world, VEHICLE_PORT="0") as server, ExitStack() as strangers:
        crowd = [strangers.enter_context(silent(server.place.vehicle_port, "127.2.0.1")) for _ in range(20)]

        def run_out(running: Server) -> None:
            highest = max(arrival.sock.fileno() for acceptor in running.listeners._acceptors for arrival in acceptor._deadlines)
            for acceptor in running.listeners._acceptors:
                acceptor._limit.highest = highest

        server.wait_until(lambda running: len(running.listeners.pending) == len(crowd))
        server.ask(run_out)
        for _ in range(10):
            with server.place.vehicle() as vehicle:
                vehicle.tell({"Soc": {"floatValue": 1.0}})
        assert cut(crowd[0])
        assert server.counts("refused_connections").keys() == {"crowded"}


def test_a_stranger_that_says_nothing_on_a_tls_port_is_ended_after_the_handshakes_time(world: World) -> None:
    with (
        Inside(world, VEHICLE_PORT="0", HANDSHAKE_TIMEOUT="0.2") as server,
        silent(server.place.vehicle_port, "127.2.0.1") as one,
    ):
        assert one.recv(1) == b""
        server.lines.wait_for("tls_failed", cause="slow")
        assert server.ask(lambda running: len(running.listeners.pending)) == 0


def test_request_heads_that_do_not_end_are_bounded_in_bytes_as_they_grow() -> None:
    with Inside() as server, ExitStack() as strangers:
        server.ask(lambda running: setattr(running.listeners.pending, "_held_bytes", 40_000))
        heads = [strangers.enter_context(silent(server.place.port, f"127.2.{number}.1")) for number in range(4)]
        for head in heads:
            head.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nCookie: ")
        told = set()  # those of whom it was a write that was told of the reset
        for _ in range(15):
            for head in heads[1:]:
                try:
                    head.sendall(b"a" * 1_000)
                except ConnectionError:
                    told.add(head)
        assert any(head in told or cut(head) for head in heads[:2])
        assert set(server.counts("refused_connections")) == {"crowded_bytes"}
        assert server.ask(lambda running: running.listeners.pending._held_sum) <= 40_000
        assert server.place.get("/health").status == 200


def takes_nothing(port: int, path: str) -> socket.socket:
    """Asks for a page, of which its small segments and window leave the most to the server."""
    made = socket.socket()
    made.settimeout(PATIENCE_S)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 500)
    made.connect(("127.0.0.1", port))
    made.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token()}\r\n\r\n".encode())
    return made


def test_answers_that_nobody_takes_are_bounded_in_bytes_and_others_get_theirs() -> None:
    with Inside() as server, ExitStack() as strangers:
        with server.place.vehicle() as vehicle:
            vehicle.tell({"VehicleName": {"stringValue": "x" * 60_000}})
            vehicle.tell({"Version": {"stringValue": "x" * 2_000}})
        held = 200_000
        server.ask(lambda running: setattr(running.listeners.pending, "_held_bytes", held))
        for _ in range(20):
            strangers.enter_context(takes_nothing(server.place.port, "/vehicles/device-1"))
        server.wait_until(lambda running: running.hub.counts.refused_connections["crowded_bytes"] >= 5)
        assert server.ask(lambda running: running.listeners.pending._held_sum) <= held
        assert server.place.get("/health").status == 200
