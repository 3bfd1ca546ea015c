"""`teslafast --env-file FILE`: settings from a file, for every command."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.cli import env_file
from teslafast.errors import Misconfigured

from tests.support.nodes import wait_until
from tests.support.peers import PATIENCE_S, SECRET
from tests.support.servers import spawn

TEXT = """\
# comment
JWT_SECRET=abc$HOME
  export PORT = 3001

QUOTED="two words # no comment"
SINGLE='it"s'
HALF="x
EMPTY=
"""


def test_lines_are_read_as_docker_systemd_and_a_shell_read_them(tmp_path: Path) -> None:
    (tmp_path / "env").write_text(TEXT)
    assert env_file.read(tmp_path / "env") == {
        "JWT_SECRET": "abc$HOME",
        "PORT": "3001",
        "QUOTED": "two words # no comment",
        "SINGLE": 'it"s',
        "HALF": '"x',
        "EMPTY": "",
    }


def test_a_file_from_windows_is_read(tmp_path: Path) -> None:
    (tmp_path / "env").write_bytes(b"\xef\xbb\xbfPORT=1\r\nHOST=::1\r\n")
    assert env_file.read(tmp_path / "env") == {"PORT": "1", "HOST": "::1"}


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,9}", fullmatch=True), st.from_regex(r"[!-&(-~]{0,20}", fullmatch=True)))
def test_what_a_shell_would_assign_is_what_is_read(values: dict[str, str]) -> None:
    text = "".join(f"{name}='{value}'\n" for name, value in values.items())
    assert dict(env_file._variables(text, Path("env"))) == values


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"PORT=1\nnot a setting\n", r"line 2: 'not a setting' is not a setting"),
        (b"1A=2\n", "line 1"),
        (b"A=\0\n", "line 1"),
        (b"\xff\n", "not UTF-8"),
        (b"A=" + b"x" * env_file.LONGEST_ENV_FILE, "larger than"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_line(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "env").write_bytes(content)
    with pytest.raises(Misconfigured, match=fault):
        env_file.read(tmp_path / "env")


def test_a_refusal_does_not_contain_a_value(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("JWT-SECRET=hush\n")
    with pytest.raises(Misconfigured) as refused:
        env_file.read(tmp_path / "env")
    assert "hush" not in str(refused.value)


def run(arguments: list[str], **environment: str) -> tuple[int, str, str]:
    process = spawn(arguments, environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


def test_a_command_sees_the_files_variables_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "env").write_text(f"JWT_SECRET={SECRET}\nPORT=3001\nHOST=::1\n")
    code, out, err = run(["--env-file", str(tmp_path / "env"), "settings"], PORT="3002")
    assert code == 0, err
    shown = {line.split()[0]: line.split()[2] for line in out.splitlines()}
    assert (shown["PORT"], shown["HOST"], shown["JWT_SECRET"]) == ("3002", "::1", "(hidden)")


def test_an_option_that_has_a_variable_takes_it_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "env").write_text(f"JOURNAL_PATH={tmp_path}/none\n")
    code, _, err = run(["--env-file", str(tmp_path / "env"), "journal", "info"])
    assert code == 2
    assert f"{tmp_path}/none: No such file" in err


def test_a_missing_file_is_one_line_and_exit_2(tmp_path: Path) -> None:
    code, out, err = run(["--env-file", str(tmp_path / "none"), "settings"])
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "No such file" in err


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_demo_open_gives_the_page_with_its_token_to_the_browser(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/bash\nprintf "%s" "$1" > {tmp_path}/url.new\nmv {tmp_path}/url.new {tmp_path}/url\n')
    browser.chmod(0o755)
    arguments = ["demo", "--port", "0", "--open", "--seconds", "1"]
    process = spawn(arguments, {"BROWSER": f"{browser} %s"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    wait_until((tmp_path / "url").exists)  # the browser is a process of its own
    assert (tmp_path / "url").read_text() == err.split()[1]
    assert "#token=" in err.split()[1]


def test_the_readers_of_the_file_do_not_change_this_process(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("TESLAFAST_TEST_ONLY=1\n")
    env_file.read(tmp_path / "env")
    assert "TESLAFAST_TEST_ONLY" not in os.environ
