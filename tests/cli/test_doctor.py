"""The command `teslafast doctor`: its output for people and for programs, its exit status, and no secret in either."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.support import ROOT
from tests.support.certificates import HOST
from tests.support.peers import SECRET, token
from tests.support.sites import VIN, Site, serving


def run(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "teslafast", "doctor", *arguments]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | site.environment
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=30, cwd=site.folder, input=f"{token()}\n"
    )


def test_a_finding_that_is_wrong_is_a_line_and_exit_1(site: Site) -> None:
    with serving(site) as port:
        done = run(site, f"https://{HOST}:{port}", "--address", "127.0.0.1", "--ca", "ca.pem", "--certs", ".", "--token", "-")
    lines = done.stdout.splitlines()
    assert done.returncode == 1  # none of the CAs in CA_PATH is one of Tesla's
    assert [line[0] for line in lines].count("✗") == 1
    assert f"✓ test vehicle: {VIN} can connect" in lines
    assert "✓ dashboard: the token opens /stream" in lines
    assert lines[-1] == "1 to mend, 1 worth knowing"
    assert done.stderr == ""
    assert SECRET not in done.stdout
    assert site.tesla.token not in done.stdout


def test_json_is_one_object_per_finding(site: Site) -> None:
    rows = [json.loads(line) for line in run(site, "--json").stdout.splitlines()]
    assert {tuple(row) for row in rows} == {("check", "state", "says", "remedy")}
    assert {row["state"] for row in rows} <= {"well", "wrong", "note", "skipped"}
