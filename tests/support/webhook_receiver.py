"""
A receiver of webhooks that is none of ours: the standard library's HTTP server, in a thread or as a process of its own.

    Receiver                              in a thread: answers with what it is told to, and remembers what it got
    python -m … PORT FILE                 a process: writes each event's id and body to FILE as a line before it answers 204
"""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support import ROOT
from tests.support.peers import PATIENCE_S


@dataclass(frozen=True)
class Posted:
    """`headers`: names in lower case. `at_s`: when it had come (monotonic)."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at_s: float = field(default_factory=time.monotonic)

    @property
    def seq(self) -> int:
        return int(self.headers["ce-id"].rpartition("-")[2])

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body of an answer in one segment
    judge: Callable[[Posted], Answer]
    opened: Callable[[], object] = lambda: None

    def setup(self) -> None:
        super().setup()
        type(self).opened()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = type(self).judge(Posted(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status >= 200:
            self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request: object, address: object) -> None:
        """A client that has gone in the middle is what these tests are about."""


def served(port: int, judge: Callable[[Posted], Answer], opened: Callable[[], object] = lambda: None) -> _Server:
    handler = type("Handler", (_Handler,), {"judge": staticmethod(judge), "opened": staticmethod(opened)})
    return _Server(("127.0.0.1", port), handler)


class Receiver:
    """`answers`: one each for the next posts, then `usual`. `judge`, if there is one, decides instead of both."""

    def __init__(self, *answers: Answer, judge: Callable[[Posted], Answer] | None = None) -> None:
        self.posted: list[Posted] = []
        self.answers = list(answers)
        self.usual = Answer()
        self.connections = 0
        self._judge = judge
        self._changed = threading.Condition()
        self._server = served(0, self._answer, self._opened)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def _opened(self) -> None:
        with self._changed:
            self.connections += 1
            self._changed.notify_all()

    def _answer(self, posted: Posted) -> Answer:
        with self._changed:
            self.posted.append(posted)
            self._changed.notify_all()
        if self._judge is not None:  # outside of the lock: it may wait for another post
            return self._judge(posted)
        with self._changed:
            return self.answers.pop(0) if self.answers else self.usual

    @property
    def seqs(self) -> list[int]:
        return [one.seq for one in self.posted]

    def wait_for(self, reached: Callable[[list[Posted]], bool]) -> list[Posted]:
        with self._changed:
            assert self._changed.wait_for(lambda: reached(self.posted), PATIENCE_S), self.posted
            return list(self.posted)

    def wait_connected(self, count: int) -> None:
        """Whoever connects is connected before we are told."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.connections >= count, PATIENCE_S), self.connections

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


def spawned(port: int, file: Path) -> subprocess.Popen[str]:
    """A process that listens when this returns; port 0: any, and `port_of` tells which."""
    command = [sys.executable, "-m", "tests.support.webhook_receiver", str(port), str(file)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE)


def port_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def main(port: int, path: Path) -> None:
    lock = threading.Lock()
    with path.open("ab", buffering=0) as file:

        def judge(posted: Posted) -> Answer:
            with lock:
                file.write(b"%s %s\n" % (posted.headers["webhook-id"].encode(), posted.body))
            return Answer()

        server = served(port, judge)
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
