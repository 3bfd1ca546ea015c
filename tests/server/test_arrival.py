"""A connection that has not been admitted: what goes wrong with it costs nobody else anything."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest
from teslafast.logs import log
from teslafast.server.arrival import Arrival

from tests.support.peers import PATIENCE_S
from tests.support.servers import Inside

RESET = struct.pack("ii", 1, 0)


def test_a_reset_in_the_moment_of_its_deadline_is_no_fault() -> None:
    """Before the loop has read of it: shutdown(2) says ENOTCONN then."""
    with Inside() as server:
        peer = socket.create_connection(("127.0.0.1", server.place.port), PATIENCE_S)
        peer.sendall(b"GET /stream HTTP/1.1\r\nHost: a")
        server.wait_until(lambda one: [arrival for arrival in arrivals(one) if arrival.connection is not None])

        def reset_and_expire(running: Any) -> None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            peer.close()
            [arrival] = arrivals(running)
            arrival.expire()

        server.ask(reset_and_expire)
        server.lines.wait_for("request_refused", cause="head_too_slow")
        assert server.place.get("/health").status == 200
        server.wait_until(lambda one: not arrivals(one))


def arrivals(running: Any) -> list[Arrival]:
    return [arrival for acceptor in running.listeners._acceptors for arrival in acceptor._deadlines]


class Broken(Arrival):
    __slots__ = ("aborted",)

    def _step(self) -> None:
        raise RuntimeError("a fault of ours")

    _expire = _step

    def abort(self) -> None:
        self.aborted = True


@pytest.mark.parametrize("call", ["step", "expire"])
def test_a_fault_of_ours_ends_that_connection_and_is_said(
    call: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "propagate", True)
    entrance: Any = None
    with socket.socket() as sock:
        arrival = Broken(entrance, sock, ("192.0.2.1", 5))
        getattr(arrival, call)()
    assert arrival.aborted
    [record] = caplog.records
    assert (record.getMessage(), vars(record)["fields"]["cause"]) == ("fault", "RuntimeError")
