"""
The clients of examples/, run as programs: what they tell of the stream, line by line, and the values that they hold in the end.

A driver (a few lines in the client's own language) makes a Stream, prints each piece of news with the epoch that it came in, and
prints the values when its stdin ends. Tokens stand in a file; each time that the client asks, it gets the next one.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.support import ROOT
from tests.support.peers import PATIENCE_S

EXAMPLES = ROOT / "examples"
BACK_S = 3 * PATIENCE_S  # a client may wait some seconds before it comes back

PYTHON = """
import asyncio, json, os, sys, threading
sys.path.insert(0, {folder!r})
from client import Stream
tokens = json.load(open(os.environ["TOKENS"]))

async def follow(stream):
    async for news in stream.events():
        print(json.dumps({{"epoch": stream.epoch, "news": news}}), flush=True)

async def main():
    stream = Stream(os.environ["URL"], lambda: tokens.pop(0) if len(tokens) > 1 else tokens[0], **json.loads(os.environ["QUERY"]))
    following = asyncio.create_task(follow(stream))
    following.add_done_callback(lambda ended: ended.cancelled() or os._exit(1))  # the wait for stdin cannot be broken off
    await asyncio.to_thread(sys.stdin.read)
    following.cancel()
    print(json.dumps({{"values": stream.values}}), flush=True)

asyncio.run(main())
"""

NODE = """
import {{ readFileSync }} from "node:fs";
import {{ Stream }} from {module!r};
const tokens = JSON.parse(readFileSync(process.env.TOKENS));
const print = (value) => process.stdout.write(JSON.stringify(value) + "\\n");
const next = () => (tokens.length > 1 ? tokens.shift() : tokens[0]);
const stream = new Stream(process.env.URL, next, (news) => print({{ epoch: stream.epoch, news }}), JSON.parse(process.env.QUERY));
stream.start();
process.stdin.resume().on("end", () => {{
  stream.stop();
  print({{ values: Object.fromEntries(stream.values) }});
}});
"""


def python_command(folder: Path) -> list[str]:
    return [sys.executable, "-c", PYTHON.format(folder=str(EXAMPLES / "python"))]


def compiler(folder: Path) -> Path:
    """The newest TypeScript compiler that npm has, installed into `folder`. Skips where there is no npm."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("npm and Node.js 20 or newer are needed: apt install npm")
    install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", str(folder), "typescript"]
    subprocess.run(install, check=True, timeout=120)
    return folder / "node_modules" / ".bin" / "tsc"


def node_command(folder: Path) -> list[str]:
    """Compiles the TypeScript client into `folder`; a driver beside it."""
    dist = folder / "dist"
    subprocess.run([compiler(folder), "--project", EXAMPLES / "typescript", "--outDir", dist], check=True, timeout=120)
    (dist / "driver.mjs").write_text(NODE.format(module="./client.js"))
    (dist / "package.json").write_text('{"type": "module"}')
    version = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout
    flags = ["--experimental-websocket"] if int(version[1:].split(".")[0]) < 22 else []
    return ["node", *flags, "--no-warnings", str(dist / "driver.mjs")]


class Client:
    """`with Client(command, url, tokens, file) as client`: runs until `finish`. `news`: (epoch, message), in order."""

    def __init__(self, command: Sequence[str], url: str, tokens: Sequence[str], file: Path, **query: str) -> None:
        file.write_text(json.dumps(tokens))
        environment = {"URL": url, "TOKENS": str(file), "QUERY": json.dumps(query), "PATH": os.environ["PATH"]}
        self.news: list[tuple[str, dict[str, Any]]] = []
        self.values: dict[str, dict[str, Any]] | None = None
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._errors: list[str] = []
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._read_errors)]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            with self._changed:
                if "values" in told:
                    self.values = told["values"]
                else:
                    self.news.append((told["epoch"], told["news"]))
                self._changed.notify_all()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self._errors.extend(self.process.stderr)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [message for _, message in self.news if message["type"] != "gap"]

    @property
    def gaps(self) -> list[dict[str, Any]]:
        return [message for _, message in self.news if message["type"] == "gap"]

    def wait_for(self, reached: Callable[[list[tuple[str, dict[str, Any]]]], bool]) -> None:
        with self._changed:
            met = self._changed.wait_for(lambda: reached(self.news), BACK_S)
        assert met, f"it has {len(self.news)} news, the last ones {self.news[-3:]}; {self._errors}"

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def finish(self) -> dict[str, dict[str, Any]]:
        """Ends it; the values that it holds."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(PATIENCE_S) == 0, self._errors
        for thread in self._threads:
            thread.join(PATIENCE_S)
        assert self._errors == []
        assert self.values is not None
        return self.values

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
