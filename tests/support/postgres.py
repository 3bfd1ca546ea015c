"""
A real PostgreSQL: a cluster of its own, started, killed, and started again on the same port; and an independent reader.

It refuses to run as root, so for root it becomes `nobody`, in a folder that it may reach.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from tests.support.peers import PATIENCE_S
from tests.support.ports import free_port

NOBODY = 65534


def programs() -> Path:
    """The newest version's folder; Debian has it beside the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    return found[-1] if found else Path(shutil.which("initdb") or "initdb").parent


def _as_user() -> list[str]:
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.getuid() == 0 else []


class Postgres:
    """With `with` it runs, and its data are gone afterwards. The user `postgres` needs no password; `keeper` has one."""

    def __init__(self) -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="teslafast-postgres-"))
        if os.getuid() == 0:
            os.chown(self._folder, NOBODY, NOBODY)
        self._data = self._folder / "data"
        made: list[str | Path] = [
            programs() / "initdb",
            "-D",
            self._data,
            "-U",
            "postgres",
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
        ]
        subprocess.run([*_as_user(), *made], check=True, stdout=subprocess.DEVNULL, cwd=self._folder)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = ["-p", str(self.port), "-k", "", "-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=32MB"]
        command = [*_as_user(), str(programs() / "postgres"), "-D", str(self._data), *options]
        until_s = time.monotonic() + PATIENCE_S
        with (self._folder / "log").open("ab") as log_file:
            while True:
                if self._process is None or self._process.poll() is not None:  # a killed one's children keep its memory a moment
                    self._process = subprocess.Popen(
                        command, stdout=log_file, stderr=log_file, start_new_session=True, cwd=self._folder
                    )
                with contextlib.suppress(psycopg.OperationalError):
                    psycopg.connect(self.url, connect_timeout=2).close()
                    return
                assert time.monotonic() < until_s, (self._folder / "log").read_text()
                time.sleep(0.02)  # nothing tells when it does

    def kill(self) -> None:
        """All its processes at once, as a machine does that loses its power."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def signal_all(self, number: signal.Signals) -> None:
        """SIGSTOP: it takes connections, and answers nothing, as behind a net that has gone."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def stop(self) -> None:
        """As its administrator stops it: connections are ended with a reason."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE_S)
        self._process = None

    def ask(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(question.encode(), values or None).fetchall()

    def do(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
