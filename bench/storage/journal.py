"""
What the journal costs, and how long a killed server takes to be there again.

cost        100 vehicles over mutual TLS, 16 messages in flight each: CPU a message with JOURNAL_PATH, of that without, in
            interleaved rounds; the median of the rounds' ratios
recovery    a server with a ring of 64 MiB is killed (SIGKILL) at random moments under load; how long the next one reads before
            it listens, as its log says

    python -m bench.storage.journal [--rounds 9] [--seconds 3] [--kills 5]
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

from ..support import certificates as tls
from ..support import load_tools, servers
from ..support.servers import ROOT, Server
from ..vehicles.ingest import drive

FILLED_S = 6.0  # after so long at full speed a ring of 64 MiB has gone round several times
RING = {"RING_BYTES": "64MiB"}


def cost(rounds: int, seconds: float) -> float:
    """The ratio; says a line a round."""
    ratios = []
    with tempfile.TemporaryDirectory(prefix="teslafast-journal-") as name:
        certificates = Path(name)
        tls.issue(certificates, vehicles=100)
        without = servers.teslafast(env=tls.server_env(certificates))
        kept = servers.teslafast(env=tls.server_env(certificates) | {"JOURNAL_PATH": str(certificates / "journal")})
        for _ in range(rounds):
            cpu_us = []
            for server in (without, kept):
                with servers.running(server) as at:
                    figures = drive(at, certificates, "real", publishers=100, window=16, seconds=seconds)
                cpu_us.append(float(figures["server_cpu_us"]))
            ratios.append(cpu_us[1] / cpu_us[0])
            print(
                f"CPU a message: {cpu_us[0]:.2f} us without, {cpu_us[1]:.2f} us with the journal: {ratios[-1]:.3f} x", flush=True
            )
    return statistics.median(ratios)


def fill_and_kill(server: Server) -> None:
    """Events at full speed, until the server is killed at some moment after FILLED_S."""
    with servers.running(server) as at:
        killer = threading.Timer(FILLED_S + random.random(), os.kill, [at.pid, signal.SIGKILL])
        killer.start()
        try:
            load_tools.fan_out(server, at, 300, publishers=32, window=64, readers=2, seconds=FILLED_S + 3)
        except RuntimeError:  # the load tool's word for a server that has gone
            if killer.is_alive():
                raise
        finally:
            killer.join()


def recovered(server: Server) -> dict[str, Any]:
    """What a server started over the same journal says of it."""
    command = server.command(servers.free_port(), Path())
    environment = os.environ | dict(server.env) | {"LOG_LEVEL": "info", "LOG_FORMAT": "json"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr is not None
        lines = map(json.loads, process.stderr)
        found: dict[str, Any] = next(line for line in lines if line["event"] == "journal_recovered")
        process.kill()
    return found


def recovery(kills: int) -> float:
    """The longest, in seconds; says a line a kill."""
    longest = 0.0
    for _ in range(kills):
        with tempfile.TemporaryDirectory(prefix="teslafast-journal-") as name:
            server = servers.teslafast(env=RING | {"JOURNAL_PATH": str(Path(name) / "journal")})
            fill_and_kill(server)
            found = recovered(server)
        longest = max(longest, found["seconds"])
        print(
            f"killed: {found['events']:,} events there after {found['seconds']:.3f} s, "
            f"{found['read_again']:,} of them read again, lost {found['lost']}",
            flush=True,
        )
    return longest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args()
    load_tools.build()
    print(f"the journal costs {cost(options.rounds, options.seconds):.3f} x (median)")
    print(f"recovery of 64 MiB took {recovery(options.kills):.3f} s at most")


if __name__ == "__main__":
    main()
