"""`docs/teslafast.d.ts` has room for what a real server says of simulated vehicles, as TypeScript's compiler sees it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.example_clients import compiler
from tests.support.pages import blocks
from tests.support.peers import PATIENCE_S
from tests.support.servers import Inside, spawn

pytestmark = pytest.mark.faults  # npm's compiler takes some seconds to fetch
OPTIONS = ["--noEmit", "--strict", "--noUncheckedIndexedAccess", "--allowImportingTsExtensions", "--target", "es2022"]
OPTIONS += ["--module", "nodenext", "--lib", "es2022,dom", "--types", ""]
CLIENT = ROOT / "examples" / "typescript" / "client.ts"


@pytest.fixture(scope="module")
def tsc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiler(tmp_path_factory.mktemp("typescript"))


def faults_in(tsc: Path, folder: Path, text: str) -> str:
    """What the compiler says of this module."""
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "module.ts").write_text(text)
    command = [str(tsc), *OPTIONS, str(folder / "module.ts")]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout


def messages() -> list[str]:
    """As they come from a server to which the simulator's vehicles have sent what they know."""
    with Inside() as server:
        address = f"ws://127.0.0.1:{server.place.port}/"
        with spawn(["simulate", address, "--vehicles", "5", "--duration", "1s"], {}, stdout=subprocess.DEVNULL) as simulator:
            assert simulator.wait(PATIENCE_S) == 0
        with server.place.dashboard("?since=0&epoch=another") as dashboard:
            dashboard.say({"type": "subscribe", "vins": None})
            dashboard.until("subscribed")
            while "data" not in {message["type"] for message in dashboard.seen}:
                dashboard.next()
            return [json.dumps(message) for message in dashboard.seen]


def test_real_messages_are_of_the_types(tsc: Path, tmp_path: Path) -> None:
    said = messages()
    assert {json.loads(text)["type"] for text in said} >= {"hello", "gap", "snapshot", "data", "subscribed"}
    module = f'import type {{ Message }} from "{ROOT}/docs/teslafast.d.ts";\nexport const said: Message[] = [{",".join(said)}];\n'
    assert faults_in(tsc, tmp_path, module) == ""


def test_a_message_that_is_none_is_refused_by_the_types(tsc: Path, tmp_path: Path) -> None:
    module = f'import type {{ Message }} from "{ROOT}/docs/teslafast.d.ts";\nexport const it: Message = {{ type: "hallo" }};\n'
    assert "hallo" in faults_in(tsc, tmp_path, module)


def test_the_snippet_in_the_documents_compiles(tsc: Path, tmp_path: Path) -> None:
    (snippet,) = (block.text for block in blocks(ROOT / "docs" / "clients.md") if block.info == "typescript")
    module = snippet.replace("./client.ts", str(CLIENT)) + "\ndeclare function fetchToken(): Promise<string>;\n"
    assert faults_in(tsc, tmp_path, module) == ""
