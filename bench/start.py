"""
How long a server takes until it answers /health, and what it keeps of memory when nobody has come.

    python -m bench.start [--rounds 9]
"""

import argparse
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from .support import servers

AT_REST_S = 0.5  # after the first answer
POLL_S = 0.002
Figures = dict[str, float]


def once() -> Figures:
    """`health_s`, `cpu_s` until it is at rest, `rest_mb`."""
    ours, port = servers.teslafast(), servers.free_port()
    environment = {"PATH": "/usr/bin:/bin", **ours.env}
    with tempfile.TemporaryDirectory(prefix="teslafast-bench-") as name:
        began_s = time.perf_counter()
        process = subprocess.Popen(ours.command(port, Path(name)), env=environment, cwd=ours.cwd, stderr=subprocess.DEVNULL)
        try:
            _await_health(process, port)
            health_s = time.perf_counter() - began_s
            time.sleep(AT_REST_S)
            return {"health_s": health_s, "cpu_s": _cpu_s(process.pid), "rest_mb": _resident_mb(process.pid)}
        finally:
            process.kill()
            process.wait()


def _await_health(process: subprocess.Popen[bytes], port: int) -> None:
    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(POLL_S)
    raise RuntimeError(f"the server ended with {process.returncode}")


def _cpu_s(pid: int) -> float:
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def median(rounds: int) -> Figures:
    runs = [once() for _ in range(rounds)]
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    figures = median(parser.parse_args().rounds)
    print(f"/health after {figures['health_s']:.3f} s, {figures['cpu_s']:.3f} s of CPU; {figures['rest_mb']:.1f} MB at rest")


if __name__ == "__main__":
    main()
