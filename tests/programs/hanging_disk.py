"""
`teslafast`, on a disk that can be made to hang, as a network share that is away does.

    DISK=FOLDER DISK_HANGS_WHILE=FILE python -m tests.programs.hanging_disk serve

While FILE exists, calls about files below FOLDER do not return. What counts as a hang is half a second, so that tests are short.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import teslafast.disk_thread
from teslafast.cli import main

HANGING = ("stat", "lstat", "fstat", "fstatvfs", "open", "pwrite", "fsync", "fdatasync", "replace", "unlink")
_FOLDER, _WHILE = os.environ["DISK"], os.environ["DISK_HANGS_WHILE"]
_exists, _real_path = os.path.exists, os.readlink


def _is_on_disk(path: Any) -> bool:
    try:
        return (_real_path(f"/proc/self/fd/{path}") if isinstance(path, int) else os.fspath(path)).startswith(_FOLDER)
    except OSError:
        return False


def _hanging(call: Callable[..., Any]) -> Callable[..., Any]:
    def called(path: Any, *arguments: Any, **named: Any) -> Any:
        while os.access(_WHILE, os.F_OK) and _is_on_disk(path):
            time.sleep(0.01)
        return call(path, *arguments, **named)

    return called


for name in HANGING:
    setattr(os, name, _hanging(getattr(os, name)))
teslafast.disk_thread.HANGS_S = 0.5

if __name__ == "__main__":
    main()
