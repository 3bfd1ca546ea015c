"""
One run of the set-up at a time, in one folder: two that push configs, deploy or log in side by side would undo each other's work.

The lock is the kernel's (flock), so it ends with the process that holds it, however that ends. The file says who holds it, for
whoever comes second. Reading and writing the folder's files has a lock of its own (state_folder.py), held for moments: `serve`
and other commands are not kept waiting by a set-up that waits for a person.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator

from ..errors import Misconfigured
from ..onboarding.state_folder import STATE_FILE_MODE, STATE_VARIABLE, StateFolder
from ..rfc3339 import rfc3339
from ..text import one_line
from .outcome import Waiting

RUN_LOCK_FILE = ".setup"


@contextlib.contextmanager
def only_run(folder: StateFolder) -> Iterator[None]:
    """Held until the block ends. Raises Waiting if another run holds it, Misconfigured if the folder cannot be used."""
    folder.create()
    path = folder.path / RUN_LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, STATE_FILE_MODE)
    except OSError as error:
        remedy = f"make the folder writable, or name another with --state or in {STATE_VARIABLE}"
        raise Misconfigured(STATE_VARIABLE, f"{path}: {error.strerror}", remedy) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _held(folder, os.pread(descriptor, 1024, 0)) from None
        who = {"pid": os.getpid(), "host": socket.gethostname(), "since": rfc3339(time.time_ns())}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(who).encode() + b"\n", 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _held(folder: StateFolder, said: bytes) -> Waiting:
    try:
        who = json.loads(said)
        holder = f"process {int(who['pid'])} on {one_line(str(who['host']), 60)}, since {one_line(str(who['since']), 40)}"
    except (ValueError, KeyError, TypeError, RecursionError):
        holder = "another process, which has only just begun"
    remedy = "wait for it, or end it; or give this run a folder of its own with --state"
    return Waiting(f"another `teslafast setup` is at work in {folder.path}: {holder}", remedy)
