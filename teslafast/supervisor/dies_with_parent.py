"""
Run as a program: becomes another program that the kernel ends (SIGTERM) when the process that started this one is gone.

    python -I -S dies_with_parent.py PARENT PROGRAM [ARGUMENT …]

PARENT: the process's number, for the case that it has gone before we could ask the kernel. Linux alone has such a request;
elsewhere the program is run without it.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h; it outlives an exec


def become(parent: int, command: list[str]) -> None:
    """Does not return. Raises OSError if the program cannot be run."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        sys.exit(0)
    os.execv(command[0], command)  # noqa: S606 — a program of ours, without a shell


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2:])
