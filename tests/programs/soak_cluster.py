"""
`make soak-cluster`: simulated clusters (tests/cluster/simulation.py), a seed each, on all cores; prints the seeds that fail.

    python -m tests.programs.soak_cluster [--first 0] [--seeds 10000] [--seconds 20]
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.cluster.simulation import Simulation

DISASTER_EVERY = 5


def outcome(seconds: float, seed: int) -> tuple[int, list[str], int]:
    """The seed, what was broken, and how many records were acknowledged."""
    run = Simulation(seed, nodes=2 + seed % 3, disasters=seed % DISASTER_EVERY == DISASTER_EVERY - 1).run(seconds)
    return seed, run.judge.faults, len(run.judge.acked)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of virtual time with faults, in each run")
    asked = parser.parse_args()
    began_s = time.monotonic()
    acked = failed = 0
    seeds = range(asked.first, asked.first + asked.seeds)
    with ProcessPoolExecutor() as pool:
        for seed, faults, its_acked in pool.map(partial(outcome, asked.seconds), seeds, chunksize=20):
            acked += its_acked
            if faults:
                failed += 1
                print(f"seed {seed}: {faults[:3]}", flush=True)
    print(f"{len(seeds)} runs, {failed} failed, {acked:,} records acknowledged, {time.monotonic() - began_s:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
