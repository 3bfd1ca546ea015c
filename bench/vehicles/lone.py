"""
One message at a time over mutual TLS, woken from idle: our server beside programs that do less and less.

    teslafast              all of it
    picows, nothing done   uvloop, picows and TLS in Python; every message gets the reply that it is due, and nothing is decoded
    C, nothing done        epoll, OpenSSL and the same reply (peers/tls_acks.c): what kernel and TLS allow

What the second costs above the third is the event loop's and picows'; what the first costs above the second is ours. The server
has core 0, the load core 1; rounds are interleaved, a figure is the median of the rounds.

    python -m bench.vehicles.lone [--rounds 3] [--seconds 4] [--rates 100,500] [--vehicles 100]
"""

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from ..support import certificates as tls
from ..support import events, load_tools, servers
from ..support.servers import BENCH, Server
from . import ingest

OURS, PYTHON, C = "teslafast", "picows, nothing done", "C, nothing done"


def contenders(certificates: Path) -> list[Server]:
    dialect = events.envelope(events.REAL)
    examples = [certificates / "message", certificates / "ack"]
    examples[0].write_bytes(dialect.message)
    examples[1].write_bytes(dialect.ack or b"")
    given = [str(certificates), *map(str, examples)]

    def python(port: int, _: Path) -> list[str]:
        return [sys.executable, "-m", "bench.peers.tls_acks", str(port), *given]

    def c(port: int, _: Path) -> list[str]:
        return [str(BENCH / "bin" / "tls_acks"), str(port), *given]

    return [servers.teslafast(OURS, tls.server_env(certificates)), Server(PYTHON, python), Server(C, c)]


def run(rounds: int, seconds: float, rates: list[int], vehicles: int) -> None:
    found: dict[tuple[int, str], list[ingest.Figures]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="teslafast-certs-") as name:
        certificates = Path(name)
        tls.issue(certificates, vehicles)
        for _ in range(rounds):
            for rate in rates:
                for server in contenders(certificates):
                    with servers.running(server) as at:
                        options: dict[str, load_tools.Option] = {"publishers": vehicles, "rate": rate, "seconds": seconds}
                        found[rate, server.name].append(ingest.drive(at, certificates, "real", **options))
    print(
        f"| messages/s of {vehicles} vehicles | server | CPU µs a message | ack p50 µs | p99 µs | errors |\n" + "|---" * 6 + "|"
    )
    for (rate, name), runs in found.items():
        cpu, p50, p99 = (statistics.median(float(one[key]) for one in runs) for key in ("server_cpu_us", "p50_us", "p99_us"))
        print(f"| {rate} | {name} | {cpu:.1f} | {p50:.0f} | {p99:.0f} | {sum(int(one['ack_errors']) for one in runs)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rates", default="100,500", help="messages a second of all vehicles together")
    parser.add_argument("--vehicles", type=int, default=100)
    options = parser.parse_args()
    load_tools.build()
    run(options.rounds, options.seconds, [int(rate) for rate in options.rates.split(",")], options.vehicles)


if __name__ == "__main__":
    main()
