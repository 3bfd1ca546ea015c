"""The metrics' table as Prometheus text. prometheus-client writes it, and is imported at the first scrape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from ..metrics import Durations
from .prometheus import TABLE, Gauges, Row, Value

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SHORTEST = 5  # the first bucket shown: 32 µs


def text(reading: Gauges) -> bytes:
    """The whole answer to a scrape."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(reading))
    return generate_latest(registry) + generate_latest(_of_process())


@cache
def _of_process() -> Any:
    """Memory, CPU and descriptors, as prometheus-client reads them from /proc."""
    from prometheus_client import CollectorRegistry, ProcessCollector

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


class _Collector:
    def __init__(self, reading: Gauges) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Any]:
        for row in TABLE:
            value = row.read(self._reading)
            if value is not None:
                yield _family(row, value)


def _family(row: Row, value: Value) -> Any:
    from prometheus_client import core

    if isinstance(value, Durations):
        return core.HistogramMetricFamily(row.name, row.help, buckets=_cumulated(value), sum_value=value.sum_s)
    families = {"counter": core.CounterMetricFamily, "gauge": core.GaugeMetricFamily, "unknown": core.UntypedMetricFamily}
    make = families[row.kind]
    if not isinstance(value, Mapping):
        return make(row.name, row.help, value=value)
    family = make(row.name, row.help, labels=[label for label in (row.label, row.second_label) if label])
    for words, number in sorted(value.items()):
        family.add_metric([words] if isinstance(words, str) else words, number)
    return family


def _cumulated(durations: Durations) -> list[tuple[str, float]]:
    total, buckets = 0, []
    for power, count in enumerate(durations.buckets):
        total += count
        if _SHORTEST <= power < Durations.LAST:
            buckets.append((str(2**power / 1e6), float(total)))
    return [*buckets, ("+Inf", float(total))]
