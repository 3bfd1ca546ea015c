"""
Whether a file is a mount of its own, as `docker run -v ./server.pem:/certs/server.pem` makes one.

Such a mount holds the file that was there when the container started. Whoever renews a certificate puts a new file in its place,
and the container keeps the old one for ever. A folder that is mounted shows the new file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

MOUNT_INFO = Path("/proc/self/mountinfo")  # Linux alone has it; elsewhere containers run in a Linux machine of their own

_POINT = 4  # the column of the mount point (proc_pid_mountinfo(5))


def mount_points(info: str) -> frozenset[str]:
    """The mount points in the text of `/proc/self/mountinfo`, where blanks and the like are written as `\\040`."""
    columns = (line.split(" ") for line in info.splitlines())
    return frozenset(
        re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), row[_POINT]) for row in columns if len(row) > _POINT
    )


def mounted_alone(paths: Iterable[Path], info: Path = MOUNT_INFO) -> list[Path]:
    """Those of the paths, or of the files that they link to, that are mount points; none where the system does not tell."""
    try:
        points = mount_points(info.read_text(errors="surrogateescape"))
    except OSError:
        return []
    return [path for path in paths if {os.path.abspath(path), os.path.realpath(path)} & points]
