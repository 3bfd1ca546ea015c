"""One run at a time: the second says who is at work, and a holder that died holds nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from teslafast.onboarding.state_folder import StateFolder
from teslafast.setup.outcome import Waiting
from teslafast.setup.run_lock import only_run

from tests.support import ROOT

HOLDER = """
import sys
from pathlib import Path
from teslafast.onboarding.state_folder import StateFolder
from teslafast.setup.run_lock import only_run
with only_run(StateFolder(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLDER, str(folder)]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_run_says_who_is_at_work(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with pytest.raises(Waiting, match=f"process {process.pid} on ") as held, only_run(StateFolder(tmp_path)):
            pass
        assert "wait for it, or end it" in held.value.remedy
        process.communicate()
    with only_run(StateFolder(tmp_path)):
        pass


def test_a_holder_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with only_run(StateFolder(tmp_path)):
        pass


def test_a_run_that_fails_gives_the_lock_up(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), only_run(StateFolder(tmp_path)):
        raise ZeroDivisionError
    with only_run(StateFolder(tmp_path)):
        pass


def test_files_are_written_by_others_meanwhile(tmp_path: Path) -> None:
    with only_run(StateFolder(tmp_path)):
        StateFolder(tmp_path).write("tokens.json", b"{}")
