"""Debian's nginx and HAProxy, as programs that run while a test does."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.peers import PATIENCE_S

MISSING = [name for name in ("nginx", "haproxy") if shutil.which(name) is None]

Started = Callable[[Path], "subprocess.Popen[bytes]"]


def nginx(config: Path) -> subprocess.Popen[bytes]:
    directives = f"daemon off; pid {config.parent}/nginx.pid;"
    return subprocess.Popen(["nginx", "-e", "stderr", "-c", str(config), "-g", directives])


def haproxy(config: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["haproxy", "-db", "-q", "-f", str(config)])


@contextlib.contextmanager
def running(start: Started, config: Path, port: int) -> Iterator[None]:
    """The program, once its port is open; at the end it must go when it is told to."""
    with start(config) as process:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            assert process.poll() is None, f"it does not take {config}"
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), PATIENCE_S):
                break
            assert time.monotonic() < deadline
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
