"""
The compiled load tools (bench/load) as functions: examples become files, options arguments, and the JSON line a dict.

The options are those of bench/load/options.c; True is a flag, None and False are left out.
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from .events import Dialect
from .servers import HERE, LOAD_CORE, Running, Server

Option = str | float | bool | None
RUN_S = 300.0


def build() -> None:
    """Compiles the tools that are out of date. CalledProcessError if that fails: it needs a C compiler and OpenSSL's headers."""
    subprocess.run(["make", "--quiet", "-C", str(HERE / "load")], check=True)


def run(tool: str, dialect: Dialect, **options: Option) -> dict[str, Any]:
    """One run of bench/bin/`tool` on the load's core. CalledProcessError if it could not do what it was told."""
    with tempfile.TemporaryDirectory(prefix="teslafast-load-") as name:
        options |= {"text": dialect.text, "publisher_greeting": dialect.greeting} if dialect.greeting else {"text": dialect.text}
        for part, example in (("message", dialect.message), ("ack", dialect.ack)):
            if example is not None:
                path = Path(name) / part
                path.write_bytes(example)
                options[part] = str(path)
        command = ["taskset", "-c", LOAD_CORE, str(HERE / "bin" / tool), *_arguments(options)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=RUN_S)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def fan_out(server: Server, at: Running, size: int, **options: Option) -> dict[str, Any]:
    """Readers and publishers of one server, with events of about `size` bytes."""
    spoken: dict[str, Option] = {
        "port": at.port,
        "server_pid": at.pid,
        "reader_path": server.reader_path,
        "publisher_path": server.publisher_path,
        "token": server.token,
        "reader_greeting": server.reader_greeting,
        "several_to_a_frame": server.several_to_a_frame,
    }
    return run("readers", server.dialect(size), **(spoken | options))


def _arguments(options: dict[str, Option]) -> list[str]:
    arguments: list[str] = []
    for name, value in options.items():
        if value is True:
            arguments.append(f"--{name}")
        elif value is not None and value is not False:
            arguments += [f"--{name}", str(value)]
    return arguments
