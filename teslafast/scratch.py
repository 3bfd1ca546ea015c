"""
Places for what is needed for a moment only: a folder, or a path of some bytes.

A container's root is often read-only, and has no /tmp; a disk may be full. What OpenSSL reads from a path alone goes through
memory that has a name, where the system has that (Linux, with /proc), and asks for no disk at all.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import Misconfigured


@contextmanager
def scratch_folder(prefix: str = "teslafast-") -> Iterator[Path]:
    """An empty folder while the block runs. Raises Misconfigured if none can be made."""
    try:
        made = tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
    except OSError as error:
        fault = f"there is no folder for temporary files ({error.strerror or error})"
        raise Misconfigured("TMPDIR", fault, "name one that can be written to, or mount a /tmp") from None
    with made as name:
        yield Path(name)


@contextmanager
def named_bytes(content: bytes) -> Iterator[Path]:
    """A path of these bytes while the block runs. Raises Misconfigured if there is neither such memory nor a folder."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        with open(os.memfd_create("bytes", os.MFD_CLOEXEC), "wb", buffering=0) as file:
            file.write(content)
            yield Path(f"/proc/self/fd/{file.fileno()}")
        return
    with scratch_folder() as folder:
        path = folder / "bytes"
        path.touch(mode=0o600)
        path.write_bytes(content)
        yield path
