"""Ports that several processes share: nobody who waits in the queue of the one that leaves is reset."""

from __future__ import annotations

import asyncio
import socket

from teslafast.server.server import Server

from tests.support.peers import PATIENCE_S
from tests.support.ports import free_port
from tests.support.servers import Inside

WAITING = 300  # several times as many as are accepted in a turn


def test_whoever_waits_in_the_queue_is_let_in_before_the_port_is_closed() -> None:
    port = free_port()
    with Inside(REUSE_PORT="true", PORT=str(port)) as leaving:
        waiting: list[socket.socket] = []

        def fill_and_leave(server: Server) -> None:
            """In the server's own thread, so that it accepts nobody meanwhile."""
            waiting.extend(socket.create_connection(("127.0.0.1", port), PATIENCE_S) for _ in range(WAITING))
            waiting.append(asyncio.ensure_future(server.drain()))  # type: ignore[arg-type]  # only held

        leaving.ask(fill_and_leave)
        waiting.pop()
        for one in waiting:
            one.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        statuses = []
        for one in waiting:
            with one:
                statuses.append(one.recv(12))
        assert set(statuses) <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}
        assert len(statuses) == WAITING
        leaving.lines.wait_for("drained")
        with socket.socket() as late:
            assert late.connect_ex(("127.0.0.1", port)) != 0, "nobody is let in any more"


def test_another_process_takes_over_a_port_that_is_shared() -> None:
    port = str(free_port())
    with Inside(REUSE_PORT="true", PORT=port) as leaving, Inside(REUSE_PORT="true", PORT=port) as staying:
        leaving.drain()
        leaving.lines.wait_for("drained")
        for _ in range(8):
            assert staying.place.get("/health").json["status"] == "ok"


def test_a_port_of_its_own_stays_open_while_a_server_drains() -> None:
    with Inside() as server:
        server.drain()
        server.lines.wait_for("drained")
        assert server.place.get("/health").json["status"] == "draining"
