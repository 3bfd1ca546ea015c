"""A cluster in virtual time, with faults chosen by a seed: what it promises holds in every run."""

import pytest

from tests.cluster.simulation import Simulation

SEEDS = 300  # `make soak-cluster` runs 10,000, and longer ones
BATCH = 25


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_nothing_is_lost_repeated_or_out_of_order_whatever_fails(first: int) -> None:
    for seed in range(first, first + BATCH):
        run = Simulation(seed, disasters=seed % 5 == 4).run(12.0)
        assert not run.judge.faults, f"seed {seed}: {run.judge.faults[:5]} after {run.happened}"
