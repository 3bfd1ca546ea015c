"""How far a quantile of the histogram may be from that of the samples."""

from hypothesis import given
from hypothesis import strategies as st
from teslafast.simulator.latency_histogram import LatencyHistogram


@given(st.lists(st.floats(1e-6, 100), min_size=1, max_size=300), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_within_four_percent_of_those_of_the_samples(samples: list[float], share: float) -> None:
    latencies = LatencyHistogram()
    for sample in samples:
        latencies.add(sample)
    exact = sorted(samples)[max(0, -int(-share * len(samples) // 1) - 1)]
    assert exact * 0.999 <= latencies.quantile_s(share) <= exact * 1.041
    assert latencies.max_s == max(samples)


def test_without_samples_every_quantile_is_zero() -> None:
    assert LatencyHistogram().quantile_s(0.99) == 0.0


def test_a_latency_of_zero_is_counted() -> None:
    latencies = LatencyHistogram()
    latencies.add(0.0)
    assert latencies.quantile_s(1.0) == latencies.max_s == 0.0
