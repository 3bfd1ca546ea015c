"""The source distribution: all that a wheel is built from, and nothing that was generated."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support import ROOT

pytestmark = pytest.mark.deploy

SOURCES = {".py", ".pyi", ".pyx", ".pxd", ".pxi", ".html", ".css", ".js", ".svg", ".typed"}


def test_every_source_of_the_package_is_in_it_and_nothing_generated(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    subprocess.run(["git", "clone", "-q", ROOT, tree], check=True)
    subprocess.run([sys.executable, "setup.py", "-q", "sdist", "-d", tmp_path], cwd=tree, check=True)
    [made] = tmp_path.glob("teslafast-*.tar.gz")
    with tarfile.open(made) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    tracked = subprocess.run(["git", "ls-files", "teslafast"], cwd=tree, check=True, capture_output=True, text=True).stdout
    wanted = {line for line in tracked.splitlines() if Path(line).suffix in SOURCES}
    assert {"teslafast/_fanout.pyx", "teslafast/_fanout_reader.pxi", "teslafast/web/app/main.js"} <= wanted
    assert wanted <= held
    assert not [name for name in held if name.endswith((".c", ".so"))]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", made, "-w", tmp_path], check=True
    )
    assert list(tmp_path.glob("teslafast-*.whl"))
