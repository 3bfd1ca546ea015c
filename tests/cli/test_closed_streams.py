"""A process that was started without stdin, stdout or stderr."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.peers import PATIENCE_S, SECRET


@pytest.mark.parametrize("closed", ["2>&-", "0<&- 1>&- 2>&-"])
def test_a_server_whose_standard_streams_are_closed_serves(closed: str, tmp_path: Path) -> None:
    """No file and no connection becomes descriptor 2, which log lines go to."""
    journal = tmp_path / "journal"
    environment = {"JWT_SECRET": SECRET, "NODE_ENV": "development", "PORT": "0", "HOST": "127.0.0.1", "RING_BYTES": "8MiB"}
    command = f"exec {sys.executable} -m teslafast serve {closed}"
    more = {"JOURNAL_PATH": str(journal), "XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(["/bin/sh", "-c", command], cwd=ROOT, env=environment | more)
    try:
        until = time.monotonic() + PATIENCE_S
        while not journal.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        assert journal.exists()
        assert os.readlink(f"/proc/{process.pid}/fd/2") == os.devnull
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
    assert b'"event"' not in journal.read_bytes()
