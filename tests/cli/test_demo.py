"""`teslafast demo` as a process: events alone on stdout, and what to open, how to end it and what comes next on stderr."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from tests.support.peers import PATIENCE_S
from tests.support.servers import spawn


def test_stdout_holds_events_alone_and_stderr_says_what_to_do() -> None:
    process = spawn(["demo", "--port", "0"], {}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    first = [json.loads(process.stdout.readline()) for _ in range(3)]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert first[0]["type"] == "hello"
    assert all(json.loads(line)["type"] for line in out.splitlines())
    lines = err.strip().splitlines()
    assert lines[0].startswith("page    http://127.0.0.1:")
    assert lines[1].startswith("stream  ws://127.0.0.1:")
    assert lines[3].startswith("Ctrl-C ends it. Next: ")
    assert len(lines) == 4, "nothing else: no warnings, no log"


@pytest.mark.parametrize("seconds", ["1s"])
def test_a_demo_of_some_seconds_ends_by_itself(seconds: str) -> None:
    process = spawn(["demo", "--port", "0", "--seconds", seconds], {}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "Ctrl-C ends it, or 1 s." in err
