"""
Ports for programs that are told theirs: no other process of tests is given the same one, and no connection takes it.

A port that the kernel has chosen is anybody's as soon as it is closed: of another test's server, of the client's end of any
connection, even of a client that knocks there until the server is up, and then finds itself. So these lie outside of the range
from which the kernel chooses, and each is kept by a lock for as long as the process of the tests lives.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

LOCKS = Path(tempfile.gettempdir()) / f"teslafast-test-ports-{os.getuid()}"  # a file for each port, of all runs on this machine
KERNELS = Path("/proc/sys/net/ipv4/ip_local_port_range")
USUALLY = (32_768, 60_999)  # the kernel's own; elsewhere it is higher up
FIRST, END = 18_000, 65_536  # below are those of well-known programs

_held: list[int] = []  # descriptors: a lock goes with its descriptor


def free_ports(count: int) -> list[int]:
    """Ports at which nothing listens, and nothing will but who is told of them."""
    found = list(islice(filter(_is_ours, _candidates()), count))
    assert len(found) == count, "no port is left for a test"
    return found


def free_port() -> int:
    """A port at which nothing listens, and nothing will but who is told of it."""
    return free_ports(1)[0]


def _candidates() -> Iterator[int]:
    """Each process begins elsewhere."""
    low, high = map(int, KERNELS.read_text().split()) if KERNELS.exists() else USUALLY
    ports = [port for port in range(FIRST, END) if not low <= port <= high] or list(range(FIRST, END))
    begin = os.getpid() * 37 % len(ports)
    yield from ports[begin:]
    yield from ports[:begin]


def _is_ours(port: int) -> bool:
    """Whether nobody else has it; from now on nobody else gets it."""
    LOCKS.mkdir(exist_ok=True)
    lock = os.open(LOCKS / str(port), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with socket.socket() as tried:
            tried.bind(("", port))
    except OSError:
        os.close(lock)
        return False
    _held.append(lock)
    return True
