"""
Load for minutes, and whether memory stays flat.

    python tests/soak.py [--seconds 600]

Vehicles that keep sending, dashboards that keep reading, one that stops, others that come and go, and a little rubbish: all that
could leave something behind. RSS is sampled every 2 s; the slope is that of a straight line through the second half, when ring
and caches are full. Exit 1 if that is more than LIMIT_PER_HOUR.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

import fuzz_server
from faults import Crowd, Healthy, Load, resident_bytes
from peers import Place
from running import Process

SAMPLE_S = 2.0
MIB = 1 << 20
LIMIT_PER_HOUR = 12 * MIB  # 2 MiB in 10 minutes: what an allocator's arenas may wander by


def churn(place: Place, until: float, chance: random.Random) -> None:
    """Peers that come and go, in good manners and without."""
    while time.monotonic() < until:
        with place.dashboard("?since=0&vin=churn") as dashboard, place.vehicle("churn") as vehicle:
            vehicle.tell({"Soc": {"floatValue": chance.random()}})
            dashboard.until("data")
        fuzz_server.attack(place.port, chance)
        place.get("/metrics")


def slope_per_hour(samples: list[tuple[float, int]]) -> float:
    """Bytes an hour, by least squares."""
    mean_s = sum(at for at, _ in samples) / len(samples)
    mean = sum(size for _, size in samples) / len(samples)
    spread = sum((at - mean_s) ** 2 for at, _ in samples)
    return 3600 * sum((at - mean_s) * (size - mean) for at, size in samples) / spread


def run(seconds: float) -> float:
    """The slope; says a line a minute."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Process(JOURNAL_PATH=str(Path(folder) / "journal"), RING_BYTES="4MiB", PING_INTERVAL="2") as process,
    ):
        place, began_s = process.place, time.monotonic()
        until = began_s + seconds
        stalled = place.raw_dashboard()
        restless = threading.Thread(target=churn, args=[place, until, random.Random(1)])
        restless.start()
        samples: list[tuple[float, int]] = []
        crowd = Crowd(place, 20)
        with Healthy(place), Load(place, ["steady-1", "steady-2"], 1, pause_s=0.002):
            crowd.__enter__()
            while time.monotonic() < until:
                time.sleep(SAMPLE_S)
                samples.append((time.monotonic() - began_s, resident_bytes(process.process.pid)))
                if len(samples) % 30 == 0:
                    seq = place.get("/health").json["seq"]
                    print(f"{samples[-1][0]:6.0f} s  {samples[-1][1] / MIB:7.2f} MiB  seq {seq}", flush=True)
            restless.join()
        stalled.socket.close()
        process.process.terminate()
        crowd.__exit__(None, None, None)
    return slope_per_hour(samples[len(samples) // 2 :])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    slope = run(parser.parse_args().seconds)
    print(f"RSS slope in the second half: {slope / MIB:+.2f} MiB an hour (limit {LIMIT_PER_HOUR / MIB:.0f})")
    sys.exit(slope > LIMIT_PER_HOUR)


if __name__ == "__main__":
    main()
