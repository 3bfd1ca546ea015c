"""
A real program that listens on a port of this machine: started, killed, and started again on the same port.

It waits for what it sees, never for time to pass.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.support.peers import PATIENCE_S
from tests.support.ports import free_port


class Started:
    """`with` runs it."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        """The program and its words."""
        raise NotImplementedError

    def probe(self) -> None:
        """Raises OSError until it answers."""
        socket.create_connection(("127.0.0.1", self.port)).close()

    def start(self) -> None:
        command, quiet = self.command(), subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)
        until_s = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError):
                self.probe()
                return
            assert self._process.poll() is None, f"{command[0]} has ended"
            assert time.monotonic() < until_s, f"{command[0]} does not listen"
            time.sleep(0.01)  # nothing tells when it does

    def kill(self) -> None:
        """At once, with the programs that it has started itself."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
