"""A line between a client and a server that can be cut: what passes through it is copied, and a cut ends all of it by a reset."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Self

RESET = struct.pack("ii", 1, 0)


class Relay:
    """`with Relay(to_port) as relay`: listens at `port` while the block runs, and while it is not cut."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open = True
        self._changing = threading.Lock()
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # the block has ended
                return
            server = self._joined(client)
            if server is None:
                continue
            for source, target in ((client, server), (server, client)):
                thread = threading.Thread(target=self._copy, args=(source, target))
                self._threads.append(thread)
                thread.start()

    def _joined(self, client: socket.socket) -> socket.socket | None:
        """The server's side of a line that is not cut; one that comes in the moment of a cut is cut, too."""
        with self._changing:
            if not self._open:
                self._reset(client)
                return None
            server = socket.create_connection(("127.0.0.1", self._to_port))
            self._ends += [client, server]
            return server

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while chunk := source.recv(65536):
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)
        except OSError:  # cut
            return

    def cut(self) -> None:
        """Every connection ends by a reset, and so does each new one."""
        with self._changing:
            self._open = False
            for end in self._ends:
                self._reset(end)
            self._ends.clear()

    def mend(self) -> None:
        self._open = True

    def _reset(self, end: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it has ended by itself
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
        end.close()

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()
