"""HANDSHAKE_TIMEOUT of many connections by one timer."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

import pytest
from teslafast.server.deadlines import EXPIRE_S, Deadlines

from tests.support.fake_loop import FakeLoop
from tests.support.servers import Inside

RESET = struct.pack("ii", 1, 0)


class Slow:
    """One that has begun to speak. `ended`: those whose time was over."""

    connection = object()
    waiting = True

    def __init__(self, ended: list[Slow], fails: bool = False) -> None:
        self._ended = ended
        self._fails = fails

    def expire(self) -> None:
        self._ended.append(self)
        if self._fails:
            raise OSError("gone")


def test_one_whose_end_fails_does_not_keep_the_others_for_ever() -> None:
    loop, ended = FakeLoop(), list[Slow]()
    deadlines: Any = Deadlines(loop, 0.0)
    slow = [Slow(ended, fails=True), Slow(ended)]
    for one in slow:
        deadlines.start(one)
    with pytest.raises(OSError, match="gone"):
        loop.elapse()
    loop.elapse()
    assert ended == slow


def test_many_who_are_due_at_once_end_some_milliseconds_of_them_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, ended = FakeLoop(), list[Slow]()
    clock = [0.0]

    class Costly(Slow):
        def expire(self) -> None:
            super().expire()
            clock[0] += EXPIRE_S / 2

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    deadlines: Any = Deadlines(loop, 0.0)
    due = [Costly(ended) for _ in range(5)]
    for one in due:
        deadlines.start(one)
    counts = []
    for _ in range(3):
        loop.elapse()
        counts.append(len(ended))
    assert (counts, ended) == ([2, 4, 5], due)


def test_a_client_that_resets_while_it_is_told_that_it_was_too_slow_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    """The event loop has not seen the reset yet when it sends the answer."""
    with Inside(HANDSHAKE_TIMEOUT="60") as server:
        with socket.create_connection(("127.0.0.1", server.place.port)) as slow:
            slow.sendall(b"GET / HT")
            server.wait_until(lambda running: [one for one in arrivals(running) if one.connection is not None])

            def reset_and_expire(running: object) -> None:
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                slow.close()
                for arrival in arrivals(running):
                    arrival.expire()

            server.ask(reset_and_expire)
        server.wait_until(lambda running: not len(running.listeners.pending))
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def arrivals(running: Any) -> list[Any]:
    return [one for acceptor in running.listeners._acceptors for one in acceptor._deadlines]
