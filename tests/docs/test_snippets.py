"""
The snippets in the documents do what they say: `sh run` blocks of a page are run one after the other in an empty folder, as a
reader would type them; `sh run background` is another terminal that stays open until the page's end. Others must at least parse.
"""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from tests.support import ROOT
from tests.support.pages import Block, blocks, pages
from tests.support.ports import free_port

PATIENCE_S = 60
USUAL_PORTS = ("3000", "8443")
BACKGROUND = """
bash -euc {block} 2> background.log &
until grep -q '"event":"listening"' background.log; do kill -0 $! || {{ cat background.log >&2; exit 1; }}; sleep 0.05; done
"""


def runs(block: Block) -> bool:
    return block.info.split()[:2] == ["sh", "run"]


def with_free_ports(text: str) -> str:
    for usual in USUAL_PORTS:
        text = re.sub(rf"\b{usual}\b", str(free_port()), text)
    return text


def script_of(page: Path) -> str:
    """The page as one script. A server that says no port gets the one that the page calls the usual one."""
    lines = ["set -euo pipefail", "export PORT=3000"]
    for block in filter(runs, blocks(page)):
        quoted = "'" + block.text.replace("'", "'\\''") + "'"
        lines.append(BACKGROUND.format(block=quoted) if "background" in block.info else block.text)
    return with_free_ports("\n".join(lines))


@pytest.mark.parametrize(
    "page", [page for page in pages() if any(map(runs, blocks(page)))], ids=lambda page: str(page.relative_to(ROOT))
)
def test_the_commands_of_a_page_work_in_their_order(page: Path, tmp_path: Path) -> None:
    missing = [tool for tool in ("bash", "curl", "openssl") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needed to run the snippets: apt install {' '.join(missing)}")
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "dumb"}
    output = tmp_path / "output.log"
    with output.open("w") as file:
        command = ["bash", "-c", script_of(page)]
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        ) as process:
            try:
                code = process.wait(PATIENCE_S)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # what still runs in the background
    assert code == 0, output.read_text()


def parsed(*kinds: str) -> list[object]:
    found = [(page, block) for page in pages() for block in blocks(page) if block.info.split()[:1] in [[kind] for kind in kinds]]
    return [pytest.param(block, id=f"{page.relative_to(ROOT)}:{block.line}") for page, block in found]


@pytest.mark.parametrize("block", parsed("sh"))
def test_a_shell_snippet_parses(block: Block) -> None:
    subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)


@pytest.mark.parametrize("block", parsed("python"))
def test_a_python_snippet_parses(block: Block) -> None:
    compile(block.text, "snippet", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("block", parsed("json"))
def test_a_json_snippet_parses(block: Block) -> None:
    """A value a line, or one over several lines, which its first line opens."""
    values = [block.text] if block.text.startswith(("[\n", "{\n")) else block.text.splitlines()
    assert [json.loads(value) for value in values]


class WithSecrets(yaml.SafeLoader):
    """Home Assistant's `!secret name`."""


WithSecrets.add_constructor("!secret", lambda loader, node: str(node.value))


@pytest.mark.parametrize("block", parsed("yaml"))
def test_a_yaml_snippet_parses(block: Block) -> None:
    assert yaml.load(block.text, WithSecrets)  # noqa: S506 — a SafeLoader with one tag more


@pytest.mark.parametrize("block", parsed("ini"))
def test_a_unit_of_systemd_parses(block: Block) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.read_string(block.text)
    assert unit["Service"]["ExecStart"].endswith("teslafast serve")
