"""
A disk that can be made to hang or to fail: a real file system, in a process of its own (tests/programs/fuse_disk.py).

    with FuseDisk(tmp_path) as disk:    disk.folder is it; skips, with the reason, where there can be none
        disk.trouble("hang")            until the next word; "" ends it
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.support import ROOT
from tests.support.peers import PATIENCE_S


class FuseDisk:
    def __init__(self, place: Path) -> None:
        self.folder, self._behind, self._word = place / "disk", place / "behind", place / "trouble"

    def __enter__(self) -> Self:
        if os.geteuid() != 0 or not Path("/dev/fuse").exists():
            pytest.skip("NOT TESTED: there is no /dev/fuse here, or only root may use it")
        try:
            import mfusepy  # type: ignore[import-not-found, import-untyped, unused-ignore]  # noqa: F401
        except (ImportError, OSError) as error:
            pytest.skip(f"NOT TESTED: there is no libfuse here (apt install libfuse2): {error}")
        self.folder.mkdir()
        self._behind.mkdir()
        paths = map(str, (self._behind, self.folder, self._word))
        command = [sys.executable, "-m", "tests.programs.fuse_disk", *paths]
        self._process = subprocess.Popen(command, cwd=ROOT)
        until_s = time.monotonic() + PATIENCE_S
        while not self.folder.is_mount():
            if self._process.poll() is not None:
                pytest.skip("NOT TESTED: this machine mounts no FUSE file system")
            assert time.monotonic() < until_s
            time.sleep(0.01)
        return self

    def trouble(self, word: str) -> None:
        new = self._word.with_suffix(".new")
        new.write_text(word)
        new.replace(self._word)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.trouble("")
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
        self._process.terminate()  # whoever still waits for an answer gets ENOTCONN
        self._process.wait(PATIENCE_S)
