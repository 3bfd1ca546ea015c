"""
Where a running server answers, for `teslafast health` on the same machine.

`health` knows the environment, and not what `serve` was started with: `--port 8080`, or PORT=0. Where these differ, the server
leaves a small file in the runtime folder, named after what the environment says; `health` looks there first. In a container both
see the same folder. A file of another user's, or of a server that is gone, is not believed.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

LONGEST = 1024  # bytes of the file: a host, a port and a process


def _file(environment: Mapping[str, str]) -> Path:
    """
    In systemd's folder for the service, the user's, or the machine's for temporary files; the name holds the user.

    Raises OSError where there is none of them: on a read-only root without /tmp.
    """
    own = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0] or environment.get("XDG_RUNTIME_DIR", "")
    configured = environment.get("PORT", "").strip() or "default"
    port = configured if configured.isdigit() else "default"
    return Path(own or tempfile.gettempdir()) / f"teslafast-{os.getuid()}-{port}.json"


def remember(environment: Mapping[str, str], host: str, port: int) -> Path | None:
    """Writes where this process answers; returns the file to remove at the end, None if there is no folder to write to."""
    text = json.dumps({"host": host, "port": port, "pid": os.getpid()})
    try:
        path = _file(environment)
    except OSError:
        return None
    unfinished = path.with_suffix(f".{os.getpid()}")  # whoever looks meanwhile must not find half of it
    try:
        with contextlib.suppress(FileNotFoundError):
            unfinished.unlink()
        file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w") as written:
            written.write(text)
        unfinished.replace(path)
    except OSError:  # a read-only root without /tmp, or another user's file
        with contextlib.suppress(OSError):
            unfinished.unlink()
        return None
    return path


def forget(path: Path | None) -> None:
    """Removes the file, unless it is another server's by now."""
    if path is not None:
        with contextlib.suppress(OSError, ValueError):
            if json.loads(path.read_text()).get("pid") == os.getpid():
                path.unlink()


def recall(environment: Mapping[str, str]) -> tuple[str, int] | None:
    """(host, port) of the server with this environment that runs and said where; None if none did."""
    try:
        file = os.open(_file(environment), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(file, "rb") as opened:
            about = os.fstat(opened.fileno())
            if about.st_uid != os.getuid() or not stat.S_ISREG(about.st_mode):
                return None
            said = json.loads(opened.read(LONGEST))
        host, port = str(said["host"]), int(said["port"])
        os.kill(int(said["pid"]), 0)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return (host, port) if 0 < port < 65536 else None
