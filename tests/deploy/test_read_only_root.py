"""A server on a root that it cannot write to, and without /tmp: what `read_only: true` of a container gives."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.peers import PATIENCE_S, Place
from tests.support.servers import BASE, Lines

pytestmark = pytest.mark.deploy

# A new mount namespace: everything read-only, no /tmp; /data alone can be written.
INSIDE = """
set -e
mount --make-rprivate /
mount --bind "$DATA" "$DATA"
mount -t tmpfs -o ro none /dev/shm
for point in $(awk '{print $5}' /proc/self/mountinfo | sort -u); do
    case $point in "$DATA"*|/proc*|/sys*|/dev*) continue ;; esac
    mount -o remount,bind,ro "$point" 2>/dev/null || true
done
for folder in / /tmp /var/tmp "$HOME" "$PWD"; do
    if touch "$folder/x" 2>/dev/null; then echo "$folder can be written" >&2; exit 9; fi
done
exec "$@"
"""


def can_unshare() -> bool:
    command = ["unshare", "--mount", "true"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0 or not can_unshare(), reason="unshare --mount wants root")
def test_it_serves_keeps_its_journal_and_ends_cleanly(tmp_path: Path) -> None:
    command = [
        "unshare",
        "--mount",
        "bash",
        "-c",
        INSIDE,
        "bash",
        sys.executable,
        "-B",
        "-W",
        "error",
        "-m",
        "teslafast",
        "serve",
    ]
    variables = BASE | {
        "NODE_ENV": "development",
        "JOURNAL_PATH": f"{tmp_path}/journal",
        "DATA": str(tmp_path),
        "HOME": "/",
        "TMPDIR": "/nonexistent",
        "PATH": os.environ["PATH"],
    }
    lines = Lines()
    with subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stderr is not None
        for line in server.stderr:
            lines.add(line)
            if '"listening"' in line:
                break
        [told] = lines.wait_for("listening")
        place = Place(told["port"], told["port"])
        with place.dashboard() as dashboard, place.vehicle("5YJ3TEST5PF000001") as vehicle:
            vehicle.tell({"Soc": {"floatValue": 71.5}})
            assert dashboard.until("data")["data"] == {"Soc": 71.5}
        assert place.get("/metrics").status == 200
        assert place.get("/").status == 200
        server.send_signal(signal.SIGTERM)
        rest = server.stderr.read()
        assert server.wait(PATIENCE_S) == 0
    assert "checkpoint_failed" not in rest
    assert (tmp_path / "journal.state").exists()
