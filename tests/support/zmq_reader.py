"""ZeroMQ's own SUB socket as a consumer: every message since it subscribed, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

import zmq

from tests.support.peers import PATIENCE_S


class Frames(NamedTuple):
    topic: str
    body: bytes


class ZmqReader:
    """`keys`: (server's public, own public, own secret), for CURVE. While `paused` it takes nothing from its socket."""

    def __init__(self, address: str, keys: tuple[bytes, bytes, bytes] | None = None, queue: int = 100_000) -> None:
        self.got: list[Frames] = []
        self.paused = False
        self._address, self._keys, self._queue = address, keys, queue
        self._ended = False
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.RCVHWM, self._queue)
            if self._queue < 1000:
                socket.setsockopt(zmq.RCVBUF, 4096)
            if self._keys is not None:
                socket.curve_serverkey, socket.curve_publickey, socket.curve_secretkey = self._keys
            socket.connect(self._address)
            socket.subscribe(b"")
            while not self._ended:
                if self.paused:
                    time.sleep(0.01)
                elif socket.poll(50):
                    parts: list[Any] = socket.recv_multipart()
                    assert len(parts) == 2
                    self.got.append(Frames(parts[0].decode(), parts[1]))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended = True
        self._thread.join()

    def until(self, reached: Callable[[list[Frames]], bool], patience_s: float = PATIENCE_S) -> list[Frames]:
        until_s = time.monotonic() + patience_s
        while not reached(self.got):
            assert time.monotonic() < until_s, f"{len(self.got)}: {self.got[-1:]}"
            time.sleep(0.01)  # nothing tells of the next one
        return self.got
