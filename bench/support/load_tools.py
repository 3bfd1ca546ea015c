"""
The compiled load tools (bench/load) as functions: examples become files, options arguments, and the JSON line a dict.

The options are those of bench/load/options.c; True is a flag, None and False are left out.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .events import Dialect
from .servers import BENCH, LOAD_CORE, Running, Server

Option = str | float | bool | None
RUN_S = 300.0  # far longer than any run: a load tool that hangs ends the bench with TimeoutExpired


def build(*tools: str) -> None:
    """Compiles those of the tools that are out of date; without a name all. Ends the program if the compiler fails."""
    targets = [f"../bin/{tool}" for tool in tools]
    if subprocess.run(["make", "--quiet", "-C", str(BENCH / "load"), *targets]).returncode:
        sys.exit("the load tools need a C compiler and OpenSSL's headers: apt install build-essential libssl-dev")


@contextmanager
def started(tool: str, dialect: Dialect, **options: Option) -> Iterator[subprocess.Popen[bytes]]:
    """bench/bin/`tool` on the load's core, its output piped; the examples' files live as long as the block."""
    with tempfile.TemporaryDirectory(prefix="teslafast-load-") as name:
        spoken: dict[str, Option] = {"text": dialect.text, "publisher_greeting": dialect.greeting}
        for part, example in (("message", dialect.message), ("ack", dialect.ack)):
            if example is not None:
                path = Path(name) / part
                path.write_bytes(example)
                spoken[part] = str(path)
        command = ["taskset", "-c", LOAD_CORE, str(BENCH / "bin" / tool), *_arguments(options | spoken)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                yield process
            finally:
                process.kill()


def result(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The JSON line that the tool prints at its end. Raises RuntimeError with its stderr if it failed."""
    output, errors = process.communicate(timeout=RUN_S)
    if process.returncode:
        raise RuntimeError(f"the load tool ended with {process.returncode}: {errors.decode()}")
    figures: dict[str, Any] = json.loads(output)
    return figures


def run(tool: str, dialect: Dialect, **options: Option) -> dict[str, Any]:
    """One run of bench/bin/`tool`, to its end."""
    with started(tool, dialect, **options) as process:
        return result(process)


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
        "event_stream": server.event_stream,
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
