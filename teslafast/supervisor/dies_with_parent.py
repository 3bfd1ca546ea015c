"""
Run as a program: becomes another program, to which the kernel sends a signal when the process that started this one is gone.

    python -I -S dies_with_parent.py PARENT SIGNAL PROGRAM [ARGUMENT …]

PARENT   the process's number, for the case that it has gone before we could ask the kernel: then nothing is run
SIGNAL   SIGKILL ends a process whatever it does, even one that is stopped; SIGCONT only lets one that is stopped go on, and see
         for itself that nobody is there any more

Linux alone has such a request; elsewhere the program is run without it.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h; it outlives an exec


def become(parent: int, number: int, command: list[str]) -> None:
    """Does not return. Raises OSError if the program cannot be run."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(number), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # asked after the request: a parent that goes later is told by the kernel
        sys.exit(0)
    os.execv(command[0], command)  # noqa: S606 — a program of ours, without a shell


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
