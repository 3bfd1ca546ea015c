"""
A wheel as a release has it: built, repaired by auditwheel, installed into an empty environment of each Python here, and run.

cibuildwheel does the same in its own images for every platform; what this machine's C library allows is decided by auditwheel.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.support import ROOT

BIN = Path(sys.executable).parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSIONS = ["3.11", "3.12", "3.13", "3.14"]
LONGEST_S = 600.0  # of one step, on a busy machine: a hang is a failure


def interpreter(version: str) -> Path | None:
    """On the PATH or among pyenv's, whose shims may stand for versions that are not chosen."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = shutil.which(f"python{version}")
    candidates = [Path(found)] if found else []
    for path in [*candidates, *sorted(pyenv.glob(f"{version}.*/bin/python"))]:
        told = subprocess.run(
            [path, "-c", "import sys, venv, ensurepip; print(sys.version)"], capture_output=True, text=True, check=False
        )
        if told.returncode == 0 and told.stdout.startswith(f"{version}."):
            return path
    return None


def run(*command: str | Path, path: str = os.environ["PATH"], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | {"PATH": path}
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False, env=environment, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.deploy
@pytest.mark.skipif(not (BIN / "auditwheel").exists(), reason="pip install --group packaging")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_repaired_wheel_runs_the_demo_in_an_empty_environment_without_a_compiler(version: str, tmp_path: Path) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    tree, raw, repaired, venv = (tmp_path / name for name in ("tree", "raw", "repaired", "venv"))
    run("git", "clone", "-q", ROOT, tree)  # nothing that was compiled here
    run(python, "-m", "venv", venv)
    run(venv / "bin/pip", "wheel", "-q", "--no-deps", tree, "-w", raw)
    [built] = raw.glob("*.whl")
    run(BIN / "auditwheel", "repair", built, "-w", repaired, path=f"{BIN}:{os.environ['PATH']}")
    [wheel] = repaired.glob("*.whl")
    assert re.search(r"-manylinux_2_\d+_\w+\.whl$", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        held = archive.namelist()
    assert not [name for name in held if name.endswith((".c", ".pyx", ".pxd", ".pxi"))]
    assert len([name for name in held if name.endswith(".so")]) == len(list((ROOT / "teslafast").rglob("*.pyx")))
    assert "teslafast/setup/image.zip" in held  # from which an installed teslafast makes the image on Fly.io
    shutil.rmtree(venv)
    run(python, "-m", "venv", venv)
    run(venv / "bin/pip", "install", "-q", "--only-binary", ":all:", wheel)
    done = run(venv / "bin/teslafast", "demo", "--port", "0", "--seconds", "5", path="/nonexistent", cwd=tmp_path)
    kinds = {json.loads(line)["type"] for line in done.stdout.splitlines()}
    assert {"hello", "data"} <= kinds
    source = "from pathlib import Path; from teslafast.setup.image_source import write_image_source as w; w(Path('fly'), 'road')"
    run(venv / "bin/python", "-c", source, cwd=tmp_path)
    if version == VERSIONS[0]:
        run(venv / "bin/pip", "wheel", "-q", "--no-deps", tmp_path / "fly", "-w", tmp_path / "again")  # as the Dockerfile does
        assert [built.name for built in (tmp_path / "again").glob("*.whl")] == [path.name for path in raw.glob("*.whl")]


def test_cibuildwheel_builds_every_python_that_the_package_says_it_runs_on() -> None:
    config = PYPROJECT["tool"]["cibuildwheel"]
    said = re.findall(r"Python :: (3\.\d+)$", "\n".join(PYPROJECT["project"]["classifiers"]), re.MULTILINE)
    assert said == VERSIONS
    assert config["build"].split() == [f"cp{version.replace('.', '')}-*" for version in said]
    assert config["test-command"].startswith("teslafast demo ")
