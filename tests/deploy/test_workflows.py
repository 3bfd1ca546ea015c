"""The workflows under .github: before actionlint, and against what they rely on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONLINT = Path(sys.executable).with_name("actionlint")


def jobs(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())["jobs"]
    return found


@pytest.mark.deploy
@pytest.mark.skipif(not ACTIONLINT.exists(), reason="pip install --group packaging")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_actionlint_has_nothing_to_say(file: Path) -> None:
    done = subprocess.run([ACTIONLINT, file], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_workflow_may_only_read_but_for_jobs_that_say_otherwise_and_every_job_ends(file: Path) -> None:
    whole = yaml.safe_load(file.read_text())
    assert whole["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] for job in whole["jobs"].values())


def test_ci_runs_what_stands_in_the_repository() -> None:
    assert "bash .ci/run" in [step.get("run") for step in jobs("ci.yml")["all"]["steps"]]


def test_wheels_are_built_for_every_platform_that_the_page_on_installing_names() -> None:
    names = {row["name"] for row in jobs("wheels.yml")["wheels"]["strategy"]["matrix"]["include"]}
    systems = {f"{system}-{machine}" for system in ("manylinux", "musllinux") for machine in ("x86_64", "aarch64")}
    assert names == systems | {"macos-arm64", "macos-x86_64"}


def test_what_is_published_is_tagged_attested_and_needs_no_stored_secret() -> None:
    for name in ("wheels.yml", "docker.yml"):
        publish = jobs(name)["publish"]
        assert publish["if"] == "startsWith(github.ref, 'refs/tags/v')"
        assert publish["permissions"]["id-token"] == publish["permissions"]["attestations"] == "write"
    text = "".join(file.read_text() for file in FILES)
    assert not re.search(r"secrets\.", text)
