"""A real InfluxDB 1, Debian's: started, killed, and started again on the same port, with its data; and questions to it."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.peers import PATIENCE_S
from tests.support.ports import free_port

CONFIGURATION = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[http]
  bind-address = "127.0.0.1:{port}"
  auth-enabled = {auth}
  log-enabled = false
[monitor]
  store-enabled = false
"""


class Influx:
    """With the database `telemetry`. `login`: (user, password) of an administrator, without which nobody is let in."""

    def __init__(self, folder: Path, login: tuple[str, str] | None = None) -> None:
        self.port = free_port()
        self._folder = folder
        self._login = login
        self._process: subprocess.Popen[bytes] | None = None
        text = CONFIGURATION.format(folder=folder, port=self.port, rpc=free_port(), auth="true" if login else "false")
        (folder / "influxdb.conf").write_text(text)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log_file:
            command = ["influxd", "-config", str(self._folder / "influxdb.conf")]
            self._process = subprocess.Popen(command, stdout=log_file, stderr=log_file)
        until_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping"):
                    return
            except OSError:
                assert self._process.poll() is None, (self._folder / "log").read_text()
                assert time.monotonic() < until_s, "influxd does not listen"
                time.sleep(0.02)  # nothing tells when it does

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def ask(self, question: str, database: str = "telemetry") -> list[dict[str, Any]]:
        """The rows of all series that a question in InfluxQL finds, each with its columns and tags; times in ns."""
        login = urllib.parse.urlencode(dict(zip("up", self._login, strict=True))) if self._login else ""
        [result] = self._query({"q": question, "db": database, "epoch": "ns"}, login)
        assert "error" not in result, f"{question}: {result['error']}"
        return [
            dict(zip(series["columns"], values, strict=True)) | series.get("tags", {})
            for series in result.get("series", [])
            for values in series["values"]
        ]

    def _query(self, form: dict[str, str], login: str = "") -> list[dict[str, Any]]:
        body = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/query?{login}", body, PATIENCE_S) as answer:
            found: list[dict[str, Any]] = json.load(answer)["results"]
        return found

    def write(self, line: str) -> None:
        """As somebody else would who was there before."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/write?db=telemetry", line.encode(), PATIENCE_S) as answer:
            assert answer.status == 204

    def __enter__(self) -> Self:
        self.start()
        if self._login:  # the first one needs no login to be made
            self._query({"q": "CREATE USER {} WITH PASSWORD '{}' WITH ALL PRIVILEGES".format(*self._login)})
        self.ask("CREATE DATABASE telemetry")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self.kill()
